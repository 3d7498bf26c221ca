"""An approval that is taken back while nobody was asked to pay: the money is its case's again, and stands in nobody's way."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.budget.quota.rules import PaymentsUnfit
from shared.live import Live
from tests.building import Staff, staff_token
from tests.integration.budget.acting import (
    ACCOUNT_NUMBER,
    APPROVER,
    CHECKER,
    EVERYBODY,
    FINANCE,
    MAKER,
    Case,
    appropriate,
    approve,
    approved_order,
    assert_books_add_up,
    balances,
    bank_says,
    check,
    kinds,
    make,
    paid_row,
    payable_case,
    returned_row,
    states,
    told,
    written,
)
from tests.integration.budget.test_freezes import FREEZE
from tests.integration.budget.test_late_payments import decide, late_payments
from tests.integration.budget.test_payment_requests import ask_for
from tests.integration.budget.test_pools import post
from tests.integration.budget.test_quota_documents import hand_down
from tests.integration.budget.test_year_closes import close, new_year
from tests.runtime import Database

COLLEAGUE = Staff(staff_token("approver-2", roles=["money-approver"]))
BODY = {"document": "财支撤〔2025〕3号", "reason": "按审计机关要求暂停支付"}


async def withdraw(client: httpx.AsyncClient, order: dict[str, Any], *, auth: Staff = APPROVER, version: int | None = None, **more: str) -> Any:
    path = f"/v1/payment-orders/{order['id']}:withdraw"
    return await post(client, path, {**BODY, **more}, auth=auth, version=order["version"] if version is None else version)


async def on_its_way(client: httpx.AsyncClient, live: Live) -> tuple[Case, dict[str, Any]]:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    return case, await approved_order(client, case)


async def test_what_is_withdrawn_is_reserved_for_its_case_and_paid_by_a_new_order_to_the_same_account(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    case, order = await on_its_way(client, live)

    withdrawn = await withdraw(client, order, reason=f"账号{ACCOUNT_NUMBER}待核实")

    assert withdrawn.status_code == 200, withdrawn.text
    shown = {name: withdrawn.json()[name] for name in ("state", "version", "bank_reference", "rejected_by", "returned_on", "paid_on")}
    assert shown == {
        "state": "withdrawn",
        "version": order["version"] + 1,
        "bank_reference": order["bank_reference"],
        "rejected_by": order["approver"],
        "returned_on": "2025-09-15",
        "paid_on": None,
    }
    assert ACCOUNT_NUMBER not in withdrawn.text
    held = await balances(client)
    assert (held["reserved_fen"], held["in_transit_fen"]) == (1_000_000, 0)
    assert (await states(database))[case.application_id] == "reserved"
    answers = await told(database, case)
    assert kinds(answers)[-2:] == ["payment_ordered", "payment_returned"]
    again = (await check(client, (await make(client, case)).json())).json()
    assert (again["issue"], (await approve(client, again)).status_code) == (2, 200)
    await assert_books_add_up(database)


async def test_money_that_is_stopped_for_long_does_not_keep_the_year_open(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    case, order = await on_its_way(client, live)
    await post(client, "/v1/freezes", {**FREEZE, "scope": "case", "application_id": order["application_id"]})
    new_year(tmp_path, "2026-01-01")
    kept_open = await close(client)

    withdrawn = await withdraw(client, order)
    closed = await close(client)

    assert (kept_open.status_code, [each["obstacle"] for each in kept_open.json()["errors"]]) == (409, ["in-transit"])
    assert withdrawn.status_code == 200, withdrawn.text
    assert (closed.status_code, closed.json()["carried_fen"]) == (201, 1_000_000)
    stopped = await make(client, case)
    assert (stopped.status_code, stopped.json()["code"]) == (409, "frozen")
    await assert_books_add_up(database)


async def test_what_somebody_was_asked_to_pay_is_not_withdrawn(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 2_000_000)
    asked, handed = [await approved_order(client, await payable_case(client, live)) for _ in range(2)]
    assert (await ask_for(client, asked["id"])).status_code == 201
    await hand_down(live, handed)
    before = await written(database)

    refused = [await withdraw(client, each) for each in (asked, handed)]

    assert [(each.status_code, each.json()["code"]) for each in refused] == [(409, "payment-under-way")] * 2
    assert await written(database) == before


async def test_what_is_withdrawn_is_neither_asked_for_nor_handed_down_nor_withdrawn_again(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    _, order = await on_its_way(client, live)
    withdrawn = (await withdraw(client, order)).json()
    before = await written(database)

    asked = await ask_for(client, order["id"])
    with pytest.raises(PaymentsUnfit) as handed:
        await hand_down(live, order)
    again = await withdraw(client, withdrawn)

    assert asked.json()["orders"] == [{"payment_order_id": order["id"], "code": "not-in-transit"}]
    assert handed.value.facts["orders"] == [{"payment_order_id": order["id"], "code": "not-in-transit"}]
    assert (again.status_code, again.json()["code"]) == (409, "step-not-allowed")
    assert "审批已撤回" in str(again.json())
    assert await written(database) == before


@pytest.mark.parametrize(
    ("auth", "status", "code"),
    [(COLLEAGUE, 200, None), (MAKER, 403, "scope-missing"), (CHECKER, 403, "scope-missing"), (FINANCE, 403, "scope-missing")],
)
async def test_an_approver_withdraws_his_own_approval_or_a_colleagues(
    client: httpx.AsyncClient, live: Live, auth: Staff, status: int, code: str | None
) -> None:
    _, order = await on_its_way(client, live)

    answer = await withdraw(client, order, auth=auth)

    assert (answer.status_code, answer.json().get("code")) == (status, code)


async def test_who_checked_a_payment_does_not_withdraw_it(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = (await approve(client, (await check(client, (await make(client, case)).json(), auth=EVERYBODY)).json())).json()
    before = await written(database)

    refused = await withdraw(client, order, auth=EVERYBODY)

    assert (refused.status_code, refused.json()["code"]) == (403, "same-person-twice")
    assert await written(database) == before


async def test_a_stale_version_or_an_order_that_is_not_there_withdraws_nothing(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    _, order = await on_its_way(client, live)
    before = await written(database)

    stale = await withdraw(client, order, version=order["version"] - 1)
    unknown = await withdraw(client, {**order, "id": order["application_id"]})

    assert (stale.status_code, stale.json()["code"]) == (412, "payment-order-stale")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "payment-order-not-found")
    assert await written(database) == before


async def test_a_repeated_withdrawal_has_the_first_answer(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    _, order = await on_its_way(client, live)
    path, headers = f"/v1/payment-orders/{order['id']}:withdraw", {"If-Match": f'"{order["version"]}"', "Idempotency-Key": "withdraw-1"}

    first, again = [await client.post(path, json=BODY, headers=headers, auth=APPROVER) for _ in range(2)]

    assert (first.status_code, again.content, again.headers["idempotency-replayed"]) == (200, first.content, "true")
    await assert_books_add_up(database)


async def test_news_that_a_withdrawn_payment_was_paid_is_decided_before_anything_is_paid_again(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    case, order = await on_its_way(client, live)
    await withdraw(client, order)

    news = await bank_says(client, paid_row(order))
    refused = await make(client, case)
    (late,) = await late_payments(client)
    decided = await decide(client, late, "paid_after_all")

    assert [(each["status"], each["problem"]["code"]) for each in news] == [("reconcile", "payment-closed")]
    assert (refused.status_code, refused.json()["code"]) == (409, "late-payment-open")
    assert decided.status_code == 200, decided.text
    assert (await balances(client))["paid_fen"] == 1_000_000
    await assert_books_add_up(database)


@pytest.mark.parametrize("settled_on", ["2025-09-15", "2025-09-14"])
async def test_a_return_of_what_was_withdrawn_moves_nothing_and_is_kept_for_somebody_to_look_at(
    client: httpx.AsyncClient, live: Live, database: Database, settled_on: str
) -> None:
    _, order = await on_its_way(client, live)
    await withdraw(client, order)

    (row,) = await bank_says(client, returned_row(order, settled_on=settled_on))

    assert row["status"] == "reconcile"
    assert (await balances(client))["reserved_fen"] == 1_000_000
    await assert_books_add_up(database)


@pytest.mark.parametrize("first", ["withdraw", "ask"])
async def test_a_withdrawal_and_a_request_for_payment_meet_and_one_of_them_has_it(
    client: httpx.AsyncClient, live: Live, database: Database, first: str
) -> None:
    _, order = await on_its_way(client, live)
    acts = {"withdraw": withdraw(client, order), "ask": ask_for(client, order["id"])}
    names = sorted(acts, key=lambda name: name != first)

    answers = dict(zip(names, await asyncio.gather(*(acts[name] for name in names)), strict=True))

    outcome = (answers["withdraw"].status_code, answers["ask"].status_code)
    assert outcome in {(200, 409), (409, 201)}
    held = await balances(client)
    assert (held["reserved_fen"], held["in_transit_fen"]) == ((1_000_000, 0) if outcome == (200, 409) else (0, 1_000_000))
    await assert_books_add_up(database)


async def test_a_withdrawal_and_the_bank_meet_and_the_money_is_in_one_place(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    _, order = await on_its_way(client, live)

    withdrawn, said = await asyncio.gather(withdraw(client, order), bank_says(client, paid_row(order)))

    outcome = (withdrawn.status_code, [each["status"] for each in said])
    assert outcome in [(200, ["reconcile"]), (409, ["changed"]), (412, ["changed"])]
    held = await balances(client)
    assert (held["reserved_fen"], held["paid_fen"]) == ((1_000_000, 0) if withdrawn.status_code == 200 else (0, 1_000_000))
    await assert_books_add_up(database)
