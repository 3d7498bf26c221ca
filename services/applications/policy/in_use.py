"""The catalogue that this process works by: read once, at the first use or at start, whichever comes first."""

from functools import cache

import stamina

from services.applications.policy import commands, load
from services.applications.policy.catalogue import Catalogue
from shared.db import is_transient, open_database
from shared.settings import Settings

DATABASE_RETRY_S_MAX = 2.0


@cache
def catalogue() -> Catalogue:
    return load()


async def check_versions(settings: Settings) -> None:
    """Before the process serves anything. Waits for a database that is away; raises PolicyWrong when a used version was changed."""
    database = open_database(settings)
    try:
        async for attempt in stamina.retry_context(on=is_transient, attempts=None, timeout=None, wait_max=DATABASE_RETRY_S_MAX):
            with attempt:
                async with database.transaction() as tx:
                    await commands.keep_versions(tx, catalogue=catalogue())
    finally:
        await database.engine.dispose()
