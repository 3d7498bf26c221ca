"""Two services on one database and one broker, reduced to the mechanism: registry announces, notifications hears."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import asyncpg
from sqlalchemy import text

from shared import inbox, outbox, relay
from shared.consumer import Consuming
from shared.db import Tx
from shared.events.registry import OrganisationChanged, OrganisationRegistered
from shared.inbox import Consumer, Handler
from shared.live import Live, open_live
from shared.settings import Profile, Settings
from tests.runtime import Database, Topics

CITY_FILE = Path("deploy/city.toml")
HEARD_DDL = "CREATE TABLE heard (n bigint GENERATED ALWAYS AS IDENTITY, key text NOT NULL, version int NOT NULL)"


def settings_for(service: str, *, database: Database, topics: Topics, slot: str) -> Settings:
    values: Mapping[str, object] = {
        "service": service,
        "profile": Profile.TEST,
        "database_url": database.sqlalchemy_url(service),
        "kafka_bootstrap": topics.bootstrap,
        "kafka_prefix": topics.prefix,
        "city_file": CITY_FILE,
        "slot": slot,
    }
    return Settings.model_validate(values)


def organisation(uscc: str, *, version: int) -> OrganisationRegistered | OrganisationChanged:
    kind = OrganisationRegistered if version == 1 else OrganisationChanged
    return kind(
        happened_at=datetime(2025, 9, 1, tzinfo=UTC),
        happened_on=date(2025, 9, 1),
        uscc=uscc,
        kind="enterprise",
        name="测试机构",
        jurisdiction_id="huancui",
        status="active",
        version=version,
    )


@dataclass
class Ear:
    """A consumer that writes down what it hears; `broken_keys` make its handler raise, as a bug would."""

    broken_keys: set[str] = field(default_factory=set)

    def consumer(self) -> Consumer:
        handlers = [Handler(event=event, kind="effect", handle=self.hear) for event in (OrganisationRegistered, OrganisationChanged)]
        return inbox.consumer("notifications", topics=["registry.events"], handlers=handlers)

    async def hear(self, tx: Tx, event: OrganisationRegistered) -> None:
        if event.uscc in self.broken_keys:
            raise RuntimeError("a bug in a handler")
        await tx.execute(text("INSERT INTO heard (key, version) VALUES (:key, :version)"), {"key": event.uscc, "version": event.version})


@dataclass(frozen=True)
class Pair:
    registry: Live
    notifications: Live
    database: Database
    topics: Topics

    async def announce(self, *events: OrganisationRegistered) -> None:
        async with self.registry.transaction() as tx:
            await outbox.append(tx, *events)

    async def heard(self) -> list[tuple[str, int]]:
        return [(row["key"], row["version"]) for row in await self.rows("SELECT key, version FROM notifications.heard ORDER BY n")]

    async def rows(self, query: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database.urls["postgres"])
        try:
            return await connection.fetch(query)
        finally:
            await connection.close()

    async def until(self, query: str, *, within_s: float = 20.0) -> None:
        """Wait until `query` answers true."""
        async with asyncio.timeout(within_s):
            while not (await self.rows(query))[0][0]:
                await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def relaying(self) -> AsyncIterator[None]:
        async with running(relay.run(self.registry.settings)):
            yield

    @contextlib.asynccontextmanager
    async def consuming(self, ear: Ear) -> AsyncIterator[Consuming]:
        consuming = Consuming(settings=self.notifications.settings, database=self.notifications.database, consumer=ear.consumer())
        async with running(consuming.run()):
            yield consuming


@contextlib.asynccontextmanager
async def running(work: object) -> AsyncIterator[None]:
    """Run `work` beside the test; its own failure fails the test."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _TEMP(database):
    from sqlalchemy.ext.asyncio import create_async_engine
    from shared.tables import mechanism
    for svc in ("registry", "notifications"):
        e = create_async_engine(database.sqlalchemy_url(svc + "_owner"))
        async with e.begin() as c:
            await c.run_sync(mechanism.create_all)
        await e.dispose()


@contextlib.asynccontextmanager
async def pair_of_services(database: Database, topics: Topics) -> AsyncIterator[Pair]:
    await _TEMP(database)
    owner = await asyncpg.connect(database.urls["notifications_owner"])
    await owner.execute(HEARD_DDL)
    await owner.close()
    registry, notifications = (
        open_live(settings_for(service, database=database, topics=topics, slot=f"{service}-worker")) for service in ("registry", "notifications")
    )
    async with registry.running(), notifications.running():
        yield Pair(registry=registry, notifications=notifications, database=database, topics=topics)
