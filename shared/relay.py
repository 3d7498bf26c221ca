"""The relay: one leader per schema sends the outbox to Kafka in order, then moves the rows to outbox_sent."""

import asyncio
import contextlib
import json
from collections.abc import Sequence

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge

from shared.db import relay_channel
from shared.events import HEADER_SEQ
from shared.settings import Settings

log = structlog.get_logger()

ROWS_PER_ROUND_MAX = 500
POLL_S = 1.0
# At low rates the cost is per round: without this gap an instant wake-up burns a core at 200 cases/s.
ROUND_GAP_S = 0.010
STANDBY_RETRY_S = 0.5
ACK_DEADLINE_S = 30.0
START_DEADLINE_S = 40.0
STOP_DEADLINE_S = 2.0
# Above the poll and the ack deadline, so that only a frozen leader is cut off and a standby takes over.
IDLE_SESSION_TIMEOUT_MS = 45_000

SENT = Counter("relay_events_sent_total", "Events acknowledged by the broker and moved out of the outbox")
LEADING = Gauge("relay_leading", "1 while this process leads the relay of its schema")

_PENDING = f"SELECT id, topic, key, event_seq, headers, payload FROM outbox ORDER BY id LIMIT {ROWS_PER_ROUND_MAX}"  # noqa: S608
_LEAD = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_MOVE = """
WITH gone AS (DELETE FROM outbox WHERE id = ANY($1::bigint[]) RETURNING id, event_id, topic, key, event_seq, headers, payload, created_at)
INSERT INTO outbox_sent (id, event_id, topic, key, event_seq, headers, payload, created_at) SELECT * FROM gone
"""


class RelayDoubt(Exception):
    """What was sent is not known for certain. The process ends; the supervisor starts it anew, the inbox drops repeats."""


def create_producer(settings: Settings) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        **settings.login(),
        client_id=f"{settings.kafka_prefix}{settings.slot}",
        enable_idempotence=True,
        acks="all",
        linger_ms=0,
        request_timeout_ms=10_000,
        retry_backoff_ms=100,
        metadata_max_age_ms=30_000,
        max_request_size=1024 * 1024,
    )


async def run(settings: Settings) -> None:
    """Lead when the lock is free, stand by until then; runs until cancelled or in doubt."""
    connection = await _connect(settings)
    try:
        # A standby asks again and again: one blocked inside pg_advisory_lock would hold back vacuum.
        while not await connection.fetchval(_LEAD, f"relay {settings.service}", timeout=5):  # noqa: ASYNC110 - the lock is in the database
            await asyncio.sleep(STANDBY_RETRY_S)
        await _lead(settings, connection)
    finally:
        LEADING.set(0)
        connection.terminate()


async def _connect(settings: Settings) -> asyncpg.Connection:
    return await asyncpg.connect(
        settings.dsn,
        timeout=5,
        server_settings={
            "application_name": f"relay {settings.slot}",
            "idle_session_timeout": str(IDLE_SESSION_TIMEOUT_MS),
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        },
    )


async def _lead(settings: Settings, connection: asyncpg.Connection) -> None:
    producer = create_producer(settings)
    woken = asyncio.Event()
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            await producer.start()
        await connection.add_listener(relay_channel(settings.service), lambda *_: woken.set())
        LEADING.set(1)
        log.info("relay_leads")
        while True:
            woken.clear()
            if await send_pending(settings, connection=connection, producer=producer) < ROWS_PER_ROUND_MAX:
                await asyncio.sleep(ROUND_GAP_S)
                await _wait(woken)
    finally:
        await _stop(producer)


async def _wait(woken: asyncio.Event) -> None:
    # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the bell, and the worker would never end.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(POLL_S):
            await woken.wait()


async def _stop(producer: AIOKafkaProducer) -> None:
    """Bounded, because it can hang for ever; what it then leaves open ends with the process."""
    with contextlib.suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(STOP_DEADLINE_S):
            await producer.stop()


async def send_pending(settings: Settings, *, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> int:
    """Send one round in id order, wait for every ack, then move the rows. Returns how many; raises RelayDoubt."""
    rows = await connection.fetch(_PENDING, timeout=15)
    if not rows:
        return 0
    try:
        async with asyncio.timeout(ACK_DEADLINE_S):
            await _send(settings, producer=producer, rows=rows)
    except Exception as error:
        # Timeout or a fatal producer error: the broker may or may not have them. Never go on with this producer.
        raise RelayDoubt(f"{len(rows)} events without an ack: {type(error).__name__}") from error
    await connection.execute(_MOVE, [row["id"] for row in rows], timeout=15)
    SENT.inc(len(rows))
    return len(rows)


async def _send(settings: Settings, *, producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]) -> None:
    acks = []
    for row in rows:
        headers = json.loads(row["headers"])
        headers[HEADER_SEQ] = str(row["event_seq"])
        acks.append(
            await producer.send(
                settings.topic(row["topic"]),
                value=row["payload"],
                key=row["key"].encode(),
                headers=[(name, value.encode()) for name, value in headers.items()],
            )
        )
    await asyncio.gather(*acks)
