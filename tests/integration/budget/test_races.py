"""Many at the same moment: never a fen over, every case answered, no money held by nobody."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable
from datetime import datetime
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
from tests.building import BUSINESS_NOW, fetch, move_business_clock
from tests.integration.budget.acting import (
    AUDITOR,
    appropriate,
    approve,
    approved_order,
    assert_books_add_up,
    assert_journal_readds,
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
from tests.integration.budget.test_clawbacks import ordered, receive
from tests.integration.budget.test_pools import ALLOTMENT, FINANCE_2, TRANSFER, post
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


async def test_a_payment_that_the_bank_confirms_many_times_at_once_is_paid_once(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = await approved_order(client, case)

    files = await at_once(bank_says(client, paid_row(order), paid_row(order)) for _ in range(16))

    assert sorted(row["status"] for rows in files for row in rows) == ["changed"] + ["unchanged"] * 31
    assert kinds(await told(database, case)).count("payment_confirmed") == 1
    assert (await balances(client))["paid_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_a_case_released_many_times_at_once_gives_its_money_back_once(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live, amount_fen=600_000)

    await at_once(hear(live, release_of(case)) for _ in range(16))

    assert kinds(await told(database, case)).count("funds_released") == 1
    assert (await balances(client))["available_fen"] == 1_000_000
    assert len(await fetch(database, "SELECT seq FROM journal WHERE kind = 'release'", service="budget")) == 1
    await assert_books_add_up(database)


@pytest.mark.parametrize("order_of_start", list(itertools.permutations(["return", "receive", "release"])))
async def test_a_bank_return_and_a_recovery_of_one_payment_meet_and_its_money_comes_back_once(
    client: httpx.AsyncClient, live: Live, database: Database, order_of_start: tuple[str, ...]
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = await approved_order(client, case)
    await bank_says(client, paid_row(order))
    clawback = (await ordered(client, order, 1_000_000)).json()
    acts: dict[str, Awaitable[Any]] = {
        "return": bank_says(client, returned_row(order)),
        "receive": receive(client, clawback, 1_000_000),
        "release": hear(live, release_of(case)),
    }

    answers = dict(zip(order_of_start, await asyncio.gather(*(acts[name] for name in order_of_start)), strict=True))

    ((row,), received, fund) = answers["return"], answers["receive"], await balances(client)
    if row["status"] == "changed":
        # Stale where it was read before the return cancelled it.
        assert (received.status_code, received.json()["code"]) in {(409, "nothing-paid"), (412, "clawback-stale")}
        assert fund["available_fen"] + fund["reserved_fen"] == 1_000_000
    else:
        assert (row["problem"]["code"], received.status_code) == ("recovered-before", 200)
        assert fund["available_fen"] + fund["reserved_fen"] == 0
    await assert_journal_readds(database)


async def test_a_line_loses_money_while_64_ask_for_it_and_who_comes_too_late_is_told_the_sum_in_the_way(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", {**ALLOTMENT, "amount_fen": 640_000})
    transfer = (await post(client, "/v1/transfers", {**TRANSFER, "amount_fen": 400_000})).json()
    reversal = (await post(client, "/v1/reversals", {"reverses_seq": 3, "amount_fen": 640_000, "document": "更正", "reason": "分配有误"})).json()

    taken = at_once([hear(live, proposed(award(10_000))) for _ in range(RACERS)], seed=5)
    lowered = at_once(
        [
            post(client, f"/v1/transfers/{transfer['id']}:approve", auth=FINANCE_2, version=1),
            post(client, f"/v1/reversals/{reversal['id']}:approve", auth=FINANCE_2, version=1),
        ]
    )
    _, answers = await asyncio.gather(taken, lowered)

    assert sorted(answer.status_code for answer in answers) in [[200, 409], [409, 409]]
    for problem in (answer.json() for answer in answers if answer.status_code == 409):
        assert problem["code"] == "insufficient-budget"
        assert problem["requested_fen"] > problem["available_fen"]
    held = sum(row["amount_fen"] for row in await fetch(database, "SELECT amount_fen FROM reservation WHERE state = 'reserved'", service="budget"))
    fund = await balances(client)
    assert fund["reserved_fen"] == held
    assert fund["available_fen"] + held == 1_000_000
    await assert_books_add_up(database)


@pytest.mark.parametrize("round_number", range(4))
async def test_december_proposals_and_the_close_in_january_meet_and_each_is_carried_or_refused(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path, round_number: int
) -> None:
    await appropriate(client, 1_000_000)
    move_business_clock(tmp_path, datetime.fromisoformat("2026-01-05T10:00:00+08:00"))
    proposals = [proposed(award(10_000)) for _ in range(24)]

    acts: list[Awaitable[Any]] = [hear(live, proposal) for proposal in proposals]
    acts.insert(6 * round_number, post(client, "/v1/year-closes", {"fiscal_year": 2025, "document": "财结〔2026〕1号"}))
    answers = await asyncio.gather(*acts)

    (closed,) = [answer.json() for answer in answers if answer is not None]
    found = list((await states(database)).values())
    assert (found.count("reserved"), found.count("refused")) == (closed["carried_cases"], 24 - closed["carried_cases"])
    assert closed["carried_fen"] + closed["lapsed_fen"] == 1_000_000
    late = await fetch(database, "SELECT reason, outcome FROM journal WHERE seq > $1", closed["last_seq"], service="budget")
    assert {(row["outcome"], row["reason"].partition(":")[0]) for row in late} <= {("refused", "year-closed")}
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
