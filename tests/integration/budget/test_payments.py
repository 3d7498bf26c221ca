"""Payments from a reserved case to the bank's answer, under three pairs of eyes."""

from datetime import timedelta
from pathlib import Path

import httpx

from shared.live import Live
from tests.building import BUSINESS_NOW, fetch, move_business_clock
from tests.integration.budget.acting import (
    ACCOUNT_NUMBER,
    APPROVER,
    AUDITOR,
    CHECKER,
    EVERYBODY,
    MAKER,
    appropriate,
    approve,
    approved_order,
    assert_books_add_up,
    award,
    balances,
    bank_says,
    cases_of,
    check,
    checked_order,
    confirmation_of,
    enter_account,
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
    written,
)
from tests.runtime import Database


async def test_an_award_is_paid_by_three_people_and_the_bank(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live, amount_fen=1_000_000)

    order = await approved_order(client, case)
    in_transit = await balances(client)
    (result,) = await bank_says(client, paid_row(order))

    paid = (await client.get(f"/v1/payment-orders/{order['id']}", auth=AUDITOR)).json()
    fund = await balances(client)
    assert [order[who].rpartition("|")[2] for who in ("maker", "checker", "approver")] == ["maker-1", "checker-1", "approver-1"]
    assert (order["state"], order["bank_reference"]) == ("in_transit", "PO-2025-000001")
    assert (in_transit["in_transit_fen"], in_transit["reserved_fen"]) == (1_000_000, 0)
    assert (result["status"], paid["state"], paid["paid_on"]) == ("changed", "paid", "2025-09-15")
    assert (fund["available_fen"], fund["paid_fen"], fund["in_transit_fen"]) == (4_000_000, 1_000_000, 0)
    assert next(line["paid_fen"] for line in fund["lines"] if line["line_id"] == "2023-15/7n") == 1_000_000
    assert kinds(await told(database, case)) == ["funds_reserved", "payment_ordered", "payment_confirmed"]
    assert (await states(database))[case.application_id] == "paid"
    await assert_books_add_up(database)


async def test_each_posting_of_a_payment_names_its_three_people(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    await bank_says(client, paid_row(await approved_order(client, case)))

    rows = (await client.get("/v1/ledger/entries", params={"application_id": str(case.application_id)}, auth=AUDITOR)).json()["rows"]
    assert [(row["kind"], row["document"]) for row in rows][1:] == [("order", "公示〔2025〕1号"), ("confirm", "回单文件1")]
    signers = [[(row[who] or "").rpartition("|")[2] for who in ("maker", "checker", "approver")] for row in rows]
    assert signers == [["", "", ""], ["maker-1", "checker-1", "approver-1"], ["maker-1", "checker-1", "approver-1"]]
    assert {row["expenditure_category"] for row in rows} == {"construction"}
    assert {row["policy_version"] for row in rows} == {"2023-15/lines/7n@2023-06-12"}


async def test_a_bank_return_keeps_the_money_for_the_case_until_a_new_account_is_confirmed(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live, amount_fen=1_000_000)
    first = await approved_order(client, case)

    await bank_says(client, returned_row(first))
    fund = await balances(client)
    with_old_account = await make(client, case)
    await enter_account(client, case, number="6200000000000000029")
    second = await approved_order(client, case, number="6200000000000000029")
    await bank_says(client, paid_row(second))

    assert (fund["available_fen"], fund["reserved_fen"], fund["in_transit_fen"]) == (0, 1_000_000, 0)
    assert (with_old_account.status_code, with_old_account.json()["code"]) == (409, "payee-account-missing")
    assert (second["issue"], second["bank_reference"]) == (2, "PO-2025-000002")
    assert (await balances(client))["paid_fen"] == 1_000_000
    assert kinds(await told(database, case)) == [
        "funds_reserved",
        "payment_ordered",
        "payment_returned",
        "payment_ordered",
        "payment_confirmed",
    ]
    await assert_books_add_up(database)


async def test_an_account_of_the_organisation_from_before_the_return_is_not_enough(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live, amount_fen=1_000_000)
    body = {"uscc": "91990000MA0000015Q", "account_name": "示例公司", "account_number": "6200000000000000037", "bank_name": "示例银行"}
    await client.post("/v1/payee-accounts", json=body, auth=MAKER)
    await bank_says(client, returned_row(await approved_order(client, case)))

    before = await make(client, case)
    await client.post("/v1/payee-accounts", json=body, auth=MAKER)
    after = await make(client, case)

    assert (before.status_code, before.json()["code"]) == (409, "payee-account-missing")
    assert after.status_code == 201


async def test_a_payment_that_was_paid_may_still_be_returned(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live, amount_fen=1_000_000)
    order = await approved_order(client, case)
    await bank_says(client, paid_row(order))

    await bank_says(client, returned_row(order))

    fund = await balances(client)
    assert (fund["paid_fen"], fund["reserved_fen"], fund["available_fen"]) == (0, 1_000_000, 0)
    assert (await states(database))[case.application_id] == "reserved"
    await assert_books_add_up(database)


async def test_a_return_dated_before_the_payment_is_kept_for_a_person_and_not_booked(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 5_000_000)
    order = await approved_order(client, await payable_case(client, live))
    move_business_clock(tmp_path, BUSINESS_NOW + timedelta(days=3))
    await bank_says(client, paid_row(order, settled_on="2025-09-17"))
    before = await written(database)

    (early,) = await bank_says(client, returned_row(order, settled_on="2025-09-16"))

    assert (early["status"], early["problem"]["code"]) == ("reconcile", "bank-day-differs")
    assert (await written(database))["journal"] == before["journal"]
    (on_the_day,) = await bank_says(client, returned_row(order, settled_on="2025-09-17"))
    assert on_the_day["status"] == "changed"
    await assert_books_add_up(database)


async def test_one_person_takes_one_step_only(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    made = (await make(client, case, auth=EVERYBODY)).json()
    before = await written(database)

    own_check = await check(client, made, auth=EVERYBODY)
    checked = (await check(client, made)).json()
    own_approval = await approve(client, checked, auth=EVERYBODY)

    assert (own_check.status_code, own_check.json()["code"]) == (403, "same-person-twice")
    assert (own_approval.status_code, own_approval.json()["code"]) == (403, "same-person-twice")
    assert (await written(database))["journal"] == before["journal"]


async def test_who_entered_the_account_does_not_check_the_order(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    await enter_account(client, case, auth=EVERYBODY)
    made = (await make(client, case)).json()

    refused = await check(client, made, auth=EVERYBODY)

    assert (refused.status_code, refused.json()["code"]) == (403, "same-person-twice")


async def test_who_entered_the_account_does_not_approve_the_payment(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    await enter_account(client, case, auth=EVERYBODY)
    checked = await checked_order(client, case)
    before = await written(database)

    refused = await approve(client, checked, auth=EVERYBODY)
    approved = await approve(client, checked)

    assert (refused.status_code, refused.json()["code"]) == (403, "same-person-twice")
    assert (await written(database))["journal"] == before["journal"] + 1
    assert approved.status_code == 200


async def test_the_checker_approves_nothing_that_he_checked(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    checked = (await check(client, (await make(client, case)).json(), auth=EVERYBODY)).json()

    refused = await approve(client, checked, auth=EVERYBODY)

    assert (refused.status_code, refused.json()["code"]) == (403, "same-person-twice")


async def test_a_checker_who_types_another_number_is_refused(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    made = (await make(client, case)).json()

    refused = await check(client, made, number="6200000000000000029")
    same_with_gaps = await check(client, made, number="6200 0000-0000 0000 001")

    assert (refused.status_code, refused.json()["code"]) == (422, "account-differs")
    assert "6200000000000000" not in refused.text
    assert same_with_gaps.status_code == 200


async def test_an_account_that_was_replaced_is_not_paid_to(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    checked = await checked_order(client, case)
    await enter_account(client, case, number="6200000000000000029")

    refused = await approve(client, checked)

    assert (refused.status_code, refused.json()["code"]) == (409, "account-not-current")


async def test_account_numbers_are_never_shown(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    order = await approved_order(client, case)
    await bank_says(client, returned_row(order, reason=f"账号６２００ 0000 0000 0000 001（{ACCOUNT_NUMBER}）户名不符"))

    shown = [
        (await client.get(path, auth=MAKER)).text
        for path in ("/v1/payee-accounts", "/v1/payment-orders", "/v1/bank-confirmations", f"/v1/payment-orders/{order['id']}")
    ]
    kept = await fetch(database, "SELECT convert_from(payload, 'UTF8') AS text FROM outbox", service="budget")
    kept += await fetch(database, "SELECT convert_from(body, 'UTF8') AS text FROM answer", service="budget")
    kept += await fetch(database, "SELECT payee_account::text || encode(number_sealed, 'escape') AS text FROM payee_account", service="budget")
    assert all("****0001" in text for text in shown[:2])
    assert "户名不符" in shown[2]
    assert not [text for text in [*shown, *(row["text"] for row in kept)] if "62000000" in text or "0000 0000" in text]


async def test_a_rejected_order_goes_back_to_the_maker_who_makes_another(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    made = (await make(client, case)).json()
    url, headers = f"/v1/payment-orders/{made['id']}:reject", {"If-Match": '"1"'}

    rejected = await client.post(url, json={"reason": "户名与单位名称不一致"}, headers=headers, auth=CHECKER)
    again = await make(client, case)

    assert (rejected.json()["state"], rejected.json()["reason"]) == ("rejected", "户名与单位名称不一致")
    assert (again.status_code, again.json()["issue"]) == (201, 2)


async def test_an_approver_rejects_what_was_checked(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 5_000_000)
    checked = await checked_order(client, await payable_case(client, live))
    url, headers = f"/v1/payment-orders/{checked['id']}:reject", {"If-Match": f'"{checked["version"]}"'}

    rejected = await client.post(url, json={"reason": "金额有误"}, headers=headers, auth=APPROVER)
    too_late = await approve(client, checked)

    assert rejected.json()["rejected_by"].endswith("|approver-1")
    assert (too_late.status_code, too_late.json()["code"]) == (409, "step-not-allowed")


async def test_a_release_before_approval_cancels_the_order(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live, amount_fen=1_000_000)
    checked = await checked_order(client, case)

    await hear(live, release_of(case))
    refused = await approve(client, checked)

    shown = (await client.get(f"/v1/payment-orders/{checked['id']}", auth=AUDITOR)).json()
    assert (refused.status_code, refused.json()["code"]) == (409, "step-not-allowed")
    assert (shown["state"], shown["reason"]) == ("cancelled", "申请人撤回")
    assert (await balances(client))["available_fen"] == 1_000_000
    assert kinds(await told(database, case)) == ["funds_reserved", "funds_released"]


async def test_a_release_after_approval_is_refused(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live, amount_fen=1_000_000)
    order = await approved_order(client, case)

    await hear(live, release_of(case))
    await bank_says(client, paid_row(order))
    await hear(live, release_of(case))

    answers = [each for each in await told(database, case) if each.kind == "release_refused"]
    assert [answer.body["reason_code"] for answer in answers] == ["money-on-its-way", "already-paid"]
    assert (await balances(client))["paid_fen"] == 1_000_000


async def test_a_release_after_a_bank_return_frees_the_money(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live, amount_fen=1_000_000)
    await bank_says(client, returned_row(await approved_order(client, case)))

    await hear(live, release_of(case))

    assert (await balances(client))["available_fen"] == 1_000_000
    assert kinds(await told(database, case))[-1] == "funds_released"
    await assert_books_add_up(database)


async def test_only_a_confirmed_award_is_payable(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    listed = (await client.get("/v1/payables", auth=MAKER)).json()["rows"]
    await make(client, case)

    after = (await client.get("/v1/payables", auth=MAKER)).json()["rows"]

    assert [(row["application_id"], row["has_account"], row["amount_fen"]) for row in listed] == [(str(case.application_id), True, 1_000_000)]
    assert after == []


async def test_a_confirmation_that_comes_twice_changes_nothing(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)

    await hear(live, confirmation_of(case))

    history = await fetch(database, "SELECT what FROM reservation_history ORDER BY id", service="budget")
    assert (await written(database))["payable"] == 1
    assert [row["what"] for row in history] == ["award_confirmed", "repeated_confirmation"]


async def test_a_confirmation_that_comes_after_the_release_pays_nothing(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    proposal = proposed(award(1_000_000))
    (case,) = cases_of(proposal)
    await hear(live, proposal, release_of(case))

    await hear(live, confirmation_of(case))
    refused = await make(client, case)

    payables = (await client.get("/v1/payables", auth=MAKER)).json()["rows"]
    assert (refused.status_code, payables) == (404, [])
    assert (await balances(client))["available_fen"] == 1_000_000


async def test_an_award_that_differs_from_the_reserved_sum_is_not_paid(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    proposal = proposed(award(1_000_000))
    (case,) = cases_of(proposal)
    await hear(live, proposal, confirmation_of(case, amount_fen=999_999))
    await enter_account(client, case)

    refused = await make(client, case)

    assert (refused.status_code, refused.json()["code"]) == (409, "award-differs")
