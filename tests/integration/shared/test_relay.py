"""The relay: one leads, nothing is lost or reordered, whatever becomes of the leader, its database connection or the broker."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.local.supervision import Supervisor
from shared import outbox, relay
from tests.integration.shared.mechanism import ONE, THREE, TWO, Ear, Pair, ended, locked, organisation, running, supervised

SILENCE_MS = 1_500
OUTBOX_EMPTY = "SELECT count(*) = 0 FROM registry.outbox"
STANDS_BY = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'relay standby' AND query LIKE 'SELECT pg_try_advisory_lock%'"
LEADER_MOVES = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'relay registry-worker' AND wait_event_type = 'Lock'"
TWO_MOVE = "SELECT count(*) >= 2 FROM pg_locks WHERE relation = 'registry.outbox_sent'::regclass AND NOT granted"


def first_times(records: list[tuple[str, int]], *, key: str) -> list[int]:
    """The order in which each event of a key was seen first."""
    return list(dict.fromkeys(seq for of_key, seq in records if of_key == key))


def standby(pair: Pair) -> contextlib.AbstractAsyncContextManager[object]:
    return running(relay.run(pair.registry.settings.model_copy(update={"slot": "standby"})))


async def test_of_two_relays_one_sends_and_the_other_stands_by(pair: Pair) -> None:
    await pair.announce(*(organisation(ONE, version=version) for version in range(1, 6)))

    async with locked(pair.database, "registry.outbox_sent"), pair.relaying():
        await pair.until(LEADER_MOVES)
        async with standby(pair):
            # One that does not ask for the lock, or does not heed it, sends what the leader has sent and not moved yet.
            await pair.until(
                f"SELECT ({STANDS_BY}) OR (SELECT count(*) >= 2 FROM pg_locks WHERE relation = 'registry.outbox_sent'::regclass AND NOT granted)"
            )
            records = await pair.records()

    assert records == [(ONE, 1), (ONE, 2), (ONE, 3), (ONE, 4), (ONE, 5)]


async def test_a_standby_takes_over_when_the_leader_loses_its_session_in_the_middle_of_sending(pair: Pair) -> None:
    await pair.announce(*(organisation(key, version=version) for version in range(1, 4) for key in (ONE, TWO)))
    leader = asyncio.create_task(relay.run(pair.registry.settings))

    async with locked(pair.database, "registry.outbox_sent"):
        await pair.until(LEADER_MOVES)
        async with standby(pair):
            await pair.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relay registry-worker'")
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
                await leader
            await pair.announce(organisation(ONE, version=4))
    async with standby(pair), pair.consuming(Ear()):
        await pair.until(OUTBOX_EMPTY)
        await pair.until("SELECT count(*) = 7 FROM notifications.heard")

    records = await pair.records()
    assert (first_times(records, key=ONE), first_times(records, key=TWO)) == ([1, 2, 3, 4], [1, 2, 3])
    assert (await pair.heard_versions(ONE), await pair.heard_versions(TWO)) == ([1, 2, 3, 4], [1, 2, 3])


@contextlib.asynccontextmanager
async def relay_process(pair: Pair, *, slot: str) -> AsyncIterator[Process]:
    settings = pair.registry.settings.model_copy(update={"slot": slot})
    written = settings.model_dump(mode="json") | {"database_url": settings.database_url.get_secret_value()}
    environment = {**os.environ, "RELAY_SETTINGS": json.dumps(written), "RELAY_SILENCE_MS": str(SILENCE_MS)}
    command = (sys.executable, "-m", "tests.integration.shared.relay_process")
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_standby_takes_over_from_a_frozen_leader_which_ends_when_it_thaws(pair: Pair) -> None:
    async with relay_process(pair, slot="frozen") as frozen:
        await pair.announce(organisation(ONE, version=1))
        await pair.until(OUTBOX_EMPTY)
        async with standby(pair):
            await pair.until(STANDS_BY)
            frozen.send_signal(signal.SIGSTOP)
            await pair.announce(organisation(ONE, version=2), organisation(TWO, version=1))
            await pair.until(OUTBOX_EMPTY)
            frozen.send_signal(signal.SIGCONT)
            async with asyncio.timeout(20):
                code = await frozen.wait()

    assert code != 0
    assert sorted(await pair.records()) == sorted([(ONE, 1), (ONE, 2), (TWO, 1)])


def test_only_a_frozen_leader_is_silent_for_long_enough_to_be_cut_off() -> None:
    longest_silence_s = max(relay.POLL_S + relay.ROUND_GAP_S, relay.ACK_DEADLINE_S, relay.START_DEADLINE_S)

    assert longest_silence_s < relay.IDLE_SESSION_TIMEOUT_MS / 1000


async def test_an_event_with_a_lower_id_that_is_committed_later_is_sent_too(pair: Pair) -> None:
    async with pair.relaying():
        async with pair.registry.transaction() as late:
            await outbox.append(late, organisation(ONE, version=1))
            await pair.announce(organisation(TWO, version=1))
            await pair.until("SELECT count(*) = 1 FROM registry.outbox_sent")
        await pair.announce(organisation(THREE, version=1))
        await pair.until(f"SELECT count(*) = 1 FROM registry.outbox_sent WHERE key = '{THREE}'")
        left = await pair.rows("SELECT key FROM registry.outbox")

    assert [row["key"] for row in left] == []
    assert sorted(await pair.records()) == sorted([(ONE, 1), (TWO, 1), (THREE, 1)])


async def test_writers_of_one_key_wait_for_each_other_so_that_its_order_is_that_of_its_commits(unheard: Pair) -> None:
    async with unheard.registry.transaction() as first:
        await outbox.append(first, organisation(ONE, version=1))
        second = asyncio.create_task(unheard.announce(organisation(ONE, version=2)))
        await unheard.until("SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'registry' AND wait_event_type = 'Lock'")
        assert not second.done()
    await second

    rows = await unheard.rows("SELECT event_seq, convert_from(payload, 'UTF8')::jsonb ->> 'version' AS version FROM registry.outbox ORDER BY id")
    assert [(row["event_seq"], row["version"]) for row in rows] == [(1, "1"), (2, "2")]


async def test_a_relay_that_is_ended_in_the_middle_of_sending_leaves_everything_to_the_next(pair: Pair) -> None:
    await pair.announce(*(organisation(ONE, version=version) for version in (1, 2, 3)))
    first = asyncio.create_task(relay.run(pair.registry.settings))

    async with locked(pair.database, "registry.outbox_sent"):
        await pair.until(LEADER_MOVES)
        await ended(first)
    async with pair.relaying(), pair.consuming(Ear()):
        await pair.until(OUTBOX_EMPTY)
        await pair.until("SELECT count(*) = 3 FROM notifications.heard")

    assert await pair.heard_versions(ONE) == [1, 2, 3]


@pytest.mark.parametrize("ticks", range(4))
async def test_the_bell_and_the_end_may_come_together(ticks: int) -> None:
    woken = asyncio.Event()

    async def wait_again_and_again() -> None:
        while True:
            woken.clear()
            await relay._wait(woken)

    task = asyncio.create_task(wait_again_and_again())
    await asyncio.sleep(0)

    woken.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    task.cancel()

    done, _ = await asyncio.wait({task}, timeout=relay.POLL_S / 2)
    assert done == {task}
    assert task.cancelled()


async def test_a_broker_that_is_killed_and_comes_back_loses_nothing_and_doubles_no_effect(pair: Pair, supervisor: Supervisor) -> None:
    ear, versions = Ear(), range(1, 31)

    async with supervised(lambda: relay.run(pair.registry.settings)), supervised(lambda: pair.consumer_process(ear).run()):
        await pair.announce(organisation(ONE, version=1), organisation(TWO, version=1))
        await pair.until("SELECT count(*) = 2 FROM notifications.heard")
        await supervisor.signal("kafka", "KILL")
        for version in versions[1:]:
            await pair.announce(organisation(ONE, version=version), organisation(TWO, version=version))
        await pair.until(OUTBOX_EMPTY, within_s=60)
        await pair.until(f"SELECT count(*) >= {2 * len(versions)} FROM notifications.heard", within_s=60)

    assert (await pair.heard_versions(ONE), await pair.heard_versions(TWO)) == ([*versions], [*versions])
    assert await pair.reasons() == []
