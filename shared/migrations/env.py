"""Alembic environment of all four services: one schema, one version table, one owner role each."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

SCHEMA = context.config.get_main_option("schema")
if SCHEMA is None:
    raise RuntimeError("alembic.ini: this section has no `schema`; call `alembic --name <service> …`")


def migrate(connection: Connection) -> None:
    """One migrator at a time, and none waits long for a table that is in use."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"migrate {SCHEMA}"})
    connection.execute(text("SET LOCAL lock_timeout = '8s'"))
    connection.execute(text(f'SET LOCAL search_path = "{SCHEMA}"'))
    context.configure(connection=connection, version_table_schema=SCHEMA)
    context.run_migrations()
    # The version of the schema is the owner's to say, not the service's.
    connection.execute(text(f'REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM "{SCHEMA}"'))


async def run() -> None:
    url = context.config.attributes.get("url") or os.environ["MIGRATE_DATABASE_URL"]
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(run())
