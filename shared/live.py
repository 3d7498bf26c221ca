"""What a running process has: its settings, database, clock, city and calendar, opened once at start."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from shared import city, workdays
from shared.city import City
from shared.clock import BusinessClock, Moment
from shared.db import Database, Tx, open_database
from shared.settings import Settings
from shared.workdays import Calendar


@dataclass(frozen=True)
class Live:
    settings: Settings
    database: Database
    clock: BusinessClock
    city: City
    calendar: Calendar

    def now(self) -> Moment:
        """Read once per edge call and passed on; rules and commands never read a clock."""
        return self.clock.now()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The bell rings while the process runs; the pool is closed when it ends."""
        bell = asyncio.create_task(self.database.bell.run())
        try:
            yield
        finally:
            bell.cancel()
            await asyncio.gather(bell, return_exceptions=True)
            await self.database.engine.dispose()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        async with self.database.transaction() as tx:
            yield tx

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Tx]:
        async with self.database.snapshot() as tx:
            yield tx


def open_live(settings: Settings) -> Live:
    here = city.load(settings.city_file)
    return Live(
        settings=settings,
        database=open_database(settings),
        clock=BusinessClock(zone=ZoneInfo(here.timezone), file=settings.business_clock_file),
        city=here,
        calendar=workdays.load(),
    )
