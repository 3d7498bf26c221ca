"""Receiving: each event takes effect once, in order per key; what cannot be handled is parked, never skipped."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

import structlog
from aiokafka.structs import ConsumerRecord
from opentelemetry import propagate, trace
from prometheus_client import Counter
from sqlalchemy import text

from shared.db import Tx, fetch
from shared.events import HEADER_ID, HEADER_SEQ, HEADER_TIME, HEADER_TYPE, Event

log = structlog.get_logger()

SEQ_MAX = 2**63 - 1
DETAIL_CHARACTERS_MAX = 2_000

HANDLED = Counter("inbox_events_total", "Events received, by outcome", ["outcome"])
PARKED = Counter("inbox_parked_total", "Events parked, by reason", ["reason"])
tracer = trace.get_tracer(__name__)

HandlerKind: TypeAlias = Literal["copy", "effect"]
Handle: TypeAlias = "Callable[[Tx, Any], Awaitable[None]]"
HandleAll: TypeAlias = "Callable[[Tx, Sequence[Received]], Awaitable[None]]"
Prepare: TypeAlias = Callable[[Tx, Sequence[Event]], Awaitable[None]]


@dataclass(frozen=True)
class Handler:
    """`copy` writes only local copies and may be rebuilt from offset 0; `effect` tells, pays or decides and never runs twice.

    `handle_all` does the same for a run of such events in a poll at once, where that is worth it; each brings its trace in its headers.
    """

    event: type[Event]
    kind: HandlerKind
    handle: Handle
    handle_all: "HandleAll | None" = None


@dataclass(frozen=True)
class Consumer:
    """One consumer per service: its name in the inbox, the topics it reads, and what it does with each event type."""

    name: str
    topics: tuple[str, ...]
    handlers: Mapping[str, Handler]
    # Compaction leaves holes: on these topics only "newer than the last" is asked for.
    compacted_topics: frozenset[str] = frozenset()
    # Locks the rows that the handlers of one poll will lock, in the one order that everybody takes: events come in any.
    prepare: Prepare | None = None


def consumer(
    name: str, *, topics: Iterable[str], handlers: Iterable[Handler], compacted_topics: Iterable[str] = (), prepare: Prepare | None = None
) -> Consumer:
    listed = tuple(handlers)
    by_type = {handler.event.type: handler for handler in listed}
    assert len(by_type) == len(listed), f"{name} has two handlers for one event type"
    return Consumer(name=name, topics=tuple(topics), handlers=by_type, compacted_topics=frozenset(compacted_topics), prepare=prepare)


def copies_only(consumer: Consumer, *, name: str) -> Consumer:
    """For building local copies anew: under a new name everything is read again from offset 0, and nothing is told, paid or decided twice."""
    assert name != consumer.name, "under its old name it would go on where it stopped"
    return replace(consumer, name=name, handlers={type_: handler for type_, handler in consumer.handlers.items() if handler.kind == "copy"})


class Undecodable(Exception):
    """These bytes are not an event of ours; the message says why."""


@dataclass(frozen=True)
class Received:
    """One record as it came; `event` is None for a type that this consumer has no handler for."""

    topic: str
    partition: int
    offset: int
    key: str
    event_id: UUID
    type: str
    seq: int
    headers: dict[str, str]
    payload: bytes | None
    event: Event | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Garbage:
    """A record that could not be read, kept as it is."""

    topic: str
    partition: int
    offset: int
    key: str | None
    headers: dict[str, str]
    payload: bytes | None
    detail: str


def read(record: ConsumerRecord, *, topic: str, consumer: Consumer) -> Received | Garbage:
    """Decode one Kafka record; `topic` is its name without the prefix."""
    # A header may have no value at all.
    headers = {name: _text(value or b"") for name, value in record.headers}
    key = _text(record.key) if record.key is not None else None
    try:
        if key is None:
            raise Undecodable("the record has no key")
        return received(topic, record.partition, record.offset, key, headers, record.value, consumer=consumer)
    except Undecodable as error:
        return Garbage(topic, record.partition, record.offset, key, headers, record.value, str(error))


def _text(raw: bytes) -> str:
    """What no database column takes as text becomes U+FFFD."""
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd")


def received(topic: str, partition: int, offset: int, key: str, headers: dict[str, str], payload: bytes | None, *, consumer: Consumer) -> Received:
    """Raises Undecodable."""
    try:
        event_id, type_name, seq = UUID(headers[HEADER_ID]), headers[HEADER_TYPE], int(headers[HEADER_SEQ])
    except (KeyError, ValueError) as error:
        raise Undecodable(f"envelope header missing or not readable: {error}") from error
    if not 1 <= seq <= SEQ_MAX:
        raise Undecodable(f"{HEADER_SEQ} is {seq}")
    handler = consumer.handlers.get(type_name)
    event = decode(handler.event, key=key, headers=headers, payload=payload) if handler else None
    return Received(topic, partition, offset, key, event_id, type_name, seq, headers, payload, event)


def decode(kind: type[Event], *, key: str, headers: Mapping[str, str], payload: bytes | None) -> Event:
    """Raises Undecodable. A tombstone's only field is its key, under the name that its class gives it."""
    try:
        if kind.tombstone:
            at = datetime.fromisoformat(headers[HEADER_TIME])
            return kind.model_validate({"happened_at": at, "happened_on": at.date(), "uscc": key})
        if payload is None:
            raise Undecodable(f"{kind.type} has no body")
        return kind.model_validate_json(payload)
    except (ValueError, KeyError) as error:
        raise Undecodable(f"{kind.type}: {error}") from error


# The four statements of every poll go to the driver directly: they are a good part of the way from commit to effect.
_FRESH = """
INSERT INTO inbox (consumer, event_id) SELECT $1, e FROM unnest($2::uuid[]) AS e ORDER BY e ON CONFLICT DO NOTHING RETURNING event_id
"""
# The key rows are locked in one order by live consumption and by a replay alike. Two statements: the second one's
# snapshot sees a row that somebody else made while the first one waited.
_MAKE_KEYS = """
INSERT INTO consumer_key (consumer, topic, key, last_seq)
SELECT $1, t, k, 0 FROM unnest($2::text[], $3::text[]) AS wanted (t, k) ORDER BY t, k
ON CONFLICT DO NOTHING
"""
_LOCK_KEYS = """
SELECT c.topic, c.key, c.last_seq, c.parked
FROM consumer_key c JOIN unnest($2::text[], $3::text[]) AS wanted (t, k) ON c.topic = t AND c.key = k
WHERE c.consumer = $1 ORDER BY c.topic, c.key FOR UPDATE OF c
"""
_ADVANCE = """
UPDATE consumer_key c SET last_seq = n.last_seq, parked = n.parked
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::boolean[]) AS n (topic, key, last_seq, parked)
WHERE c.consumer = $1 AND c.topic = n.topic AND c.key = n.key
"""
_PARK = text("""
INSERT INTO parked (consumer, topic, partition, kafka_offset, key, event_seq, headers, payload, reason, detail)
VALUES (:consumer, :topic, :partition, :kafka_offset, :key, :event_seq, CAST(:headers AS jsonb), :payload, :reason, :detail)
ON CONFLICT DO NOTHING
""")


_PARKED_OF_KEY = text("""
SELECT id, partition, kafka_offset, event_seq, headers, payload FROM parked
WHERE consumer = :consumer AND topic = :topic AND key = :key AND event_seq IS NOT NULL ORDER BY event_seq, id LIMIT :most
""")


@dataclass
class KeyState:
    last_seq: int
    parked: bool


async def receive(tx: Tx, *, consumer: Consumer, records: Sequence[Received | Garbage]) -> None:
    """Take one poll's records into effect within `tx`: dedup, order, handlers. Any error means: roll back, find the culprit."""
    for record in records:
        if isinstance(record, Garbage):
            await park_garbage(tx, consumer=consumer, record=record)
    received = [record for record in records if isinstance(record, Received)]
    if not received:
        return
    fresh = await remember(tx, consumer=consumer, event_ids={record.event_id for record in received})
    states = await lock_keys(tx, consumer=consumer, keys={(record.topic, record.key) for record in received})
    run = Run(consumer)
    if consumer.prepare is not None:
        await consumer.prepare(tx, [record.event for record in received if record.event is not None and record.event_id in fresh])
    for record in received:
        if record.event_id not in fresh:
            HANDLED.labels("repeat").inc()
            continue
        fresh.discard(record.event_id)
        await _take(tx, consumer=consumer, record=record, state=states[record.topic, record.key], run=run)
    await run.end(tx)
    await advance(tx, consumer=consumer, states=states)


@dataclass
class Run:
    """Events of one type in a row whose handler takes them together; anything else ends the run, so that the order holds."""

    consumer: Consumer
    records: list[Received] = field(default_factory=list)

    async def take(self, tx: Tx, record: Received) -> None:
        handler = self.consumer.handlers.get(record.type)
        if self.records and self.records[0].type != record.type:
            await self.end(tx)
        if handler is not None and handler.handle_all is not None and record.event is not None:
            self.records.append(record)
        else:
            await apply(tx, consumer=self.consumer, record=record)

    async def end(self, tx: Tx) -> None:
        records, self.records = self.records, []
        if len(records) == 1:
            await apply(tx, consumer=self.consumer, record=records[0])
        elif records:
            handler = self.consumer.handlers[records[0].type]
            assert handler.handle_all is not None, "only such events are kept"
            await handler.handle_all(tx, records)
            HANDLED.labels("handled").inc(len(records))


async def remember(tx: Tx, *, consumer: Consumer, event_ids: Iterable[UUID]) -> set[UUID]:
    """Write the events down as received; returns those that were not known yet."""
    return {row["event_id"] for row in await fetch(tx, _FRESH, consumer.name, list(event_ids))}


async def _take(tx: Tx, *, consumer: Consumer, record: Received, state: KeyState, run: Run) -> None:
    compacted = record.topic in consumer.compacted_topics
    if record.seq <= state.last_seq:
        HANDLED.labels("repeat").inc()
    elif state.parked and record.seq > state.last_seq + 1:
        await park(tx, consumer=consumer, record=record, reason="behind", detail="an earlier event of this key is parked")
    elif record.seq > state.last_seq + 1 and not compacted:
        state.parked = True
        await park(tx, consumer=consumer, record=record, reason="gap", detail=f"expected {state.last_seq + 1}, got {record.seq}")
    else:
        await run.take(tx, record)
        state.last_seq = record.seq
        if state.parked:
            # The missing one has come: what queued behind it follows at once, in order.
            await run.end(tx)
            await drain(tx, consumer=consumer, topic=record.topic, key=record.key, state=state)


async def drain(tx: Tx, *, consumer: Consumer, topic: str, key: str, state: KeyState, events_max: int | None = None) -> int:
    """Take a key's parked events into effect in order, up to the next gap; returns how many. The caller holds the key's lock."""
    most = None if events_max is None else events_max + 1
    rows = (await tx.execute(_PARKED_OF_KEY, {"consumer": consumer.name, "topic": topic, "key": key, "most": most})).all()
    done: list[int] = []
    for row in rows[:events_max]:
        if row.event_seq > state.last_seq + 1 and topic not in consumer.compacted_topics:
            break
        if row.event_seq > state.last_seq:
            record = received(topic, row.partition, row.kafka_offset, key, row.headers, row.payload, consumer=consumer)
            await apply(tx, consumer=consumer, record=record)
            state.last_seq = row.event_seq
        done.append(row.id)
    state.parked = len(done) < len(rows)
    await tx.execute(text("DELETE FROM parked WHERE id = ANY(CAST(:ids AS bigint[]))"), {"ids": done})
    return len(done)


async def apply(tx: Tx, *, consumer: Consumer, record: Received) -> None:
    """Run the handler of one event under the trace of the act that announced it; types without a handler only advance."""
    handler = consumer.handlers.get(record.type)
    if handler is None or record.event is None:
        HANDLED.labels("no_handler").inc()
        return
    context = propagate.extract({"traceparent": record.headers.get("ce_traceparent", "")})
    with tracer.start_as_current_span(record.type, context=context):
        await handler.handle(tx, record.event)
    HANDLED.labels("handled").inc()


async def lock_keys(tx: Tx, *, consumer: Consumer, keys: set[tuple[str, str]]) -> dict[tuple[str, str], KeyState]:
    ordered = sorted(keys)
    wanted = (consumer.name, [topic for topic, _ in ordered], [key for _, key in ordered])
    await fetch(tx, _MAKE_KEYS, *wanted)
    rows = await fetch(tx, _LOCK_KEYS, *wanted)
    return {(row["topic"], row["key"]): KeyState(last_seq=row["last_seq"], parked=row["parked"]) for row in rows}


async def advance(tx: Tx, *, consumer: Consumer, states: Mapping[tuple[str, str], KeyState]) -> None:
    topics, keys = [topic for topic, _ in states], [key for _, key in states]
    last_seqs, parked = [state.last_seq for state in states.values()], [state.parked for state in states.values()]
    await fetch(tx, _ADVANCE, consumer.name, topics, keys, last_seqs, parked)


async def park_culprit(tx: Tx, *, consumer: Consumer, record: Received, detail: str) -> None:
    """Put an event aside whose handler fails, and with it the rest of its key. Locks in the order of receive()."""
    fresh = await remember(tx, consumer=consumer, event_ids=[record.event_id])
    states = await lock_keys(tx, consumer=consumer, keys={(record.topic, record.key)})
    if not fresh:
        return
    states[record.topic, record.key].parked = True
    await park(tx, consumer=consumer, record=record, reason="bug", detail=detail)
    await advance(tx, consumer=consumer, states=states)


async def park(tx: Tx, *, consumer: Consumer, record: Received, reason: str, detail: str) -> None:
    await _park(tx, consumer=consumer, record=record, event_seq=record.seq, reason=reason, detail=detail)


async def park_garbage(tx: Tx, *, consumer: Consumer, record: Garbage) -> None:
    await _park(tx, consumer=consumer, record=record, event_seq=None, reason="undecodable", detail=record.detail)


async def _park(tx: Tx, *, consumer: Consumer, record: Received | Garbage, event_seq: int | None, reason: str, detail: str) -> None:
    PARKED.labels(reason).inc()
    log.warning("event_parked", consumer=consumer.name, topic=record.topic, partition=record.partition, offset=record.offset, reason=reason)
    await tx.execute(
        _PARK,
        {
            "consumer": consumer.name,
            "topic": record.topic,
            "partition": record.partition,
            "kafka_offset": record.offset,
            "key": record.key,
            "event_seq": event_seq,
            "headers": json.dumps(record.headers),
            "payload": record.payload,
            "reason": reason,
            "detail": _text(detail[:DETAIL_CHARACTERS_MAX].encode("utf-8", "replace")),
        },
    )
