"""Announced, relayed, received: once each, in order per key, over the real broker and the real database."""

import asyncpg
from aiokafka import AIOKafkaProducer

from shared import outbox
from shared.consumer import TRIES_BEFORE_PARKING
from tests.integration.shared.mechanism import ONE, TWO, Ear, Pair, organisation


async def test_what_is_announced_takes_effect_once_and_in_order(pair: Pair) -> None:
    await pair.announce(organisation(ONE, version=1), organisation(TWO, version=1), organisation(ONE, version=2))
    await pair.announce(organisation(ONE, version=3))

    async with pair.relaying(), pair.consuming(Ear()):
        await pair.until("SELECT count(*) = 4 FROM notifications.heard")

    heard = await pair.heard()
    assert [version for key, version in heard if key == ONE] == [1, 2, 3]
    assert [version for key, version in heard if key == TWO] == [1]
    assert (await pair.rows("SELECT count(*) FROM registry.outbox_sent"))[0][0] == 4
    assert await pair.rows("SELECT topic, key, last_seq FROM notifications.consumer_key ORDER BY last_seq") != []


async def test_an_announcement_that_is_rolled_back_is_never_sent(unheard: Pair) -> None:
    class Undo(Exception):
        pass

    try:
        async with unheard.registry.transaction() as tx:
            await outbox.append(tx, organisation(ONE, version=1))
            raise Undo
    except Undo:
        pass

    assert (await unheard.rows("SELECT count(*) FROM registry.outbox"))[0][0] == 0
    assert (await unheard.rows("SELECT count(*) FROM registry.stream"))[0][0] == 0


async def test_replaying_the_topic_changes_nothing(pair: Pair) -> None:
    await pair.announce(organisation(ONE, version=1), organisation(ONE, version=2))
    async with pair.relaying(), pair.consuming(Ear()):
        await pair.until("SELECT count(*) = 2 FROM notifications.heard")

    async with pair.consuming(Ear()) as again:
        await again.started.wait()
        await again.client.seek_to_beginning()
        await pair.announce(organisation(TWO, version=1))
        async with pair.relaying():
            await pair.until("SELECT count(*) >= 3 FROM notifications.heard")

    assert sorted(await pair.heard()) == sorted([(ONE, 1), (ONE, 2), (TWO, 1)])


async def test_a_bug_parks_its_key_and_the_others_flow(pair: Pair) -> None:
    await pair.announce(organisation(ONE, version=1), organisation(ONE, version=2), organisation(TWO, version=1))

    ear = Ear(broken={(ONE, 1)})
    async with pair.relaying(), pair.consuming(ear):
        await pair.until("SELECT count(*) = 2 FROM notifications.parked")
        await pair.until("SELECT count(*) = 1 FROM notifications.heard")

    assert await pair.heard() == [(TWO, 1)]
    reasons = [row["reason"] for row in await pair.rows("SELECT reason FROM notifications.parked ORDER BY event_seq")]
    assert reasons == ["bug", "behind"]
    # Once with the whole poll, then three times alone.
    assert ear.tries[ONE, 1] == 1 + TRIES_BEFORE_PARKING


async def test_undecodable_bytes_are_parked_as_they_are(pair: Pair) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=pair.topics.bootstrap)
    await producer.start()
    await producer.send_and_wait(f"{pair.topics.prefix}registry.events", value=b"\xff\x00 not json", key=b"k")
    await producer.stop()

    async with pair.consuming(Ear()):
        await pair.until("SELECT count(*) = 1 FROM notifications.parked")

    (row,) = await pair.rows("SELECT reason, payload, detail FROM notifications.parked")
    assert (row["reason"], row["payload"]) == ("undecodable", b"\xff\x00 not json")
    assert "envelope header missing" in row["detail"]


async def test_a_gap_parks_the_key_and_the_missing_event_drains_it_in_order(pair: Pair) -> None:
    await pair.announce(*(organisation(ONE, version=version) for version in (1, 2, 3)))
    (held_back,) = await pair.rows("DELETE FROM registry.outbox WHERE event_seq = 2 RETURNING *")

    async with pair.relaying(), pair.consuming(Ear()):
        await pair.until("SELECT count(*) = 1 FROM notifications.parked WHERE reason = 'gap'")
        await _put_back(pair, dict(held_back))
        await pair.until("SELECT count(*) = 3 FROM notifications.heard")

    assert await pair.heard() == [(ONE, 1), (ONE, 2), (ONE, 3)]
    assert await pair.rows("SELECT 1 FROM notifications.parked") == []
    assert [(row["last_seq"], row["parked"]) for row in await pair.rows("SELECT last_seq, parked FROM notifications.consumer_key")] == [(3, False)]


async def _put_back(pair: Pair, row: dict[str, object]) -> None:
    connection = await asyncpg.connect(pair.database.urls["postgres"])
    await connection.execute(
        "INSERT INTO registry.outbox (event_id, topic, key, event_seq, headers, payload) VALUES ($1, $2, $3, $4, $5, $6)",
        *(row[name] for name in ("event_id", "topic", "key", "event_seq", "headers", "payload")),
    )
    await connection.close()
