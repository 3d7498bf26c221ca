"""What the bank says of a payment around its withdrawal: no news of it gets lost, and nothing is paid twice."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.live import Live
from tests.building import Staff, staff_token
from tests.chaos.wholeness import assert_nothing_half_done
from tests.chaos.wire import Wire
from tests.integration.budget.acting import (
    APPROVER,
    appropriate,
    approve,
    approved_order,
    assert_books_add_up,
    balances,
    bank_says,
    check,
    checked_order,
    enter_account,
    hear,
    kinds,
    make,
    paid_row,
    payable_case,
    release_of,
    returned_row,
    states,
    told,
    written,
)
from tests.integration.budget.test_bank import settle
from tests.integration.budget.test_gathered_approvals import outcome, sent
from tests.integration.budget.test_late_payments import decide, late_payments
from tests.integration.budget.test_overtaken_approvals import at_the_write, wire, wired
from tests.integration.budget.test_pools import ALLOTMENT, pools, post
from tests.integration.budget.test_reconciliation import reconciliation, unequal
from tests.integration.budget.test_withdrawn_payments import on_its_way, withdraw
from tests.integration.budget.test_year_closes import close, new_year
from tests.runtime import Database

__all__ = ["wire", "wired"]

HUANCUI, WENDENG = [Staff(staff_token(f"approver-{place}", roles=["money-approver"], jurisdictions=[place])) for place in ("huancui", "wendeng")]


async def paid_after_all(client: httpx.AsyncClient, order: dict[str, Any], *, settled_on: str = "2025-09-15") -> None:
    """Withdrawn and paid all the same."""
    withdrawn = await withdraw(client, order)
    await bank_says(client, paid_row(order, settled_on=settled_on))
    (late,) = await late_payments(client)
    decided = await decide(client, late, "paid_after_all")
    assert (withdrawn.status_code, decided.status_code) == (200, 200)


@pytest.mark.parametrize("news", [{"amount_fen": 999_999}, {"settled_on": "2025-09-14"}])
async def test_what_the_bank_said_that_it_paid_is_not_withdrawn_before_somebody_found_out_what_it_means(
    client: httpx.AsyncClient, live: Live, database: Database, news: dict[str, Any]
) -> None:
    _, order = await on_its_way(client, live)
    (said,) = await bank_says(client, paid_row(order, **news))
    (row,) = (await client.get("/v1/bank-confirmations?reconciliation=open", auth=APPROVER)).json()["rows"]
    before = await written(database)

    refused = await withdraw(client, order)
    unchanged = await written(database)
    await settle(client, row)
    withdrawn = await withdraw(client, order)

    assert (said["status"], refused.status_code, refused.json()["code"]) == ("reconcile", 409, "payment-reported")
    assert unchanged == before
    assert withdrawn.status_code == 200, withdrawn.text
    await assert_books_add_up(database)


async def test_what_was_withdrawn_and_paid_after_all_comes_back_also_on_the_day_of_the_withdrawal(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    case, order = await on_its_way(client, live)
    await paid_after_all(client, order)

    returned = [(await bank_says(client, returned_row(order)))[0]["status"] for _ in range(2)]

    assert returned == ["changed", "unchanged"]
    held = await balances(client)
    assert (held["reserved_fen"], held["paid_fen"]) == (1_000_000, 0)
    shown = (await client.get(f"/v1/payment-orders/{order['id']}", auth=APPROVER)).json()
    assert (shown["state"], shown["rejected_by"], shown["reason"]) == ("returned", None, "户名不符")
    assert kinds(await told(database, case))[-3:] == ["payment_ordered", "payment_confirmed", "payment_returned"]
    assert unequal(await reconciliation(client)) == {}
    await assert_books_add_up(database)


async def test_an_approver_of_a_district_withdraws_there_and_knows_of_no_other(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    _, order = await on_its_way(client, live)
    before = await written(database)

    elsewhere = await withdraw(client, order, auth=WENDENG)
    unchanged = await written(database)
    there = await withdraw(client, order, auth=HUANCUI)

    assert (elsewhere.status_code, elsewhere.json()["code"], there.status_code) == (404, "payment-order-not-found", 200)
    assert unchanged == before


async def test_a_reason_with_a_control_character_withdraws_nothing(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    _, order = await on_its_way(client, live)
    before = await written(database)

    refused = await withdraw(client, order, reason="按要求暂停\u0007支付")

    assert refused.status_code == 422
    assert await written(database) == before


async def test_a_case_is_released_after_the_withdrawal_and_not_before(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    case, order = await on_its_way(client, live)

    await hear(live, release_of(case))
    await withdraw(client, order)
    await hear(live, release_of(case))

    assert kinds(await told(database, case))[-3:] == ["release_refused", "payment_returned", "funds_released"]
    assert (await states(database))[case.application_id] == "released"
    held = await balances(client)
    assert (held["available_fen"], held["reserved_fen"], held["in_transit_fen"]) == (1_000_000, 0, 0)
    await assert_books_add_up(database)


async def test_news_of_a_withdrawn_payment_pays_nothing_twice_once_the_next_issue_is_paid(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    case, first = await on_its_way(client, live)
    await withdraw(client, first)
    second = await approved_order(client, case)
    await bank_says(client, paid_row(second))

    (said,) = await bank_says(client, paid_row(first))
    (late,) = await late_payments(client)
    refused = await decide(client, late, "paid_after_all")
    decided = await decide(client, late, "bank_error")

    assert (said["problem"]["code"], refused.json()["code"], decided.status_code) == ("payment-closed", "late-payment-money-moved", 200)
    assert (await balances(client))["paid_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_of_two_withdrawals_at_once_one_has_it(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    case, order = await on_its_way(client, live)

    answers = await asyncio.gather(*(withdraw(client, order) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert kinds(await told(database, case)).count("payment_returned") == 1
    await assert_books_add_up(database)


async def test_an_approval_that_was_decided_before_a_withdrawal_and_is_written_after_it_stands(
    client: httpx.AsyncClient, live: Live, wired: httpx.AsyncClient, wire: Wire, database: Database
) -> None:
    case, order = await on_its_way(client, live)
    await withdraw(client, order)
    again = await approved_order(client, case)
    await withdraw(client, again)
    third = await checked_order(client, case)
    trap, call = await at_the_write(wire, sent(wired, third))
    stale = await approve(client, third)
    withdrawn = await withdraw(client, stale.json())

    trap.released.set()
    answer = await call

    assert (stale.status_code, withdrawn.status_code, outcome(answer)) == (200, 200, (409, "step-not-allowed"))
    held = await balances(client)
    assert (held["reserved_fen"], held["in_transit_fen"]) == (1_000_000, 0)
    await assert_nothing_half_done(database)


async def test_money_from_several_pools_goes_back_to_each_after_a_withdrawal(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    before = await pools(database)
    case = await payable_case(client, live)
    drawn = await pools(database)

    withdrawn = await withdraw(client, await approved_order(client, case))
    await hear(live, release_of(case))

    assert (len(before), drawn, withdrawn.status_code) == (2, {}, 200)
    assert await pools(database) == before
    assert unequal(await reconciliation(client)) == {}
    await assert_books_add_up(database)


@pytest.mark.parametrize("first", ["withdraw", "close"])
async def test_a_withdrawal_and_the_close_of_the_year_meet_and_nothing_stays_behind_in_the_closed_year(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path, first: str
) -> None:
    case, order = await on_its_way(client, live)
    new_year(tmp_path, "2026-01-02")
    acts = {"withdraw": withdraw(client, order), "close": close(client)}
    names = sorted(acts, key=lambda name: name != first)

    answers = dict(zip(names, await asyncio.gather(*(acts[name] for name in names)), strict=True))
    closed = await close(client)

    assert (answers["withdraw"].status_code, closed.status_code) == (200, 201)
    assert answers["close"].status_code in (201, 409)
    held = await balances(client), await balances(client, fiscal_year=2026)
    assert [(each["reserved_fen"], each["in_transit_fen"]) for each in held] == [(0, 0), (1_000_000, 0)]
    again = await approved_order(client, case)
    assert (again["fiscal_year"], again["issue"]) == (2026, 2)
    await assert_books_add_up(database)


async def test_money_of_the_year_before_is_withdrawn_and_paid_after_all_where_it_is_held_now(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    case, first = await on_its_way(client, live)
    new_year(tmp_path, "2026-01-02")
    withdrawn = await withdraw(client, first)
    closed = await close(client)
    second = (await approve(client, (await check(client, (await make(client, case)).json())).json())).json()

    await paid_after_all(client, second, settled_on="2026-01-02")
    await bank_says(client, returned_row(second, settled_on="2026-01-02"))
    await enter_account(client, case)
    third = await approved_order(client, case)
    last = await bank_says(client, paid_row(third, settled_on="2026-01-02"))

    assert (withdrawn.json()["returned_on"], closed.status_code) == ("2026-01-02", 201)
    assert [each["status"] for each in last] == ["changed"]
    assert [second["fiscal_year"], third["fiscal_year"]] == [2026, 2026]
    held = await balances(client, fiscal_year=2026)
    assert (held["reserved_fen"], held["in_transit_fen"], held["paid_fen"]) == (0, 0, 1_000_000)
    assert unequal(await reconciliation(client)) == {}
    await assert_books_add_up(database)
