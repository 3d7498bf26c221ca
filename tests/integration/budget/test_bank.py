"""The bank's files: every row has its own answer, repeats are harmless, what fits nothing is kept for a person."""

import httpx

from shared.live import Live
from tests.building import SignedBy
from tests.integration.budget.acting import (
    AUDITOR,
    appropriate,
    approved_order,
    assert_books_add_up,
    balances,
    bank_says,
    enter_account,
    kinds,
    paid_row,
    payable_case,
    returned_row,
    told,
    written,
)
from tests.integration.budget.conftest import BANK
from tests.runtime import Database


async def test_each_row_of_a_file_is_judged_by_itself(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 3_000_000)
    paid, returned, silent = [await approved_order(client, await payable_case(client, live)) for _ in range(3)]

    results = await bank_says(
        client,
        paid_row(paid),
        {"bank_reference": "PO-2025-999999", "outcome": "paid", "settled_on": "2025-09-15"},
        returned_row(returned),
        paid_row(silent, settled_on="2025-09-16"),
        paid_row(silent, amount_fen=1),
        paid_row(silent, settled_on="2025-09-14"),
    )

    assert [each["status"] for each in results] == ["changed", "reconcile", "changed", "refused", "reconcile", "reconcile"]
    codes = [each["problem"]["code"] for each in results if each["problem"]]
    assert codes == ["no-such-reference", "day-in-future", "bank-amount-differs", "bank-day-differs"]
    fund = await balances(client)
    assert (fund["paid_fen"], fund["reserved_fen"], fund["in_transit_fen"]) == (1_000_000, 1_000_000, 1_000_000)
    listed = (await client.get("/v1/bank-confirmations", params={"status": "reconcile"}, auth=AUDITOR)).json()["rows"]
    assert sorted(row["cause"] for row in listed) == ["bank-amount-differs", "bank-day-differs", "no-such-reference"]
    await assert_books_add_up(database)


async def test_a_file_that_comes_again_changes_nothing(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 2_000_000)
    paid, returned = [await approved_order(client, await payable_case(client, live)) for _ in range(2)]
    rows: list[dict[str, object]] = [paid_row(paid), returned_row(returned), {"bank_reference": "X", "outcome": "paid", "settled_on": "2025-09-15"}]
    await bank_says(client, *rows)
    before = await written(database)

    results = await bank_says(client, *rows, *rows)

    assert [each["status"] for each in results] == ["unchanged", "unchanged", "reconcile"] * 2
    assert {**await written(database), "answer": 0} == {**before, "answer": 0}


async def test_a_payment_and_its_return_in_one_file_are_both_booked(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = await approved_order(client, case)

    results = await bank_says(client, paid_row(order), returned_row(order), paid_row(order))

    shown = (await client.get(f"/v1/payment-orders/{order['id']}", auth=AUDITOR)).json()
    assert [each["status"] for each in results] == ["changed", "changed", "unchanged"]
    assert (shown["state"], shown["paid_on"], shown["returned_on"], shown["reason"]) == ("returned", "2025-09-15", "2025-09-15", "户名不符")
    assert kinds(await told(database, case))[-2:] == ["payment_confirmed", "payment_returned"]
    assert (await balances(client))["reserved_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_a_row_under_a_returned_reference_goes_to_reconciliation_and_the_next_issue_is_untouched(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    first = await approved_order(client, case)
    await bank_says(client, returned_row(first))
    await enter_account(client, case)
    second = await approved_order(client, case)

    (late,) = await bank_says(client, paid_row(first))
    (right,) = await bank_says(client, paid_row(second))

    assert (late["status"], late["problem"]["code"], late["payment_order_id"]) == ("reconcile", "payment-closed", first["id"])
    assert right["status"] == "changed"
    assert (await balances(client))["paid_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_the_banks_own_system_posts_its_file(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    order = await approved_order(client, await payable_case(client, live))

    answered = await client.post(
        "/v1/bank-confirmations", json={"document": "回单文件2", "rows": [paid_row(order)]}, auth=SignedBy(BANK, service="budget")
    )

    assert answered.json()["results"][0]["status"] == "changed"


async def test_a_file_of_a_thousand_rows_is_taken_and_one_more_is_not(client: httpx.AsyncClient, database: Database) -> None:
    rows: list[dict[str, object]] = [{"bank_reference": f"X-{n}", "outcome": "paid", "settled_on": "2025-09-15"} for n in range(1_001)]

    results = await bank_says(client, *rows[:1_000])
    refused = await client.post("/v1/bank-confirmations", json={"document": "d", "rows": rows}, auth=SignedBy(BANK, service="budget"))

    assert {each["status"] for each in results} == {"reconcile"}
    assert refused.status_code == 422
    assert (await written(database))["bank_confirmation"] == 1_000
