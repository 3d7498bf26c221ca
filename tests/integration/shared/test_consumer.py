"""The consumer process: what it does while the database, its group or its own end come in between."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import asyncpg
from aiokafka import AIOKafkaProducer

from shared import outbox
from shared.consumer import Consuming, _client
from shared.db import Tx
from shared.events.registry import ContactErased, ContactRecorded, OrganisationChanged, OrganisationEvent, OrganisationRegistered
from shared.inbox import Handler, consumer, copies_only
from tests.integration.shared.edge import until
from tests.integration.shared.mechanism import FOUR, MOMENT, ONE, THREE, TWO, Ear, Gate, Pair, ended, organisation

PAUSE_S = 4.0
EVERY_BACKEND = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'notifications' AND datname = current_database()"


async def test_an_end_in_the_middle_of_an_event_loses_nothing(pair: Pair) -> None:
    """At the end one poll has taken effect, its offsets are still to be committed, and the next poll is rolled back."""
    first, second = Gate(), Gate()
    consuming = pair.consumer_process(Ear(gates={(ONE, 1): first, (ONE, 2): second}))
    consuming._committed_at_s = time.monotonic() + 3_600
    task = asyncio.create_task(consuming.run())
    async with pair.relaying():
        await pair.announce(organisation(ONE, version=1))
        await first.reached.wait()
        await pair.announce(organisation(ONE, version=2))
        await until(lambda: has_fetched(consuming, records=2))
        first.opened.set()
        await second.reached.wait()

        await ended(task)
        async with pair.consuming(Ear()):
            await pair.announce(organisation(ONE, version=3))
            await pair.until("SELECT max(last_seq) = 3 OR bool_or(parked) FROM notifications.consumer_key")

    assert await pair.heard_versions(ONE) == [1, 2, 3]
    assert await pair.reasons() == []


async def has_fetched(consuming: Consuming, *, records: int) -> bool:
    return any(consuming.client.highwater(partition) == records for partition in consuming.client.assignment())


async def test_connections_that_are_dropped_in_the_middle_of_an_event_cost_no_event_and_double_none(pair: Pair) -> None:
    gate = Gate()
    ear = Ear(gates={(ONE, 2): gate})
    await pair.announce(*(organisation(ONE, version=version) for version in (1, 2, 3)), organisation(TWO, version=1))

    async with pair.relaying(), pair.consuming(ear):
        await gate.reached.wait()
        await pair.rows(EVERY_BACKEND)
        gate.opened.set()
        await pair.until("SELECT count(*) = 4 FROM notifications.heard")

    assert (await pair.heard_versions(ONE), await pair.heard_versions(TWO)) == ([1, 2, 3], [1])
    assert ear.tries[ONE, 2] == 2
    assert await pair.reasons() == []


@contextlib.asynccontextmanager
async def database_refuses(pair: Pair) -> AsyncIterator[None]:
    """As after a failure: existing connections are cut, new ones refused."""
    server = await asyncpg.connect(pair.database.urls["postgres"].rpartition("/")[0] + "/postgres")
    try:
        await server.execute(f'ALTER DATABASE "{pair.database.name}" ALLOW_CONNECTIONS false')
        await server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", pair.database.name)
        yield
    finally:
        await server.execute(f'ALTER DATABASE "{pair.database.name}" ALLOW_CONNECTIONS true')
        await server.close()


async def test_while_the_database_is_away_the_consumer_waits_and_then_goes_on(pair: Pair) -> None:
    gate = Gate()
    await pair.announce(*(organisation(ONE, version=version) for version in (1, 2, 3)))
    async with pair.relaying():
        await pair.until("SELECT count(*) = 0 FROM registry.outbox")

    async with pair.consuming(Ear(gates={(ONE, 2): gate})) as consuming:
        await gate.reached.wait()
        async with database_refuses(pair):
            gate.opened.set()
            await until(lambda: is_paused(consuming))
        await pair.until("SELECT count(*) = 3 FROM notifications.heard")

    assert await pair.heard_versions(ONE) == [1, 2, 3]
    assert await pair.reasons() == []


async def is_paused(consuming: Consuming) -> bool:
    return consuming.paused


async def test_two_processes_of_a_group_share_the_partitions_and_each_event_takes_effect_once(pair: Pair) -> None:
    one, two = Ear(), Ear()
    keys = (ONE, TWO, THREE)

    async with pair.consuming(one, slot="worker-1") as first, pair.consuming(two, slot="worker-2") as second:
        await asyncio.gather(first.started.wait(), second.started.wait())
        await until(lambda: share_partitions(first, second), within_s=20)
        async with pair.relaying():
            for version in (1, 2, 3):
                await pair.announce(*(organisation(key, version=version) for key in keys))
            await pair.until("SELECT count(*) >= 9 FROM notifications.heard")

    assert [await pair.heard_versions(key) for key in keys] == [[1, 2, 3]] * 3
    assert one.tries
    assert two.tries
    assert not one.tries & two.tries


async def share_partitions(*members: Consuming) -> bool:
    held = [member.client.assignment() for member in members]
    return all(held) and sum(len(each) for each in held) == len(frozenset[object]().union(*held)) == 2


async def test_events_of_a_partition_that_comes_while_the_consumer_pauses_are_not_swallowed(pair: Pair) -> None:
    """A new member of the group makes every partition be assigned anew, and what is assigned anew is not paused."""
    await pair.announce(organisation(ONE, version=1), organisation(TWO, version=1))
    async with pair.relaying():
        await pair.until("SELECT count(*) = 0 FROM registry.outbox")
    member = pair.consumer_process(Ear(), slot="worker-1")
    member.client = _client(member.settings, member.consumer)
    newcomer = pair.consumer_process(Ear(), slot="worker-2")
    newcomer.client = _client(newcomer.settings, newcomer.consumer)
    await member.client.start()

    try:
        pausing = asyncio.create_task(member._pause(PAUSE_S))
        await newcomer.client.start()
        await until(lambda: share_partitions(member, newcomer), within_s=PAUSE_S)
        await pausing
        polled = await member.client.getmany(timeout_ms=3_000)
    finally:
        await asyncio.gather(member.client.stop(), newcomer.client.stop())

    assert [record.offset for found in polled.values() for record in found] == [0]


async def test_garbage_is_set_aside_and_what_comes_behind_it_flows(pair: Pair) -> None:
    envelope = [("ce_id", b"0198f2a0-0000-7000-8000-000000000001"), ("ce_type", b"registry.organisation_registered.v1"), ("ce_eventseq", b"1")]
    garbage: dict[str, tuple[bytes | None, list[tuple[str, bytes | None]], bytes | None]] = {
        "no key": (None, [*envelope], b"{}"),
        "no headers": (b"k", [], b"{}"),
        "a header without a value": (b"k", [*envelope[1:], ("ce_id", None)], b"{}"),
        "zero bytes": (b"k\0\xff", [*envelope, ("x", b"\0")], b"\0"),
        "a sequence that is no number": (b"k", [*envelope[:2], ("ce_eventseq", b"one")], b"{}"),
        "a sequence below one": (b"k", [*envelope[:2], ("ce_eventseq", b"0")], b"{}"),
        "a sequence beyond 64 bits": (b"k", [*envelope[:2], ("ce_eventseq", b"9" * 30)], b"{}"),
        "a body of another shape": (b"k", [*envelope], b'{"uscc": "a"}'),
        "a body that is not UTF-8": (b"k", [*envelope], b"\xff"),
        "no body": (b"k", [*envelope], None),
    }
    producer = AIOKafkaProducer(bootstrap_servers=pair.topics.bootstrap)
    await producer.start()
    for key, headers, payload in garbage.values():
        await producer.send_and_wait(f"{pair.topics.prefix}registry.events", payload, key=key, headers=headers, partition=1)
    await producer.stop()
    await pair.announce(organisation(ONE, version=1))

    async with pair.relaying(), pair.consuming(Ear()):
        await pair.until("SELECT count(*) = 1 FROM notifications.heard")

    parked = await pair.rows("SELECT reason, payload FROM notifications.parked ORDER BY kafka_offset")
    assert [row["reason"] for row in parked] == ["undecodable"] * len(garbage)
    assert [row["payload"] for row in parked] == [payload for _, _, payload in garbage.values()]


async def test_a_fault_whose_words_no_database_takes_is_parked_all_the_same(pair: Pair) -> None:
    async def fail(_tx: Tx, _event: OrganisationEvent) -> None:
        raise ValueError("\0 and \ud800" + "x" * 10_000)

    await pair.announce(organisation(ONE, version=1))
    handlers = [Handler(OrganisationRegistered, "effect", fail)]

    async with pair.relaying(), pair.consuming(Ear(), consumer=consumer("notifications", topics=["registry.events"], handlers=handlers)):
        await pair.until("SELECT count(*) = 1 FROM notifications.parked")

    assert await pair.reasons() == [(1, "bug")]


async def test_a_type_that_nobody_handles_only_moves_the_sequence(pair: Pair) -> None:
    ear = Ear()
    changes_only = consumer("notifications", topics=["registry.events"], handlers=[Handler(OrganisationChanged, "effect", ear.hear)])
    await pair.announce(*(organisation(ONE, version=version) for version in (1, 2)))

    async with pair.relaying(), pair.consuming(ear, consumer=changes_only):
        await pair.until("SELECT count(*) = 1 FROM notifications.heard")

    assert await pair.heard_versions(ONE) == [2]
    assert await pair.reasons() == []


async def test_an_event_that_is_sent_twice_while_its_key_is_parked_is_parked_once_and_not_tried_again(pair: Pair) -> None:
    """Here only the inbox knows the repeat: the key's last number stands before it."""
    ear = Ear(broken={(ONE, 1)})
    await pair.announce(organisation(ONE, version=1), organisation(ONE, version=2))
    async with pair.relaying(), pair.consuming(ear):
        await pair.until("SELECT count(*) = 2 FROM notifications.parked")
        ear.broken.clear()

        await send_again(pair)
        await pair.announce(organisation(FOUR, version=1))
        await pair.until("SELECT count(*) >= 1 FROM notifications.heard")

    assert await pair.heard() == [(FOUR, 1)]
    assert await pair.reasons() == [(1, "bug"), (2, "behind")]


async def send_again(pair: Pair) -> None:
    """As a relay does that lost its connection between the broker's answer and the move of the rows."""
    await pair.rows(
        "WITH again AS (DELETE FROM registry.outbox_sent RETURNING event_id, topic, key, event_seq, headers, payload)"
        " INSERT INTO registry.outbox (event_id, topic, key, event_seq, headers, payload) SELECT * FROM again ORDER BY event_seq"
    )
    await pair.until("SELECT count(*) = 0 FROM registry.outbox")


async def test_copies_are_built_anew_from_the_first_event_and_nobody_is_told_twice(pair: Pair) -> None:
    copied, told = list[tuple[str, int]](), Ear()

    async def copy(_tx: Tx, event: OrganisationEvent) -> None:
        copied.append((event.uscc, event.version))

    handlers = [Handler(OrganisationRegistered, "copy", copy), Handler(OrganisationChanged, "effect", told.hear)]
    both = consumer("notifications", topics=["registry.events"], handlers=handlers)
    await pair.announce(*(organisation(ONE, version=version) for version in (1, 2, 3)))
    async with pair.relaying(), pair.consuming(told, consumer=both):
        await pair.until("SELECT count(*) = 2 FROM notifications.heard")

    async with pair.consuming(told, consumer=copies_only(both, name="notifications-2")):
        await pair.until("SELECT count(*) = 1 FROM notifications.consumer_key WHERE consumer = 'notifications-2' AND last_seq = 3")

    assert copied == [(ONE, 1), (ONE, 1)]
    assert await pair.heard_versions(ONE) == [2, 3]


async def test_on_a_compacted_topic_holes_are_no_gaps_and_an_empty_body_erases(pair: Pair) -> None:
    seen = list[str]()

    async def note(_tx: Tx, event: ContactRecorded | ContactErased) -> None:
        seen.append(f"{event.type.split('.')[1]} {event.uscc}")

    handlers = [Handler(event=event, kind="copy", handle=note) for event in (ContactRecorded, ContactErased)]
    contacts = consumer("notifications", topics=["registry.contacts"], handlers=handlers, compacted_topics=["registry.contacts"])
    recorded = ContactRecorded(**MOMENT, uscc=ONE, contact_name="测试", mobile="13000000000")
    async with pair.registry.transaction() as tx:
        await outbox.append(tx, recorded, recorded, recorded, ContactErased(**MOMENT, uscc=ONE))
    await pair.rows("DELETE FROM registry.outbox WHERE event_seq IN (1, 3)")

    async with pair.relaying(), pair.consuming(Ear(), consumer=contacts):
        await pair.until("SELECT count(*) = 1 FROM notifications.consumer_key WHERE last_seq = 4")

    assert seen == [f"contact_recorded {ONE}", f"contact_erased {ONE}"]
    assert await pair.reasons() == []
