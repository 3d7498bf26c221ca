"""Two services on one database and one broker, reduced to the mechanism: registry announces, notifications hears."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from sqlalchemy import text

from shared import inbox, outbox, relay
from shared.consumer import Consuming
from shared.db import Tx
from shared.events import HEADER_SEQ
from shared.events.registry import OrganisationChanged, OrganisationEvent, OrganisationRegistered
from shared.inbox import Consumer, Handler
from shared.live import Live, open_live
from shared.settings import Profile, Settings
from tests.fixtures.uscc import make_synthetic
from tests.runtime import Database, Topics

CITY_FILE = Path("deploy/city.toml")
RESTART_GAP_S = 0.1
MOMENT: dict[str, Any] = {"happened_at": datetime(2025, 9, 1, tzinfo=UTC), "happened_on": date(2025, 9, 1)}
# Of two partitions, the second holds ONE and FOUR, the first TWO and THREE.
ONE, TWO, THREE, FOUR = (make_synthetic(body) for body in ("91990000MA0000001", "91990000MA0000002", "91990000MA0000003", "91990000MA0000008"))
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


def organisation(uscc: str, *, version: int) -> OrganisationEvent:
    kind = OrganisationRegistered if version == 1 else OrganisationChanged
    return kind(
        **MOMENT,
        uscc=uscc,
        kind="enterprise",
        name="测试机构",
        jurisdiction_id="huancui",
        status="active",
        version=version,
    )


@dataclass
class Gate:
    """Holds whoever comes to it, and tells that somebody came."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_through(self) -> None:
        self.reached.set()
        await self.opened.wait()


@dataclass
class Ear:
    """A consumer that writes down what it hears. `broken` and `gates` name the events, as (key, version), at which its handler raises or waits."""

    broken: set[tuple[str, int]] = field(default_factory=set)
    gates: dict[tuple[str, int], Gate] = field(default_factory=dict)
    tries: Counter[tuple[str, int]] = field(default_factory=Counter)

    def consumer(self) -> Consumer:
        handlers = [Handler(event=event, kind="effect", handle=self.hear) for event in (OrganisationRegistered, OrganisationChanged)]
        return inbox.consumer("notifications", topics=["registry.events"], handlers=handlers)

    async def hear(self, tx: Tx, event: OrganisationEvent) -> None:
        which = (event.uscc, event.version)
        self.tries[which] += 1
        await tx.execute(text("INSERT INTO heard (key, version) VALUES (:key, :version)"), {"key": event.uscc, "version": event.version})
        if which in self.gates:
            await self.gates[which].pass_through()
        if which in self.broken:
            raise RuntimeError("a bug in a handler")


@dataclass(frozen=True)
class Pair:
    registry: Live
    notifications: Live
    database: Database
    topics: Topics

    async def announce(self, *events: OrganisationEvent) -> None:
        async with self.registry.transaction() as tx:
            await outbox.append(tx, *events)

    async def heard(self) -> list[tuple[str, int]]:
        return [(row["key"], row["version"]) for row in await self.rows("SELECT key, version FROM notifications.heard ORDER BY n")]

    async def heard_versions(self, key: str) -> list[int]:
        return [version for of_key, version in await self.heard() if of_key == key]

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database.urls["postgres"])
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def reasons(self) -> list[tuple[int, str]]:
        """What is parked: (event_seq, reason)."""
        return [(row["event_seq"], row["reason"]) for row in await self.rows("SELECT event_seq, reason FROM notifications.parked ORDER BY event_seq")]

    async def until(self, query: str, *, within_s: float = 20.0) -> None:
        """Wait until `query` answers true."""
        async with asyncio.timeout(within_s):
            while not (await self.rows(query))[0][0]:
                await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def relaying(self) -> AsyncIterator[None]:
        async with running(relay.run(self.registry.settings)):
            yield

    def consumer_process(self, ear: Ear, *, slot: str = "notifications-worker", consumer: Consumer | None = None) -> Consuming:
        """What a worker runs; processes of one group need slots of their own."""
        settings = self.notifications.settings.model_copy(update={"slot": slot})
        return Consuming(settings=settings, database=self.notifications.database, consumer=consumer or ear.consumer())

    @contextlib.asynccontextmanager
    async def consuming(self, ear: Ear, *, slot: str = "notifications-worker", consumer: Consumer | None = None) -> AsyncIterator[Consuming]:
        consuming = self.consumer_process(ear, slot=slot, consumer=consumer)
        async with running(consuming.run()):
            yield consuming

    async def records(self) -> list[tuple[str, int]]:
        """Everything in the topic, as (key, seq), in the order of each partition."""
        client = AIOKafkaConsumer(bootstrap_servers=self.topics.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
        await client.start()
        try:
            partitions = [TopicPartition(f"{self.topics.prefix}registry.events", number) for number in range(self.topics.partitions)]
            client.assign(partitions)
            await client.seek_to_beginning()
            ends = await client.end_offsets(partitions)
            found: list[ConsumerRecord] = []
            while any([await client.position(partition) < end for partition, end in ends.items()]):
                found += [record for batch in (await client.getmany(timeout_ms=500)).values() for record in batch]
        finally:
            await client.stop()
        return [(record.key.decode(), int(dict(record.headers)[HEADER_SEQ])) for record in found]


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run `work` beside the test; its own failure fails the test."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        if task.done():
            task.result()
        await ended(task)


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@dataclass
class Supervised:
    """Work that is started anew whenever it ends, as a supervisor does; `crash` ends it."""

    start: Callable[[], Coroutine[Any, Any, None]]
    faults: list[BaseException] = field(default_factory=list)
    _current: asyncio.Task[None] | None = field(default=None, init=False)

    def crash(self) -> None:
        if self._current is not None:
            self._current.cancel()

    async def run(self) -> None:
        while True:
            self._current = asyncio.create_task(self.start())
            try:
                await asyncio.wait({self._current})
            finally:
                self._current.cancel()
                await asyncio.wait({self._current})
            if not self._current.cancelled() and (fault := self._current.exception()) is not None:
                self.faults.append(fault)
            await asyncio.sleep(RESTART_GAP_S)


@contextlib.asynccontextmanager
async def supervised(start: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[Supervised]:
    work = Supervised(start)
    async with running(work.run()):
        yield work


@contextlib.asynccontextmanager
async def locked(database: Database, table: str) -> AsyncIterator[None]:
    """Whoever writes to the table stands still meanwhile."""
    connection = await asyncpg.connect(database.urls["postgres"])
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def pair_of_services(database: Database, topics: Topics) -> AsyncIterator[Pair]:
    owner = await asyncpg.connect(database.urls["notifications_owner"])
    await owner.execute(HEARD_DDL)
    await owner.close()
    registry, notifications = (
        open_live(settings_for(service, database=database, topics=topics, slot=f"{service}-worker")) for service in ("registry", "notifications")
    )
    async with registry.running(), notifications.running():
        yield Pair(registry=registry, notifications=notifications, database=database, topics=topics)
