"""Brings each service's schema to its newest revision, as the schema's owner: `python -m deploy.postgres.migrate`."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from alembic import command
from alembic.config import Config

from deploy.postgres.roles import SERVICES, password_variable

ALEMBIC_INI = Path(__file__).resolve().parents[2] / "alembic.ini"


async def migrate(urls: Mapping[str, str]) -> None:
    """Upgrade the schema of each service; `urls` has the service's name and its owner's address."""
    for service, url in urls.items():
        await asyncio.to_thread(upgrade, service, url=url)


def upgrade(service: str, *, url: str) -> None:
    config = Config(str(ALEMBIC_INI), ini_section=service)
    config.attributes["url"] = url
    command.upgrade(config, "head")


def owner_urls(*, host: str, port: int, database: str, passwords: Mapping[str, str]) -> dict[str, str]:
    owners = {service: f"{service}_owner" for service in SERVICES}
    return {
        service: f"postgresql+asyncpg://{owner}:{passwords[password_variable(owner)]}@{host}:{port}/{database}" for service, owner in owners.items()
    }


def main() -> None:
    urls = owner_urls(
        host=os.environ["POSTGRES_HOST"],
        port=int(os.environ.get("POSTGRES_PORT", "5432")),
        database=os.environ["POSTGRES_DB"],
        passwords=os.environ,
    )
    asyncio.run(migrate(urls))
    print("Migrated " + ", ".join(urls))


if __name__ == "__main__":
    main()
