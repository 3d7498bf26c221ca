"""Take parked events into effect after all, in order per key: python -m shared.replay --service NAME (--key KEY | --event ID | --all)

Run it in the worker's own environment, after what was wrong has been put right; the worker may go on meanwhile.
"""

import argparse
import asyncio
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import text

from shared import city, inbox, observability
from shared.city import City
from shared.db import Database, Tx, is_transient, open_database
from shared.inbox import Consumer, Undecodable
from shared.settings import Settings

log = structlog.get_logger()

EVENTS_PER_TRANSACTION_MAX = 500

_PARKED_KEYS = text("""
SELECT DISTINCT topic, key FROM parked
WHERE consumer = :consumer AND key IS NOT NULL
    AND key = COALESCE(CAST(:key AS text), key)
    AND (CAST(:event_id AS text) IS NULL OR headers ->> 'ce_id' = :event_id)
ORDER BY topic, key
""")
_UNREAD = text("""
SELECT id, partition, kafka_offset, headers, payload FROM parked
WHERE consumer = :consumer AND topic = :topic AND key = :key AND event_seq IS NULL ORDER BY id
""")
_LEFT = text("SELECT count(*) FROM parked WHERE consumer = :consumer AND topic = :topic AND key = :key")


@dataclass(frozen=True)
class Replayed:
    """What became of one key. `fault` says why the next event of those left fails again; without one they wait for `next_seq`."""

    topic: str
    key: str
    done: int
    left: int
    next_seq: int
    fault: str | None


async def replay(database: Database, *, consumer: Consumer, key: str | None = None, event_id: UUID | None = None) -> list[Replayed]:
    """All parked keys, or one, or that of one event (an event cannot overtake its key's earlier ones)."""
    wanted = {"consumer": consumer.name, "key": key, "event_id": str(event_id) if event_id else None}
    async with database.transaction() as tx:
        keys = [(row.topic, row.key) for row in await tx.execute(_PARKED_KEYS, wanted)]
    return [await _replay_key(database, consumer=consumer, topic=topic, key=key) for topic, key in keys]


async def _replay_key(database: Database, *, consumer: Consumer, topic: str, key: str) -> Replayed:
    """In large steps; where one of them fails, event by event up to the culprit."""
    done, fault = 0, None
    for events_max in (EVENTS_PER_TRANSACTION_MAX, 1):
        try:
            while taken := await _take(database, consumer=consumer, topic=topic, key=key, events_max=events_max):
                done += taken
            break
        except Exception as error:  # the edge: a key that fails again is reported, the other keys go on
            if is_transient(error):
                raise
            fault = f"{type(error).__name__}: {error}"
    async with database.transaction() as tx:
        left: int = (await tx.execute(_LEFT, {"consumer": consumer.name, "topic": topic, "key": key})).scalar_one()
        states = await inbox.lock_keys(tx, consumer=consumer, keys={(topic, key)})
    return Replayed(topic=topic, key=key, done=done, left=left, next_seq=states[topic, key].last_seq + 1, fault=fault)


async def _take(database: Database, *, consumer: Consumer, topic: str, key: str, events_max: int) -> int:
    async with database.transaction() as tx:
        states = await inbox.lock_keys(tx, consumer=consumer, keys={(topic, key)})
        await _read_again(tx, consumer=consumer, topic=topic, key=key)
        taken = await inbox.drain(tx, consumer=consumer, topic=topic, key=key, state=states[topic, key], events_max=events_max)
        await inbox.advance(tx, consumer=consumer, states=states)
    return taken


async def _read_again(tx: Tx, *, consumer: Consumer, topic: str, key: str) -> None:
    """What could not be read takes its place in the key's order as soon as it can."""
    for row in await tx.execute(_UNREAD, {"consumer": consumer.name, "topic": topic, "key": key}):
        try:
            record = inbox.received(topic, row.partition, row.kafka_offset, key, row.headers, row.payload, consumer=consumer)
        except Undecodable as error:
            log.warning("still_undecodable", topic=topic, partition=row.partition, offset=row.kafka_offset, reason=type(error).__name__)
            continue
        await tx.execute(text("UPDATE parked SET event_seq = :seq WHERE id = :id"), {"seq": record.seq, "id": row.id})


def consumer_of(service: str, *, here: City) -> Consumer:
    """What `consumer` of the service's worker makes; looked up by name, because nothing here knows a service."""
    make = getattr(importlib.import_module(f"services.{service}.worker"), "consumer", None)
    if make is None:
        raise SystemExit(f"services.{service}.worker has no consumer: this service hears nobody.")
    made = make(here)
    assert isinstance(made, Consumer)
    return made


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m shared.replay", description="Take parked events into effect, in order per key.")
    parser.add_argument("--service", required=True, help="whose inbox")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--key", help="the events of one key")
    which.add_argument("--event", type=UUID, help="the events of the key of one event, by its id")
    which.add_argument("--all", action="store_true", help="every parked key")
    return parser.parse_args(arguments)


async def main() -> int:
    """0 when nothing that was asked for is left parked."""
    asked = read_arguments()
    settings = Settings.model_validate({"service": asked.service})
    observability.set_up(settings)
    heard = consumer_of(asked.service, here=city.load(settings.city_file))
    database = open_database(settings)
    try:
        replayed = await replay(database, consumer=heard, key=asked.key, event_id=asked.event)
    finally:
        await database.engine.dispose()
    for each in replayed:
        # The key and the fault's text may name somebody; they stay in the table.
        log.info("key_replayed", topic=each.topic, done=each.done, left=each.left, next_seq=each.next_seq, fault=(each.fault or "").partition(":")[0])
    log.info("replayed", keys=len(replayed), done=sum(each.done for each in replayed), left=sum(each.left for each in replayed))
    return 1 if any(each.left for each in replayed) else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
