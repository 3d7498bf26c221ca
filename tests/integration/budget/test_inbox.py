"""The budget's own consumer: what comes through the inbox takes effect once, in order per key."""

import uuid
from uuid import UUID

import httpx

from services.budget.worker import consumer
from shared import city, inbox
from shared.events import Event, encode
from shared.events.applications import AwardsProposed
from shared.inbox import Received
from shared.live import Live
from tests.building import CITY_FILE, fetch
from tests.integration.budget.acting import (
    appropriate,
    assert_books_add_up,
    award,
    balances,
    cases_of,
    confirmation_of,
    kinds,
    proposed,
    release_of,
    told,
    written,
)
from tests.runtime import Database

CONSUMER = consumer(city.load(CITY_FILE))


async def test_every_event_that_comes_twice_takes_effect_once(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    proposal = proposed(award(600_000), award(500_000))
    first, second = cases_of(proposal)
    records = [received(proposal, seq=1), received(confirmation_of(first), seq=1), received(release_of(first), seq=2)]

    await receive(live, *records)
    before = await written(database)
    await receive(live, *records)
    for record in records:
        await receive(live, record, record)

    assert await written(database) == before
    assert kinds(await told(database, first)) == ["funds_reserved", "funds_released"]
    assert kinds(await told(database, second)) == ["funds_waiting", "funds_reserved"]
    assert await fetch(database, "SELECT id FROM parked", service="budget") == []
    await assert_books_add_up(database)


async def test_an_order_that_the_rules_refuse_parks_nothing(live: Live, database: Database) -> None:
    refused = proposed(award(1, line_id="2023-15/99"))
    (case,) = cases_of(refused)

    await receive(live, received(refused, seq=1), received(release_of(case), seq=1))

    assert kinds(await told(database, case)) == ["reservation_refused", "funds_released"]
    assert await fetch(database, "SELECT id FROM parked", service="budget") == []


async def test_a_gap_parks_the_key_until_the_missing_event_comes(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    proposal = proposed(award(600_000))
    (case,) = cases_of(proposal)

    await receive(live, received(proposal, seq=1), received(release_of(case), seq=2))
    held_back = await balances(client)
    await receive(live, received(confirmation_of(case), seq=1))

    assert held_back["reserved_fen"] == 600_000
    assert (await balances(client))["reserved_fen"] == 0
    assert kinds(await told(database, case)) == ["funds_reserved", "funds_released"]


async def test_an_order_that_no_rule_of_ours_knows_only_advances(live: Live, database: Database) -> None:
    stranger = received(confirmation_of(*cases_of(proposed(award(1)))), seq=1, type_name="applications.something_else.v1")

    await receive(live, stranger)

    rows = await fetch(database, "SELECT last_seq, parked FROM consumer_key", service="budget")
    assert [tuple(row) for row in rows] == [(1, False)]


async def receive(live: Live, *records: Received) -> None:
    async with live.transaction() as tx:
        await inbox.receive(tx, consumer=CONSUMER, records=records)


def received(event: Event, *, seq: int, type_name: str | None = None, event_id: UUID | None = None) -> Received:
    event_id = event_id or uuid.uuid4()
    name = type_name or event.type
    headers = {"ce_id": str(event_id), "ce_type": name, "ce_eventseq": str(seq)}
    known = event if name in CONSUMER.handlers else None
    offset = seq if isinstance(event, AwardsProposed) else 100 + seq
    return Received(event.topic, 0, offset, event.key(), event_id, name, seq, headers, encode(event), known)
