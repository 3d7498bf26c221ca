"""Runs roles.sql with the passwords of an environment: `python -m deploy.postgres.roles`."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import asyncpg

SERVICES = ("registry", "applications", "budget", "notifications")
ROLES = (*SERVICES, *(f"{service}_owner" for service in SERVICES), "auditor")
STATEMENTS = Path(__file__).with_name("roles.sql")


def password_variable(role: str) -> str:
    """The environment variable, and the line of secrets.env, that holds a role's password."""
    return f"{role.upper()}_PASSWORD"


async def declare_roles(admin_url: str, *, passwords: Mapping[str, str]) -> None:
    """Create or update roles, schemas and rights in the database of the url. `passwords` is keyed by `password_variable`."""
    connection = await asyncpg.connect(admin_url)
    try:
        async with connection.transaction():
            for role in ROLES:
                await connection.execute("SELECT set_config($1, $2, true)", f"setup.{role}", passwords[password_variable(role)])
            await connection.execute(STATEMENTS.read_text(encoding="utf-8"))
    finally:
        await connection.close()


async def create_database(admin_url: str, *, name: str, template: str = "template0") -> None:
    """Create a database, a copy of `template` with nobody connected to it, unless it exists."""
    connection = await asyncpg.connect(admin_url)
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    finally:
        await connection.close()


async def allow_connections(admin_url: str, *, database: str) -> None:
    """Rights on a database itself are not copied from its template."""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
        await connection.execute(f'GRANT CONNECT ON DATABASE "{database}" TO {", ".join(ROLES)}')
    finally:
        await connection.close()


def main() -> None:
    asyncio.run(declare_roles(os.environ["POSTGRES_ADMIN_URL"], passwords=os.environ))
    print(f"Declared {len(ROLES)} roles and {len(SERVICES)} schemas.")


if __name__ == "__main__":
    main()
