"""Announcing: the sequence counts per topic and key, and belongs to the transaction of the act."""

import asyncio
from typing import ClassVar

import pytest
from opentelemetry import trace

from shared import outbox
from shared.db import Database, open_database
from shared.events import PAYLOAD_BYTES_MAX, Event
from shared.events.registry import OrganisationEvent
from tests.integration.shared.mechanism import MOMENT, ONE, TWO, Ear, Pair, organisation

WRITERS = 20


class ParkTold(Event):
    """One of several parks of an operator: another aggregate under the same key."""

    type: ClassVar[str] = "registry.park_told.v1"
    topic: ClassVar[str] = "registry.events"

    park_code: str
    operator_uscc: str

    def key(self) -> str:
        return self.operator_uscc

    def subject(self) -> str:
        return self.park_code


def park(code: str) -> ParkTold:
    return ParkTold(**MOMENT, park_code=code, operator_uscc=ONE)


async def test_several_aggregates_under_one_key_share_its_sequence(unheard: Pair) -> None:
    async with unheard.registry.transaction() as tx:
        await outbox.append(tx, park("A"), park("B"), park("A"))
    await unheard.announce(organisation(ONE, version=1))

    rows = await unheard.rows("SELECT key, event_seq, headers ->> 'ce_subject' AS subject FROM registry.outbox ORDER BY id")
    assert [tuple(row) for row in rows] == [(ONE, 1, "A"), (ONE, 2, "B"), (ONE, 3, "A"), (ONE, 4, ONE)]


async def test_a_receiver_sees_no_gap_between_aggregates_of_one_key(pair: Pair) -> None:
    await pair.announce(organisation(ONE, version=1))
    async with pair.registry.transaction() as tx:
        await outbox.append(tx, park("A"), park("B"))
    await pair.announce(organisation(ONE, version=2))

    async with pair.relaying(), pair.consuming(Ear()):
        await pair.until("SELECT count(*) = 4 FROM notifications.inbox")

    assert await pair.heard_versions(ONE) == [1, 2]
    assert await pair.reasons() == []


async def test_one_append_keeps_the_order_given_over_all_keys(unheard: Pair) -> None:
    await unheard.announce(*(organisation(key, version=version) for version in (1, 2, 3) for key in (TWO, ONE)))

    rows = await unheard.rows("SELECT key, event_seq, headers ->> 'ce_type' AS type FROM registry.outbox ORDER BY id")
    assert [(row["key"], row["event_seq"]) for row in rows] == [(TWO, 1), (ONE, 1), (TWO, 2), (ONE, 2), (TWO, 3), (ONE, 3)]


async def test_many_writers_at_once_leave_no_gap_and_no_deadlock(unheard: Pair) -> None:
    """Each names both keys, half of them the other way round."""

    def events(number: int) -> list[OrganisationEvent]:
        keys = (ONE, TWO) if number % 2 else (TWO, ONE)
        return [organisation(key, version=1) for key in keys]

    await asyncio.gather(*(unheard.announce(*events(number)) for number in range(WRITERS)))

    rows = await unheard.rows("SELECT key, array_agg(event_seq ORDER BY id) AS seqs FROM registry.outbox GROUP BY key")
    assert {row["key"]: row["seqs"] for row in rows} == {key: [*range(1, WRITERS + 1)] for key in (ONE, TWO)}


async def test_the_trace_of_the_act_goes_out_with_its_event(unheard: Pair) -> None:
    with trace.get_tracer(__name__).start_as_current_span("an act") as span:
        await unheard.announce(organisation(ONE, version=1))

    ((header,),) = await unheard.rows("SELECT headers ->> 'ce_traceparent' FROM registry.outbox")
    assert f"{span.get_span_context().trace_id:032x}" in header


async def test_a_body_above_the_limit_is_a_bug_and_nothing_is_written(unheard: Pair) -> None:
    with pytest.raises(ValueError, match="at most"):
        await unheard.announce(organisation(ONE, version=1), organisation(ONE, version=2).model_copy(update={"name": "名" * PAYLOAD_BYTES_MAX}))

    assert (await unheard.rows("SELECT count(*) FROM registry.stream"))[0][0] == 0


class Undo(Exception):
    pass


async def announce_and_undo(database: Database) -> None:
    async with database.transaction() as tx:
        await outbox.append(tx, organisation(ONE, version=1))
        raise Undo


async def test_the_relay_is_woken_for_what_was_committed_and_not_for_what_was_rolled_back(unheard: Pair) -> None:
    """One pooled connection, whose bell nobody listens to."""
    database = open_database(unheard.registry.settings)

    with pytest.raises(Undo):
        await announce_and_undo(database)
    async with database.transaction():
        pass
    rung_for_nothing = database.bell._rung.is_set()
    async with database.transaction() as tx:
        await outbox.append(tx, organisation(ONE, version=1))

    await database.engine.dispose()
    assert (rung_for_nothing, database.bell._rung.is_set()) == (False, True)
