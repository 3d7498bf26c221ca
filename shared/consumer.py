"""The consumer process of one service: poll, one transaction per poll, then the offsets; parks culprits, never skips."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Gauge

from shared import inbox
from shared.db import Database, Tx, is_transient
from shared.inbox import Consumer, Garbage, Received
from shared.settings import Settings

log = structlog.get_logger()

RECORDS_PER_POLL_MAX = 500
POLL_MS = 1_000
TRIES_BEFORE_PARKING = 3
BACKOFF_S_MAX = 5.0
COMMIT_GAP_S = 0.5
START_DEADLINE_S = 40.0
POLL_DEADLINE_S = 60.0
COMMIT_DEADLINE_S = 5.0
STOP_DEADLINE_S = 8.0
PROBE_GAP_S = 5.0
STALL_S = 60.0

OLDEST_PAUSE_S = Gauge("consumer_paused_seconds", "How long the consumer has been backing off from a fault that should pass")


class Stalled(Exception):
    """The broker answers and has events for us, but the position does not move: the process ends and is started anew."""


@dataclass
class Consuming:
    """One running consumer: its Kafka client, and the marks that the watchdog compares."""

    settings: Settings
    database: Database
    consumer: Consumer
    client: AIOKafkaConsumer = field(init=False)
    paused: bool = field(default=False, init=False)
    started: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _committed_at_s: float = field(default=0.0, init=False)
    # The next offset of each partition whose records took effect and whose group does not know it yet. Never the client's own
    # position: that one also counts what was polled and then rolled back.
    _effected: dict[TopicPartition, int] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Consume until cancelled; a fatal client error ends the process."""
        self.client = _client(self.settings, self.consumer)
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                await self.client.start()
            self.started.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._consume())
                tasks.create_task(self._watch())
        finally:
            await self._stop()

    async def _consume(self) -> None:
        while True:
            async with asyncio.timeout(POLL_DEADLINE_S):
                polled = await self.client.getmany(timeout_ms=POLL_MS, max_records=RECORDS_PER_POLL_MAX)
            records = [
                inbox.read(record, topic=self._bare(partition.topic), consumer=self.consumer)
                for partition, found in polled.items()
                for record in found
            ]
            if records:
                await self._effect(records)
                self._effected |= {partition: found[-1].offset + 1 for partition, found in polled.items()}
            await self._commit_offsets(at_once=not records)

    async def _effect(self, records: Sequence[Received | Garbage]) -> None:
        """The whole poll in one transaction; if that fails for a reason that does not pass, one event at a time."""
        try:
            await self._through_outages(lambda tx: inbox.receive(tx, consumer=self.consumer, records=records))
        except Exception as error:  # the edge: whatever a handler raised is found and parked below, logged once there
            log.warning("poll_rolled_back", error=type(error).__name__, events=len(records))
            for record in records:
                await self._effect_one(record)

    async def _effect_one(self, record: Received | Garbage) -> None:
        for attempt in range(1, TRIES_BEFORE_PARKING + 1):
            try:
                await self._through_outages(lambda tx: inbox.receive(tx, consumer=self.consumer, records=[record]))
                return
            except Exception as error:  # the edge: a bug parks its key after three tries, the other keys flow
                if attempt == TRIES_BEFORE_PARKING:
                    await self._park(record, error=error)

    async def _park(self, record: Received | Garbage, *, error: Exception) -> None:
        assert isinstance(record, Received), "garbage is parked without running anything"
        log.error("handler_failed", event_id=str(record.event_id), type=record.type, exc_info=error)
        detail = f"{type(error).__name__}: {error}"
        await self._through_outages(lambda tx: inbox.park_culprit(tx, consumer=self.consumer, record=record, detail=detail))

    async def _through_outages(self, work: Callable[[Tx], Awaitable[None]]) -> None:
        """Try for as long as the fault is one that passes; the partitions are paused meanwhile so that the group keeps us."""
        wait_s, since = 0.1, time.monotonic()
        while True:
            try:
                async with self.database.transaction() as tx:
                    await work(tx)
                OLDEST_PAUSE_S.set(0)
                return
            except Exception as error:  # faults that pass have no class of their own; every other one rises from here
                if not is_transient(error):
                    raise
                OLDEST_PAUSE_S.set(time.monotonic() - since)
                log.warning("consumer_backs_off", error=type(error).__name__, wait_s=round(wait_s, 2))
                await self._pause(wait_s)
                wait_s = min(wait_s * 2, BACKOFF_S_MAX)

    async def _pause(self, wait_s: float) -> None:
        self.paused = True
        held = self.client.assignment()
        self.client.pause(*held)
        await asyncio.sleep(wait_s)
        await self._show_life()
        self.client.resume(*(held & self.client.assignment()))
        self.paused = False

    async def _show_life(self) -> None:
        """Poll nothing, so that the group keeps us (max_poll_interval)."""
        try:
            async with asyncio.timeout(COMMIT_DEADLINE_S):
                polled = await self.client.getmany(timeout_ms=0, max_records=1)
            for partition, found in polled.items():
                # Assigned meanwhile and so not paused: it is polled again later, never swallowed here.
                self.client.seek(partition, found[0].offset)
        except (KafkaError, TimeoutError) as error:
            log.warning("no_life_shown", error=type(error).__name__)

    async def _commit_offsets(self, *, at_once: bool) -> None:
        """After the transaction, never before it. A lost commit only means repeats, which the inbox drops."""
        if not self._effected or not (at_once or time.monotonic() - self._committed_at_s > COMMIT_GAP_S):
            return
        held = self.client.assignment()
        offsets = {partition: offset for partition, offset in self._effected.items() if partition in held}
        try:
            async with asyncio.timeout(COMMIT_DEADLINE_S):
                if offsets:
                    await self.client.commit(offsets)
            self._effected.clear()
        except (KafkaError, TimeoutError) as error:
            log.warning("offsets_not_committed", error=type(error).__name__)
        self._committed_at_s = time.monotonic()

    async def _watch(self) -> None:
        """Count only probes that the broker answered: an outage is not a stall."""
        marks: dict[TopicPartition, tuple[int, float]] = {}
        while True:
            await asyncio.sleep(PROBE_GAP_S)
            partitions = [] if self.paused else list(self.client.assignment())
            try:
                async with asyncio.timeout(POLL_DEADLINE_S):
                    ends = await self.client.end_offsets(partitions) if partitions else {}
                    positions = {partition: await self.client.position(partition) for partition in ends}
            except (KafkaError, TimeoutError, AssertionError):
                marks.clear()
                continue
            marks = {p: _mark(marks.get(p), position=positions[p]) for p, end in ends.items() if end > positions[p]}
            if any(answered_s >= STALL_S for _, answered_s in marks.values()):
                raise Stalled(f"{self.consumer.name}: no progress for {STALL_S:.0f} s of answered probes")

    async def _stop(self) -> None:
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                if self.started.is_set():
                    await self._commit_offsets(at_once=True)
                await self.client.stop()
        except (KafkaError, TimeoutError) as error:
            log.warning("consumer_not_stopped_cleanly", error=type(error).__name__)

    def _bare(self, topic: str) -> str:
        return topic.removeprefix(self.settings.kafka_prefix)


def _mark(last: tuple[int, float] | None, *, position: int) -> tuple[int, float]:
    """Position and for how many seconds of answered probes it has not moved."""
    if last is None or last[0] != position:
        return position, 0.0
    return position, last[1] + PROBE_GAP_S


def _client(settings: Settings, consumer: Consumer) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        *(settings.topic(topic) for topic in consumer.topics),
        bootstrap_servers=settings.kafka_bootstrap,
        **settings.login(),
        group_id=f"{settings.kafka_prefix}{consumer.name}",
        # Static membership: a killed consumer costs 0.7 s instead of 6 s for the whole group. It is a member by its topics too: the group
        # gives one that comes back at once what it held before, so that a topic that is new to it would never be read.
        group_instance_id="-".join([settings.slot, *consumer.topics]),
        client_id=f"{settings.kafka_prefix}{settings.slot}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=6_000,
        heartbeat_interval_ms=1_500,
        request_timeout_ms=10_000,
        max_poll_interval_ms=60_000,
        metadata_max_age_ms=30_000,
        retry_backoff_ms=100,
        fetch_max_wait_ms=500,
    )
