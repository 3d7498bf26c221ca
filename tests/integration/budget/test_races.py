"""Many at the same moment: never a fen over, every case answered, no money held by nobody."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from services.budget.ledger.rules import Act, CaseMoney
from services.budget.payment import commands as payment
from services.budget.waiting.rules import choose_served
from shared.caller import Caller
from shared.live import Live
from tests.building import BUSINESS_NOW, fetch
from tests.integration.budget.acting import (
    AUDITOR,
    appropriate,
    approve,
    approved_order,
    assert_books_add_up,
    award,
    balances,
    bank_says,
    budget_live,
    cases_of,
    checked_order,
    hear,
    kinds,
    make,
    paid_row,
    payable_case,
    proposed,
    release_of,
    returned_row,
    states,
    told,
)
from tests.runtime import Database
from tests.unit.budget.money import purse

RACERS = 64
ACT = Act(caller="maker", key="1", fingerprint=b"1", at=BUSINESS_NOW, on=BUSINESS_NOW.date())
MAKER_HIMSELF = Caller(id="maker", kind="staff", channel="window", scopes=frozenset(), jurisdictions=None)
_SOMEBODY_WAITS = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"


@pytest_asyncio.fixture
async def live(database: Database, tmp_path: Path) -> AsyncIterator[Live]:
    """With a connection for each racer."""
    state = budget_live(database, tmp_path, connections=RACERS)
    async with state.running():
        yield state


async def test_64_proposals_race_for_the_last_100_000_fen_and_none_gets_a_fen_too_much(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 100_000)
    amounts_fen = random.Random(64).sample(range(1_301, 9_973), RACERS)  # uneven: they never add up to the sum
    proposals = [proposed(award(amount_fen)) for amount_fen in amounts_fen]

    await at_once(hear(live, proposal) for proposal in proposals)

    listed = await fetch(database, "SELECT application_id, amount_fen, state FROM reservation ORDER BY place", service="budget")
    chosen = [money for money, _ in choose_served([_money(row) for row in listed], purse=purse(100_000))]
    assert {row["application_id"] for row in listed if row["state"] == "reserved"} == {money.application_id for money in chosen}
    fund = await balances(client)
    assert fund["reserved_fen"] == sum(money.amount_fen for money in chosen)
    assert fund["reserved_fen"] + fund["available_fen"] == 100_000
    assert min(row["amount_fen"] for row in listed if row["state"] == "waiting") > fund["available_fen"]
    assert sorted(kinds(await told(database))[1:]) == ["funds_reserved"] * len(chosen) + ["funds_waiting"] * (RACERS - len(chosen))
    await assert_books_add_up(database)


async def test_the_others_stand_in_the_list_in_rank_order_and_are_funded_in_it(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100_000)
    holder = proposed(award(100_000))
    await hear(live, holder)
    await at_once(hear(live, proposed(award(7_001 + 13 * n))) for n in range(RACERS))
    url, wanted = "/v1/waiting-list", {"fiscal_year": 2025, "limit": 200}
    ranked = (await client.get(url, params=wanted, auth=AUDITOR)).json()["rows"]

    await hear(live, release_of(*cases_of(holder)))

    served: list[dict[str, Any]] = []
    for row in ranked:
        if sum(each["amount_fen"] for each in served) + row["amount_fen"] <= 100_000:
            served.append(row)
    reserved = {str(application_id) for application_id, state in (await states(database)).items() if state == "reserved"}
    assert [row["rank"] for row in ranked] == list(range(1, RACERS + 1))
    assert reserved == {row["application_id"] for row in served}
    await assert_books_add_up(database)


async def test_payments_proposals_and_releases_race_and_the_books_add_up(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100_000)
    cases = [await payable_case(client, live, amount_fen=9_000 + n) for n in range(10)]
    orders = [await checked_order(client, case) for case in cases]

    acts: list[Awaitable[object]] = [approve(client, order) for order in orders]
    acts += [hear(live, release_of(case)) for case in cases[::2]]
    acts += [hear(live, proposed(award(3_333 + n))) for n in range(RACERS - len(acts))]
    await at_once(acts, seed=7)

    found = await states(database)
    for case, order in zip(cases, orders, strict=True):
        shown = (await client.get(f"/v1/payment-orders/{order['id']}", auth=AUDITOR)).json()
        assert (found[case.application_id], shown["state"]) in {("in_transit", "in_transit"), ("released", "cancelled")}
    fund = await balances(client)
    assert fund["available_fen"] + fund["reserved_fen"] + fund["in_transit_fen"] == 100_000
    waiting = await fetch(database, "SELECT amount_fen FROM reservation WHERE state = 'waiting'", service="budget")
    assert all(row["amount_fen"] > fund["available_fen"] for row in waiting)
    await assert_books_add_up(database)


async def test_an_order_is_approved_once_however_often_it_is_tried(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    order = await checked_order(client, await payable_case(client, live))

    answers = await at_once(approve(client, order) for _ in range(16))

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 15
    assert (await balances(client))["in_transit_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_a_case_gets_one_order_however_often_it_is_made(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)

    answers = await at_once(make(client, case) for _ in range(16))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
    assert len(await fetch(database, "SELECT id FROM payment_order", service="budget")) == 1


@pytest.mark.parametrize("order_of_start", list(itertools.permutations(["release", "approve", "repeat"])))
async def test_release_and_approval_meet_in_every_order_and_one_of_them_wins(
    client: httpx.AsyncClient, live: Live, database: Database, order_of_start: tuple[str, ...]
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = await checked_order(client, case)
    acts: dict[str, Awaitable[object]] = {
        "release": hear(live, release_of(case)),
        "approve": approve(client, order),
        "repeat": hear(live, release_of(case)),
    }

    await asyncio.gather(*(acts[name] for name in order_of_start))

    answers = kinds(await told(database, case))[1:]
    if (await states(database))[case.application_id] == "released":
        assert answers == ["funds_released"]
        assert (await balances(client))["available_fen"] == 1_000_000
    else:
        assert answers.count("payment_ordered") == 1
        assert answers.count("release_refused") == 2
        assert (await balances(client))["in_transit_fen"] == 1_000_000
    await assert_books_add_up(database)


@pytest.mark.parametrize("order_of_start", list(itertools.permutations(["release", "paid", "returned"])))
async def test_release_payment_and_return_meet_in_every_order_and_no_money_is_lost(
    client: httpx.AsyncClient, live: Live, database: Database, order_of_start: tuple[str, ...]
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = await approved_order(client, case)
    acts: dict[str, Awaitable[object]] = {
        "release": hear(live, release_of(case)),
        "paid": bank_says(client, paid_row(order)),
        "returned": bank_says(client, returned_row(order)),
    }

    await asyncio.gather(*(acts[name] for name in order_of_start))

    state = (await states(database))[case.application_id]
    fund = await balances(client)
    answers = kinds(await told(database, case))
    # The return came last or closed the reference; the release found the money either on its way or back.
    assert (state, answers.count("release_refused"), answers.count("funds_released")) in {("reserved", 1, 0), ("released", 0, 1)}
    assert fund["reserved_fen"] + fund["available_fen"] == 1_000_000
    assert answers.count("payment_returned") == 1
    await assert_books_add_up(database)


@pytest.mark.parametrize("round_number", range(5))
async def test_a_release_and_its_proposal_meet_and_nothing_stays_held(
    client: httpx.AsyncClient, live: Live, database: Database, round_number: int
) -> None:
    await appropriate(client, 1_000_000)
    proposals = [proposed(award(100_000)) for _ in range(8)]
    cases = [case for proposal in proposals for case in cases_of(proposal)]

    await at_once([*(hear(live, proposal) for proposal in proposals), *(hear(live, release_of(case)) for case in cases)], seed=round_number)

    assert set((await states(database)).values()) == {"released"}
    assert [kinds(await told(database, case)).count("funds_released") for case in cases] == [1] * 8
    assert (await balances(client))["available_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_a_release_waits_for_an_order_that_is_just_being_made_and_cancels_it(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)

    async with live.transaction() as tx:
        await payment.make_orders(tx, [case.application_id], caller=MAKER_HIMSELF, act=ACT)
        releasing = asyncio.create_task(hear(live, release_of(case)))
        await until_somebody_waits(database)
    await releasing

    orders = await fetch(database, "SELECT state, reason FROM payment_order", service="budget")
    assert [tuple(row) for row in orders] == [("cancelled", "申请人撤回")]
    assert (await balances(client))["available_fen"] == 1_000_000


async def test_two_years_in_one_poll_do_not_wait_for_each_other(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    for year in (2024, 2025):
        await appropriate(client, 1_000_000, fiscal_year=year)

    def poll(*years: int) -> Awaitable[None]:
        return hear(live, *(proposed(award(1_000), fiscal_year=year) for year in years))

    await at_once([poll(2024, 2025, 2024) if n % 2 else poll(2025, 2024, 2025) for n in range(24)])

    assert list((await states(database)).values()) == ["reserved"] * 72
    await assert_books_add_up(database)


async def until_somebody_waits(database: Database) -> None:
    """Until a transaction in this database waits for a lock of another."""
    connection = await asyncpg.connect(database.urls["postgres"])
    try:
        async with asyncio.timeout(10):
            while not await connection.fetchval(_SOMEBODY_WAITS):
                await asyncio.sleep(0)
    finally:
        await connection.close()


async def at_once(acts: Any, *, seed: int | None = None) -> list[Any]:
    started = list(acts)
    if seed is not None:
        random.Random(seed).shuffle(started)
    return list(await asyncio.gather(*started))


def _money(row: Any) -> CaseMoney:
    return CaseMoney(
        application_id=row["application_id"],
        proposal_id=row["application_id"],
        case_number="",
        applicant_uscc="",
        fiscal_year=2025,
        line_id="",
        jurisdiction_id="",
        amount_fen=row["amount_fen"],
        policy_version="",
        funding_source="",
        expenditure_category="",
    )
