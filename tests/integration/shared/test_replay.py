"""Parked events, taken into effect after all: in order per key, once, and as far as it goes."""

import asyncio
import os
import sys
from uuid import UUID

import pytest

from shared.consumer import Consuming
from shared.db import Tx, open_database
from shared.events.registry import ContactRecorded, OrganisationEvent, OrganisationRegistered
from shared.inbox import Handler, consumer
from shared.outbox import append
from shared.replay import read_arguments, replay
from tests.integration.shared.mechanism import CITY_FILE, MOMENT, ONE, TWO, Ear, Gate, Pair, organisation, running, settings_for

NOTHING_PARKED = "SELECT count(*) = 0 FROM notifications.consumer_key WHERE parked"


async def park(pair: Pair, ear: Ear, *, count: int) -> None:
    """Let `ear` fail until so many events are parked."""
    async with pair.relaying(), pair.consuming(ear):
        await pair.until(f"SELECT count(*) = {count} FROM notifications.parked")


async def test_a_key_is_drained_in_order_once_the_bug_is_mended_and_flows_again(pair: Pair) -> None:
    await pair.announce(*(organisation(ONE, version=version) for version in (1, 2, 3)))
    await park(pair, Ear(broken={(ONE, 2)}), count=2)

    (found,) = await replay(pair.notifications.database, consumer=Ear().consumer())
    async with pair.relaying(), pair.consuming(Ear()):
        await pair.announce(organisation(ONE, version=4))
        await pair.until("SELECT count(*) = 4 FROM notifications.heard")

    assert (found.key, found.done, found.left, found.next_seq, found.fault) == (ONE, 2, 0, 4, None)
    assert await pair.heard_versions(ONE) == [1, 2, 3, 4]
    assert (await pair.rows(NOTHING_PARKED))[0][0]


async def test_a_second_bug_further_back_stops_the_key_there_and_no_other(pair: Pair) -> None:
    await pair.announce(*(organisation(key, version=version) for key in (ONE, TWO) for version in (1, 2, 3, 4)))
    await park(pair, Ear(broken={(ONE, 1), (TWO, 1)}), count=8)

    found = {each.key: each for each in await replay(pair.notifications.database, consumer=Ear(broken={(ONE, 3)}).consumer())}

    assert (found[ONE].done, found[ONE].left, found[ONE].next_seq, found[ONE].fault) == (2, 2, 3, "RuntimeError: a bug in a handler")
    assert (found[TWO].done, found[TWO].left, found[TWO].fault) == (4, 0, None)
    assert (await pair.heard_versions(ONE), await pair.heard_versions(TWO)) == ([1, 2], [1, 2, 3, 4])


async def test_one_key_or_the_key_of_one_event_may_be_chosen(pair: Pair) -> None:
    await pair.announce(*(organisation(key, version=1) for key in (ONE, TWO)))
    await park(pair, Ear(broken={(ONE, 1), (TWO, 1)}), count=2)
    ((event_id,),) = await pair.rows(f"SELECT headers ->> 'ce_id' FROM notifications.parked WHERE key = '{TWO}'")

    by_key = await replay(pair.notifications.database, consumer=Ear().consumer(), key=ONE)
    after_the_first = await pair.heard()
    by_event = await replay(pair.notifications.database, consumer=Ear().consumer(), event_id=UUID(event_id))
    of_nothing = await replay(pair.notifications.database, consumer=Ear().consumer(), key="nobody")

    assert ([each.key for each in by_key], [each.key for each in by_event], of_nothing) == ([ONE], [TWO], [])
    assert (after_the_first, await pair.heard()) == ([(ONE, 1)], [(ONE, 1), (TWO, 1)])


async def test_behind_a_gap_nothing_is_taken_and_the_missing_number_is_told(pair: Pair) -> None:
    await pair.announce(*(organisation(ONE, version=version) for version in (1, 2, 3)))
    await pair.rows("DELETE FROM registry.outbox WHERE event_seq = 1")
    await park(pair, Ear(), count=2)

    (found,) = await replay(pair.notifications.database, consumer=Ear().consumer())

    assert (found.done, found.left, found.next_seq, found.fault) == (0, 2, 1, None)
    assert await pair.heard() == []
    assert await pair.reasons() == [(2, "gap"), (3, "behind")]


async def test_what_could_not_be_read_takes_its_place_as_soon_as_it_can(pair: Pair) -> None:
    class NotYetKnown(OrganisationRegistered):
        """What an older version of this service takes the event for."""

        field_of_another_shape: int

    await pair.announce(*(organisation(ONE, version=version) for version in (1, 2)))
    older = consumer("notifications", topics=["registry.events"], handlers=[Handler(NotYetKnown, "effect", Ear().hear)])
    async with pair.relaying(), pair.consuming(Ear(), consumer=older):
        await pair.until("SELECT count(*) = 2 FROM notifications.parked")
    (still,) = await replay(pair.notifications.database, consumer=older)

    (found,) = await replay(pair.notifications.database, consumer=Ear().consumer())

    assert (still.done, still.left) == (0, 2)
    assert (found.done, found.left, found.fault) == (2, 0, None)
    assert await pair.heard_versions(ONE) == [1, 2]


async def test_on_a_compacted_topic_a_hole_holds_nothing_up(pair: Pair) -> None:
    seen, broken = list[str](), [True]

    async def note(_tx: Tx, event: ContactRecorded) -> None:
        if broken[0]:
            raise RuntimeError("a bug in a handler")
        seen.append(event.mobile)

    contacts = consumer(
        "notifications",
        topics=["registry.contacts"],
        handlers=[Handler(ContactRecorded, "copy", note)],
        compacted_topics=["registry.contacts"],
    )
    async with pair.registry.transaction() as tx:
        await append(tx, *(ContactRecorded(**MOMENT, uscc=ONE, contact_name="测试", mobile=str(number)) for number in (1, 2, 3, 4)))
    await pair.rows("DELETE FROM registry.outbox WHERE event_seq IN (1, 3)")
    async with pair.relaying(), pair.consuming(Ear(), consumer=contacts):
        await pair.until("SELECT count(*) = 2 FROM notifications.parked")

    broken[0] = False
    (found,) = await replay(pair.notifications.database, consumer=contacts)

    assert (found.done, found.left, seen) == (2, 0, ["2", "4"])


async def test_the_worker_may_go_on_meanwhile(pair: Pair) -> None:
    """Both want the key: whoever has its row first goes first, and each event takes effect once."""
    await pair.announce(*(organisation(ONE, version=version) for version in (1, 2)))
    await park(pair, Ear(broken={(ONE, 1)}), count=2)
    gate = Gate()
    replaying = asyncio.create_task(replay(pair.notifications.database, consumer=Ear(gates={(ONE, 2): gate}).consumer()))
    await gate.reached.wait()

    async with pair.relaying(), pair.consuming(Ear()):
        await pair.announce(organisation(ONE, version=3))
        await pair.until("SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'notifications' AND wait_event_type = 'Lock'")
        gate.opened.set()
        await replaying
        await pair.until("SELECT count(*) = 3 FROM notifications.heard")

    assert await pair.heard_versions(ONE) == [1, 2, 3]
    assert (await pair.rows(NOTHING_PARKED))[0][0]


async def test_an_operator_replays_a_services_parked_events_from_the_command_line(pair: Pair) -> None:
    await park_for_applications(pair)

    code = await run_replay(pair, "--all")

    assert code == 0
    copies = await pair.rows("SELECT uscc FROM applications.known_organisation")
    assert [row["uscc"] for row in copies] == [ONE]
    assert await pair.rows("SELECT 1 FROM applications.parked") == []


async def park_for_applications(pair: Pair) -> None:
    async def fail(_tx: Tx, _event: OrganisationEvent) -> None:
        raise RuntimeError("a bug in a handler")

    failing = consumer("applications", topics=["registry.events"], handlers=[Handler(OrganisationRegistered, "copy", fail)])
    await pair.announce(organisation(ONE, version=1))
    settings = settings_for("applications", database=pair.database, topics=pair.topics, slot="applications-worker")
    database = open_database(settings)
    async with pair.relaying(), running(Consuming(settings=settings, database=database, consumer=failing).run()):
        await pair.until("SELECT count(*) = 1 FROM applications.parked")
    await database.engine.dispose()


@pytest.mark.parametrize("service", ["applications", "budget", "notifications"])
async def test_every_service_that_hears_can_be_replayed_from_the_command_line(pair: Pair, service: str) -> None:
    assert await run_replay(pair, "--all", service=service) == 0


async def run_replay(pair: Pair, *which: str, service: str = "applications") -> int:
    environment = {
        **os.environ,
        "PROFILE": "test",
        "DATABASE_URL": pair.database.sqlalchemy_url(service),
        "KAFKA_BOOTSTRAP": pair.topics.bootstrap,
        "CITY_FILE": str(CITY_FILE),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.replay", "--service", service, *which), env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


@pytest.mark.parametrize("arguments", [[], ["--service", "a"], ["--service", "a", "--all", "--key", "b"], ["--service", "a", "--event", "no id"]])
def test_an_operator_must_say_which_events_are_meant(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_arguments(arguments)

    assert "usage:" in capsys.readouterr().err
