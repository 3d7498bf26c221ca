"""Things that are due at a time: each job runs in one process at a time, in its own transactions, and again later if it fails."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg
import structlog
from prometheus_client import Counter
from sqlalchemy import text

from shared.db import is_transient
from shared.live import Live

log = structlog.get_logger()

DONE = Counter("job_items_total", "Things done by due jobs", ["job"])
FAILED = Counter("job_failures_total", "Runs of due jobs that failed", ["job"])

ANSWERS_KEPT_DAYS = 90
INBOX_KEPT_DAYS = 30
SENT_KEPT_DAYS = 30
PRUNED_PER_RUN_MAX = 10_000


@dataclass(frozen=True)
class Job:
    """`run` does what is due now, in bounded portions, and returns how many things it did."""

    name: str
    every_s: float
    run: Callable[[Live], Awaitable[int]]


async def run_jobs(live: Live, jobs: Sequence[Job]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for job in jobs:
            tasks.create_task(_repeat(live, job))


async def _repeat(live: Live, job: Job) -> None:
    while True:
        try:
            await _lead(live, job)
        except Exception as error:  # the edge of a job: it is logged once and tried again
            FAILED.labels(job.name).inc()
            log.warning("job_failed", job=job.name, exc_info=None if is_transient(error) else error, error=type(error).__name__)
            await asyncio.sleep(job.every_s)


async def _lead(live: Live, job: Job) -> None:
    """Hold the job's lease on a connection of its own for as long as this process runs it."""
    connection = await asyncpg.connect(live.settings.dsn, timeout=5, server_settings={"application_name": f"job {job.name}"})
    try:
        while True:
            if await connection.fetchval(
                "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", f"job {live.settings.service} {job.name}", timeout=5
            ):
                # A portion that did something is followed by the next one at once; the pause comes when nothing was due.
                while (done := await job.run(live)) > 0:
                    DONE.labels(job.name).inc(done)
                await connection.execute("SELECT pg_advisory_unlock_all()", timeout=5)
            await asyncio.sleep(job.every_s)
    finally:
        connection.terminate()


async def prune(live: Live) -> int:
    """Delete what has served its time: sent events and inbox rows after 30 days, first answers after 90. `last_seq` stays for ever."""
    async with live.transaction() as tx:
        pruned = 0
        for table, column, days in (
            ("outbox_sent", "sent_at", SENT_KEPT_DAYS),
            ("inbox", "received_at", INBOX_KEPT_DAYS),
            ("answer", "kept_on", ANSWERS_KEPT_DAYS),
        ):
            old = f"SELECT ctid FROM {table} WHERE {column} < now() - make_interval(days => :days) LIMIT :most"  # noqa: S608
            statement = f"DELETE FROM {table} WHERE ctid = ANY(ARRAY({old}))"  # noqa: S608
            pruned += (await tx.execute(text(statement), {"days": days, "most": PRUNED_PER_RUN_MAX})).rowcount
    return pruned


PRUNE = Job(name="prune", every_s=600, run=prune)
