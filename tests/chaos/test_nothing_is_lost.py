"""Nothing acknowledged is lost, nothing happens twice, order per case holds, whatever is killed in the middle."""

import asyncio
import os
import random
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError

from deploy.local.folders import ROOT
from deploy.local.stack import Stack, forget, running_stack
from tests.chaos import books, work
from tests.chaos.faults import WORKERS, Faults

PROFILE = f"chaos-{os.getpid()}"
FAULTS_MIN = 10
FAULTS_WITHIN_S = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with running_stack(PROFILE, durable=False, partitions=2) as running:
        yield running
    forget(PROFILE)


@pytest.fixture(scope="module")
def seed() -> int:
    """CHAOS_SEED repeats a run; its schedule of faults is the same, what it meets is not."""
    chosen = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"\nCHAOS_SEED={chosen}")
    return chosen


async def test_five_hundred_cases_survive_kills_and_freezes(stack: Stack, seed: int) -> None:
    async with AsyncExitStack() as exits:
        clients = await work.open_clients(stack, exits)
        organisations = await work.prepare(clients)
        await books.come_to_rest(stack)
        faults = Faults(stack=stack, seed=seed)
        storm = asyncio.create_task(faults.run())

        ids = await work.file_all(clients, organisations)
        await work.decide_all(clients, ids)
        # A quick machine has answered the last call by then; the workers are still at what follows from it.
        enough = asyncio.create_task(faults.reached(FAULTS_MIN))
        await asyncio.wait([storm, enough], timeout=FAULTS_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)

        storm.cancel()
        enough.cancel()
        ended, _ = await asyncio.gather(storm, enough, return_exceptions=True)
        assert not isinstance(ended, Exception), ended
    print(f"{len(faults.done)} faults: {', '.join(faults.done)}")
    await books.come_to_rest(stack)
    assert len(faults.done) >= FAULTS_MIN
    assert len(set(ids)) == work.CASES
    await _check_cases(stack)
    await _check_money(stack)
    await _check_messages(stack)


async def _check_cases(stack: Stack) -> None:
    """Every acknowledged case is there once, where the budget's answer put it."""
    states = dict(await books.rows(stack, "SELECT state, count(*) FROM applications.application GROUP BY state"))
    funded = work.APPROPRIATION_FEN // work.AWARD_FEN
    assert states == {"funded": funded, "waiting_for_funds": work.CASES - funded}
    apart = """
        SELECT count(*) FROM applications.application a FULL JOIN budget.reservation r ON r.application_id = a.id AND r.proposal_id = a.proposal_id
        WHERE (a.state, r.state) NOT IN (('funded', 'reserved'), ('waiting_for_funds', 'waiting')) OR a.id IS NULL OR r.application_id IS NULL
    """
    assert await books.value(stack, apart) == 0
    # One line of history a version, without a gap.
    assert (
        await books.value(
            stack,
            "SELECT count(*) FROM applications.application a"
            " WHERE a.version <> (SELECT count(DISTINCT case_version) FROM applications.step s WHERE s.application_id = a.id)",
        )
        == 0
    )


async def _check_money(stack: Stack) -> None:
    """The journal re-adds to the balances, in rank order, and never more is reserved than there is."""
    reserved = await books.value(stack, "SELECT sum(amount_fen) FROM budget.journal WHERE kind = 'reserve' AND outcome = 'posted'")
    assert reserved == work.APPROPRIATION_FEN
    assert await books.value(stack, "SELECT count(voucher) - count(DISTINCT voucher) FROM budget.journal WHERE leg = 1") == 0
    assert await books.value(stack, "SELECT max(seq) - count(*) FROM budget.journal") == 0
    readded = """
        SELECT count(*) FROM budget.balance b JOIN budget.account_name n USING (name) WHERE b.balance_fen <>
            (SELECT coalesce(sum(CASE WHEN (j.dr = b.account) = (n.side = 'dr') THEN j.amount_fen ELSE -j.amount_fen END), 0)
             FROM budget.journal j WHERE b.account IN (j.dr, j.cr))
    """
    assert await books.value(stack, readded) == 0
    first_waiting = "SELECT min(place) FROM budget.reservation WHERE state = 'waiting'"
    assert await books.value(stack, f"SELECT count(*) FROM budget.reservation WHERE state = 'reserved' AND place > ({first_waiting})") == 0


async def _check_messages(stack: Stack) -> None:
    silent_file = ROOT / "services" / "notifications" / "policy" / "silent.toml"
    silent = [entry["event"] for entry in tomllib.loads(silent_file.read_text(encoding="utf-8"))["silent"]]
    told, due = await books.told_and_due(stack, silent=silent)
    assert told == due
    # In the order of the case: a later step was never told before an earlier one.
    disorder = """
        SELECT count(*) FROM (SELECT case_version, lag(case_version) OVER (PARTITION BY application_id ORDER BY id) AS before
            FROM notifications.message) m WHERE before > case_version
    """
    assert await books.value(stack, disorder) == 0


async def test_replaying_every_topic_changes_nothing_and_tells_nobody_twice(stack: Stack) -> None:
    before = await books.fingerprint(stack)
    assert before["notifications.message"] != ""
    await stack.stop(*WORKERS)
    for service, consumer in books.CONSUMERS.items():
        await _rewind(stack, group=consumer.name, topics=consumer.topics)
        await stack.start_again(f"{service}-worker")
    await stack.start_again("registry-worker")

    await _all_read_again(stack)

    assert await books.fingerprint(stack) == before
    assert await books.unfinished(stack) == []


async def _rewind(stack: Stack, *, group: str, topics: tuple[str, ...]) -> None:
    """Commit offset 0 for the group, as an operator would. Its members are stopped, and leave it when their session of 6 s ends."""
    async with _group(stack, group) as client, asyncio.timeout(30):
        partitions = _partitions(topics)
        client.assign(partitions)
        rewound = False
        while not rewound:
            try:
                await client.commit(dict.fromkeys(partitions, 0))
                rewound = True
            except CommitFailedError:
                await asyncio.sleep(0.5)


async def _all_read_again(stack: Stack) -> None:
    """Wait, bounded, until every group has committed the ends of its topics again."""
    async with asyncio.timeout(books.QUIET_WITHIN_S):
        for consumer in books.CONSUMERS.values():
            async with _group(stack, consumer.name) as client:
                partitions = _partitions(consumer.topics)
                client.assign(partitions)
                ends = await client.end_offsets(partitions)
                while any([(await client.committed(each) or 0) < ends[each] for each in partitions]):
                    await asyncio.sleep(0.25)


def _group(stack: Stack, group: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(bootstrap_servers=stack.bootstrap, group_id=group, enable_auto_commit=False)


def _partitions(topics: tuple[str, ...]) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic in topics for number in range(2)]
