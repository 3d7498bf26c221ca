"""Announcing: events are written in the transaction of the act they tell of; the relay sends them."""

from collections.abc import Sequence

from pydantic_core import to_json

from shared import clock
from shared.db import ANNOUNCED, Tx, fetch
from shared.events import Event, encode, envelope
from shared.ids import new_id_text
from shared.observability import current_traceparent

EVENTS_PER_APPEND_MAX = 2_000

# One statement: move each stream's last_seq, then insert in the order given. Moving the stream row first serialises
# writers of one key, so that ids and sequence numbers of a key always agree (counting per aggregate made false gaps).
_APPEND = """
WITH event AS (
    SELECT e.*, row_number() OVER same AS place, count(*) OVER (PARTITION BY topic, key) AS total
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::bytea[])
        WITH ORDINALITY AS e (event_id, topic, key, headers, payload, n)
    WINDOW same AS (PARTITION BY topic, key ORDER BY n)
), moved AS (
    INSERT INTO stream AS s (topic, key, last_seq)
    SELECT topic, key, count(*) FROM event GROUP BY topic, key ORDER BY topic, key
    ON CONFLICT (topic, key) DO UPDATE SET last_seq = s.last_seq + excluded.last_seq
    RETURNING s.topic, s.key, s.last_seq
)
INSERT INTO outbox (event_id, topic, key, event_seq, headers, payload)
SELECT event_id, topic, key, moved.last_seq - total + place, headers, payload
FROM event JOIN moved USING (topic, key) ORDER BY n
"""


async def append(tx: Tx, *events: Event, traceparents: Sequence[str | None] | None = None) -> None:
    """Announce `events` in this order when `tx` commits; the last thing a command does. At most EVENTS_PER_APPEND_MAX.

    Where the events of several calls go out together, `traceparents` has the trace of each; otherwise all belong to the current one.
    """
    if not events:
        return
    assert len(events) <= EVENTS_PER_APPEND_MAX, f"{len(events)} events in one append"
    await fetch(tx, _APPEND, *_columns(events, traceparents=traceparents or [current_traceparent()] * len(events)))
    tx.info[ANNOUNCED] = True


def rows_of(events: Sequence[Event], *, traceparents: Sequence[str | None]) -> list[tuple[str, str, str, str, bytes, int]]:
    """Event id, topic, key, headers, body, and how many of its key come behind it: for a statement that announces what it writes."""
    behind: dict[tuple[str, str], int] = {}
    rows = []
    for event_id, topic, key, headers, payload in reversed(_made(events, traceparents=traceparents)):
        assert payload is not None, "a tombstone has no body"
        told = behind[topic, key] = behind.get((topic, key), -1) + 1
        rows.append((event_id, topic, key, headers, payload, told))
    return rows[::-1]


def _columns(events: Sequence[Event], *, traceparents: Sequence[str | None]) -> list[list[object]]:
    return [list(column) for column in zip(*_made(events, traceparents=traceparents), strict=True)]


def _made(events: Sequence[Event], *, traceparents: Sequence[str | None]) -> list[tuple[str, str, str, str, bytes | None]]:
    """Event id, topic, key, headers and body of each."""
    sent_at = clock.wall().isoformat()
    made = []
    for event, traceparent in zip(events, traceparents, strict=True):
        event_id = new_id_text()
        headers = to_json(envelope(event, event_id=event_id, sent_at=sent_at, traceparent=traceparent)).decode()
        made.append((event_id, event.topic, event.key(), headers, encode(event)))
    return made
