"""A returned payment that the bank reports as paid: the case is paid to nobody until a person has decided, and never twice."""

import itertools
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.live import Live
from tests.building import BUSINESS_NOW, Staff, fetch, move_business_clock, staff_token
from tests.integration.budget.acting import (
    APPROVER,
    CHECKER,
    EVERYBODY,
    FINANCE,
    Case,
    appropriate,
    approve,
    approved_order,
    assert_books_add_up,
    balances,
    bank_says,
    check,
    checked_order,
    enter_account,
    kinds,
    make,
    paid_row,
    payable_case,
    returned_row,
    told,
    written,
)
from tests.runtime import Database

DECIDER = Staff(staff_token("approver-2", roles=["money-approver"]))


async def returned_case(client: httpx.AsyncClient, live: Live) -> tuple[Case, dict[str, Any]]:
    """Ordered, sent back by the bank, and with an account that was entered anew."""
    case = await payable_case(client, live)
    order = await approved_order(client, case)
    await bank_says(client, returned_row(order))
    await enter_account(client, case)
    return case, order


async def late_payments(client: httpx.AsyncClient, *, decision: str = "open") -> list[dict[str, Any]]:
    return list((await client.get("/v1/late-payments", params={"decision": decision}, auth=FINANCE)).json()["rows"])


async def decide(client: httpx.AsyncClient, late: dict[str, Any], outcome: str, *, auth: Staff = DECIDER) -> httpx.Response:
    return await client.post(
        f"/v1/late-payments/{late['id']}:decide",
        json={"outcome": outcome, "reason": "经与银行核实"},
        headers={"If-Match": f'"{late["version"]}"'},
        auth=auth,
    )


async def test_news_that_a_returned_payment_arrived_stops_every_step_of_the_next_issue(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 5_000_000)
    (unmade, first), (made_only, second), (checked_only, third) = [await returned_case(client, live) for _ in range(3)]
    made = (await make(client, made_only)).json()
    checked = await checked_order(client, checked_only)
    await bank_says(client, *(paid_row(each) for each in (first, second, third)))
    before = await written(database)

    refused = [await make(client, unmade), await check(client, made), await approve(client, checked)]

    assert [(each.status_code, each.json()["code"]) for each in refused] == [(409, "late-payment-open")] * 3
    assert await written(database) == before
    assert (await balances(client))["reserved_fen"] == 3_000_000


async def test_a_bank_error_lets_the_next_issue_go_on(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case, first = await returned_case(client, live)
    checked = await checked_order(client, case)
    await bank_says(client, paid_row(first))
    (late,) = await late_payments(client)

    decided = await decide(client, late, "bank_error")
    approved = await approve(client, checked)

    assert (decided.status_code, decided.json()["outcome"], decided.headers["ETag"]) == (200, "bank_error", '"2"')
    assert approved.status_code == 200
    assert await late_payments(client) == []
    assert [each["id"] for each in await late_payments(client, decision="decided")] == [late["id"]]
    await bank_says(client, paid_row(approved.json()))
    assert (await balances(client))["paid_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_what_was_paid_after_all_is_booked_as_paid_and_the_next_issue_is_cancelled(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    case, first = await returned_case(client, live)
    second = await checked_order(client, case)
    await bank_says(client, paid_row(first))
    (late,) = await late_payments(client)

    decided = await decide(client, late, "paid_after_all")
    repeats = await bank_says(client, returned_row(first), paid_row(first))

    shown = [(await client.get(f"/v1/payment-orders/{order['id']}", auth=FINANCE)).json() for order in (first, second)]
    assert decided.status_code == 200, decided.text
    assert [each["state"] for each in shown] == ["paid", "cancelled"]
    assert [each["status"] for each in repeats] == ["unchanged", "unchanged"]
    assert kinds(await told(database, case))[-3:] == ["payment_returned", "payment_ordered", "payment_confirmed"]
    assert (await balances(client))["paid_fen"] == 1_000_000
    refused = [await make(client, case), await approve(client, second)]
    assert [each.json()["code"] for each in refused] == ["payment-order-open", "step-not-allowed"]
    await assert_books_add_up(database)


async def test_paid_after_all_is_refused_while_the_next_issue_is_on_its_way_or_paid(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    case, first = await returned_case(client, live)
    second = await approved_order(client, case)
    await bank_says(client, paid_row(first))
    (late,) = await late_payments(client)

    in_transit = await decide(client, late, "paid_after_all")
    await bank_says(client, paid_row(second))
    paid = await decide(client, late, "paid_after_all")
    await bank_says(client, returned_row(second))
    now = await decide(client, late, "paid_after_all")

    assert [(each.status_code, each.json()["state"]) for each in (in_transit, paid)] == [(409, "in_transit"), (409, "paid")]
    assert now.status_code == 200, now.text
    assert (await balances(client))["paid_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_who_had_a_part_in_it_does_not_decide(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 2_000_000)
    case = await payable_case(client, live)
    made = (await make(client, case)).json()
    checked = (await check(client, made, auth=EVERYBODY)).json()
    order = (await approve(client, checked)).json()
    await bank_says(client, returned_row(order), paid_row(order))
    (late,) = await late_payments(client)
    before = await written(database)

    own = await decide(client, late, "bank_error", auth=EVERYBODY)
    without_right = await decide(client, late, "bank_error", auth=CHECKER)

    assert (own.status_code, own.json()["code"]) == (403, "late-payment-second-person")
    assert (without_right.status_code, without_right.json()["code"]) == (403, "scope-missing")
    assert await written(database) == before
    assert (await decide(client, late, "bank_error", auth=APPROVER)).status_code == 200
    assert (await decide(client, late, "bank_error")).json()["code"] == "late-payment-decided"


async def test_who_entered_the_payees_account_does_not_decide_that_it_was_paid(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    await enter_account(client, case, auth=EVERYBODY)
    order = await approved_order(client, case)
    await bank_says(client, returned_row(order), paid_row(order))
    (late,) = await late_payments(client)
    before = await written(database)

    own = await decide(client, late, "paid_after_all", auth=EVERYBODY)

    assert (own.status_code, own.json()["code"]) == (403, "late-payment-second-person")
    assert await written(database) == before
    assert (await decide(client, late, "paid_after_all")).status_code == 200


async def test_another_amount_is_not_paid_after_all(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    _, first = await returned_case(client, live)
    await bank_says(client, paid_row(first, amount_fen=999_999))
    (late,) = await late_payments(client)

    refused = await decide(client, late, "paid_after_all")

    assert (refused.status_code, refused.json()["code"], late["said_fen"]) == (409, "bank-amount-differs", 999_999)


@pytest.mark.parametrize("steps", sorted(set(itertools.permutations(("returned", "late", "reissue", "decide")))), ids="-".join)
async def test_in_no_order_of_rows_reissues_and_decisions_is_a_case_paid_twice(
    steps: tuple[str, ...], client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    first = await approved_order(client, case)

    for step in (*steps, "late", "reissue", "decide"):
        if step == "returned":
            await bank_says(client, returned_row(first, settled_on="2025-09-15"))
        elif step == "late":
            await bank_says(client, paid_row(first))
        elif step == "reissue":
            await _pay_again(client, case)
        else:
            for late in await late_payments(client):
                await decide(client, late, "paid_after_all")

    confirmed = await fetch(database, "SELECT count(*) AS n FROM journal WHERE kind = 'confirm'", service="budget")
    sent_back = await fetch(database, "SELECT count(*) AS n FROM journal WHERE kind = 'return' AND dr LIKE '%支付:已支付%'", service="budget")
    assert confirmed[0]["n"] - sent_back[0]["n"] <= 1
    assert (await balances(client))["paid_fen"] in (0, 1_000_000)
    await assert_books_add_up(database)


async def _pay_again(client: httpx.AsyncClient, case: Case) -> None:
    """As far as the service lets one go."""
    await enter_account(client, case)
    made = await make(client, case)
    if made.status_code == 201:
        checked = await check(client, made.json())
        approved = await approve(client, checked.json())
        if approved.status_code == 200:
            await bank_says(client, paid_row(approved.json()))


async def test_a_second_return_is_no_news_that_the_payment_arrived(client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path) -> None:
    """Another day of payment was kept before the money came back; only a row that says paid after that makes it late."""
    await appropriate(client, 1_000_000)
    order = await approved_order(client, await payable_case(client, live))
    await bank_says(client, paid_row(order))
    move_business_clock(tmp_path, BUSINESS_NOW.replace(day=18))
    await bank_says(client, paid_row(order, settled_on="2025-09-16"), returned_row(order, settled_on="2025-09-17"))

    (again,) = await bank_says(client, returned_row(order, settled_on="2025-09-16"))

    assert (again["status"], again["problem"]["code"]) == ("reconcile", "payment-closed")
    assert await late_payments(client) == []
    (news,) = await bank_says(client, paid_row(order, settled_on="2025-09-16"))
    assert (news["status"], len(await late_payments(client))) == ("reconcile", 1)
