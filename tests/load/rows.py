"""What load left in the database: counted, and timed by the server's own commit times."""

import asyncio
import time
from dataclasses import dataclass

import asyncpg

from deploy.local.stack import Stack
from tests.load.figures import NoMeasurement, percentile
from tests.load.series import APPLICANTS

QUIET_LIMIT_S = 90.0
COPIED_LIMIT_S = 20.0
OUTBOXES = ("registry", "applications", "budget", "notifications")

_FILED = "SELECT count(*) FROM applications.application WHERE row_reference LIKE $1 || '-%'"
_YARDSTICK_FILED = """
SELECT count(*) FROM yardstick.application a JOIN yardstick.outbox o ON o.key = a.id::text WHERE a.row_reference LIKE $1 || '-%'
"""
_COPIED = "SELECT count(*) FROM applications.known_organisation WHERE uscc = ANY($1)"
_TOLD = """
SELECT count(*) FROM applications.application a
JOIN notifications.message m ON m.application_id = a.id AND m.event_type = 'applications.application_filed.v1'
"""
# Commit times are taken by the server just before a commit reaches the disk, for the filing as for its effect. The first step of a case and
# its message are written once, so their xmin is the transaction asked for. sent_at is when the relay had all acks and moved the row.
_HOPS = """
SELECT extract(epoch FROM s.sent_at - pg_xact_commit_timestamp(f.xmin)) * 1000 AS to_broker_ms,
       extract(epoch FROM pg_xact_commit_timestamp(m.xmin) - pg_xact_commit_timestamp(f.xmin)) * 1000 AS to_effect_ms
FROM applications.application a
JOIN applications.step f ON f.application_id = a.id AND f.from_state IS NULL
JOIN applications.outbox_sent s ON s.key = a.id::text AND s.topic = 'applications.events' AND s.event_seq = 1
JOIN notifications.message m ON m.application_id = a.id AND m.event_type = 'applications.application_filed.v1'
WHERE a.row_reference LIKE $1 || '-%'
"""


@dataclass(frozen=True, kw_only=True)
class Hops:
    """Times from the commit of a filing, one of each kind a case."""

    to_broker_ms: list[float]
    to_effect_ms: list[float]

    def sentence(self) -> str:
        """Where the median time goes."""
        broker_ms, effect_ms = percentile(self.to_broker_ms, 0.5), percentile(self.to_effect_ms, 0.5)
        return f"of {effect_ms:.1f} ms, {broker_ms:.1f} until the relay had the ack (bell, read, send), then the consumer's poll and transaction"


async def filed(connection: asyncpg.Connection, *, series: str, is_yardstick: bool) -> int:
    """Cases of the series that are there; of the yardstick those that have their outbox row."""
    return int(await connection.fetchval(_YARDSTICK_FILED if is_yardstick else _FILED, series))


async def hops(connection: asyncpg.Connection, *, series: str) -> Hops:
    found = await connection.fetch(_HOPS, series)
    return Hops(to_broker_ms=[float(row["to_broker_ms"]) for row in found], to_effect_ms=[float(row["to_effect_ms"]) for row in found])


async def wait_until_quiet(connection: asyncpg.Connection) -> None:
    """Every outbox is empty and every filing has been told; until then nothing else can be measured."""
    deadline_s = time.monotonic() + QUIET_LIMIT_S
    while True:
        waiting = sum([await connection.fetchval(f"SELECT count(*) FROM {schema}.outbox") for schema in OUTBOXES])
        missing = await connection.fetchval("SELECT count(*) FROM applications.application") - await connection.fetchval(_TOLD)
        if waiting == missing == 0:
            return
        if time.monotonic() > deadline_s:
            raise NoMeasurement(f"After {QUIET_LIMIT_S:.0f} s {waiting} events wait in an outbox and {missing} filings have no message.")
        await asyncio.sleep(0.2)


async def wait_until_applicants_are_known(connection: asyncpg.Connection) -> None:
    deadline_s = time.monotonic() + COPIED_LIMIT_S
    while await connection.fetchval(_COPIED, APPLICANTS) < len(APPLICANTS):
        if time.monotonic() > deadline_s:
            raise NoMeasurement(f"Applications does not know the {len(APPLICANTS)} applicants {COPIED_LIMIT_S:.0f} s after their registration.")
        await asyncio.sleep(0.1)


async def connect(stack: Stack) -> asyncpg.Connection:
    return await asyncpg.connect(stack.database_url("postgres"))
