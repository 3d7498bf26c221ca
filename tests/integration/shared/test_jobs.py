"""Due jobs: one process at a time runs each, a failure is tried again, and old rows go when their time is up."""

import asyncio
from dataclasses import dataclass, field

from shared.jobs import ANSWERS_KEPT_DAYS, INBOX_KEPT_DAYS, SENT_KEPT_DAYS, Job, prune, run_jobs
from shared.live import Live
from tests.integration.shared.mechanism import Gate, Pair, ended, running

EVERY_S = 0.05
SENT_SO_LONG_AGO = """
INSERT INTO registry.outbox_sent (id, event_id, topic, key, event_seq, headers, sent_at)
VALUES ($1::int, gen_random_uuid(), 't', 'k', 1, '{}', now() - make_interval(days => $1::int))
"""
RECEIVED_SO_LONG_AGO = """
INSERT INTO registry.inbox (consumer, event_id, received_at) VALUES ('c', gen_random_uuid(), now() - make_interval(days => $1::int))
"""
ANSWERED_SO_LONG_AGO = """
INSERT INTO registry.answer (caller, key, fingerprint, status, headers, body, kept_on)
VALUES ('c', $1::int::text, '', 200, '{}', '', current_date - $1::int)
"""


@dataclass
class Work:
    """Counts its runs; `faults` of them fail first, then `portions` of them find something to do."""

    faults: int = 0
    portions: int = 0
    gate: Gate | None = None
    runs: int = 0
    rested: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, _live: Live) -> int:
        self.runs += 1
        if self.gate is not None:
            await self.gate.pass_through()
        if self.runs <= self.faults:
            raise RuntimeError("a bug in a job")
        if self.runs <= self.faults + self.portions:
            return 1
        self.rested.set()
        return 0


async def test_a_job_that_fails_is_tried_again(unheard: Pair) -> None:
    work = Work(faults=2)

    async with running(run_jobs(unheard.registry, [Job("a", EVERY_S, work.run)])), asyncio.timeout(10):
        await work.rested.wait()

    assert work.runs >= 3


async def test_a_job_goes_on_at_once_while_there_is_something_to_do(unheard: Pair) -> None:
    work = Work(portions=20)

    async with running(run_jobs(unheard.registry, [Job("a", 3_600, work.run)])), asyncio.timeout(10):
        await work.rested.wait()

    assert work.runs == 21


async def test_only_one_process_runs_a_job_and_another_takes_over_when_it_ends(unheard: Pair) -> None:
    held, other = Work(gate=Gate()), Work()
    assert held.gate
    first = asyncio.create_task(run_jobs(unheard.registry, [Job("a", EVERY_S, held.run)]))
    await held.gate.reached.wait()

    async with running(run_jobs(unheard.registry, [Job("a", EVERY_S, other.run)])):
        await unheard.until(
            "SELECT count(*) > 0 FROM pg_stat_activity"
            " WHERE application_name = 'job a' AND query LIKE 'SELECT pg_try_advisory_lock%' AND state_change > backend_start + interval '0.2 s'"
        )
        runs_meanwhile = other.runs
        await ended(first)
        async with asyncio.timeout(10):
            await other.rested.wait()

    assert runs_meanwhile == 0
    assert other.runs >= 1


async def test_jobs_of_two_names_do_not_wait_for_each_other(unheard: Pair) -> None:
    held, other = Work(gate=Gate()), Work()

    async with running(run_jobs(unheard.registry, [Job("a", EVERY_S, held.run), Job("b", EVERY_S, other.run)])), asyncio.timeout(10):
        await other.rested.wait()

    assert other.runs >= 1


async def test_rows_go_when_their_time_is_up_and_not_before(unheard: Pair) -> None:
    for age_days in (SENT_KEPT_DAYS - 1, SENT_KEPT_DAYS + 1):
        await unheard.rows(SENT_SO_LONG_AGO, age_days)
    for age_days in (INBOX_KEPT_DAYS - 1, INBOX_KEPT_DAYS + 1):
        await unheard.rows(RECEIVED_SO_LONG_AGO, age_days)
    for age_days in (ANSWERS_KEPT_DAYS - 1, ANSWERS_KEPT_DAYS + 1):
        await unheard.rows(ANSWERED_SO_LONG_AGO, age_days)

    pruned, again = await prune(unheard.registry), await prune(unheard.registry)

    assert (pruned, again) == (3, 0)
    left = await unheard.rows(
        "SELECT (SELECT array_agg(id) FROM registry.outbox_sent), (SELECT array_agg(key::int) FROM registry.answer),"
        " (SELECT count(*) FROM registry.inbox WHERE received_at > now() - make_interval(days => $1))",
        INBOX_KEPT_DAYS,
    )
    assert tuple(left[0]) == ([SENT_KEPT_DAYS - 1], [ANSWERS_KEPT_DAYS - 1], 1)
