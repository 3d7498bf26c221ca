"""`make migrate`: starts the profile's PostgreSQL, brings its schemas to the newest revisions, and stops it."""

import asyncio
import sys
from typing import Annotated

import typer

from deploy.local.folders import AlreadyRunning, held, profile_folder
from deploy.local.stack import start_postgres
from deploy.local.supervision import ProcessFailed, running_supervisor


def main(profile: Annotated[str, typer.Option(help="Name of the folder under .local/ that keeps the data.")] = "up") -> None:
    """Migrate the database of a profile that is not running."""
    try:
        asyncio.run(migrate_profile(profile))
    except (AlreadyRunning, ProcessFailed) as refused:
        sys.exit(str(refused))


async def migrate_profile(profile: str) -> None:
    with held(profile_folder(profile)) as folder:
        async with running_supervisor(folder) as supervisor:
            await start_postgres(supervisor, durable=True, tell=print)


if __name__ == "__main__":
    typer.run(main)
