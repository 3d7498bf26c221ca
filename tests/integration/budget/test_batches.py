"""Many payment orders at once: each item has its own answer, one bad item spoils nothing."""

import uuid
from typing import Any

import httpx

from shared.live import Live
from tests.building import Staff
from tests.integration.budget.acting import (
    ACCOUNT_NUMBER,
    APPROVER,
    CHECKER,
    MAKER,
    appropriate,
    approved_order,
    assert_books_add_up,
    award,
    balances,
    bank_says,
    cases_of,
    confirmation_of,
    enter_account,
    hear,
    paid_row,
    payable_case,
    proposed,
)
from tests.runtime import Database


async def test_25_cases_are_paid_in_four_calls(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 25_000_000)
    body = {"uscc": "91990000MA0000015Q", "account_name": "示例公司", "account_number": ACCOUNT_NUMBER, "bank_name": "示例银行"}
    await client.post("/v1/payee-accounts", json=body, auth=MAKER)
    proposal = proposed(*(award(1_000_000) for _ in range(25)))
    await hear(live, proposal, *(confirmation_of(case) for case in cases_of(proposal)))

    payables = (await client.get("/v1/payables", auth=MAKER)).json()["rows"]
    made = await post(client, ":batch", [{"application_id": row["application_id"]} for row in payables], auth=MAKER)
    checked = await post(client, ":check-batch", [{**named(each), "account_number": ACCOUNT_NUMBER} for each in made], auth=CHECKER)
    approved = await post(client, ":approve-batch", [named(each) for each in checked], auth=APPROVER)
    paid = await bank_says(client, *(paid_row(each["payment_order"]) for each in approved))

    assert [each["status"] for each in made] == ["created"] * 25
    assert [each["status"] for each in checked + approved + paid] == ["changed"] * 75
    assert (await balances(client))["paid_fen"] == 25_000_000
    await assert_books_add_up(database)


async def test_each_item_of_a_batch_is_judged_by_itself(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 5_000_000)
    good = await payable_case(client, live)
    unconfirmed = proposed(award(1_000))
    await hear(live, unconfirmed)
    ordered = await payable_case(client, live)
    await approved_order(client, ordered)
    named_cases = [good.application_id, good.application_id, unconfirmed.awards[0].application_id, ordered.application_id, uuid.uuid4()]

    results = await post(client, ":batch", [{"application_id": str(each)} for each in named_cases], auth=MAKER)

    assert [each["status"] for each in results] == ["created", "refused", "refused", "refused", "refused"]
    codes = [each["problem"]["code"] for each in results[1:]]
    assert codes == ["named-twice", "not-payable", "payment-order-open", "no-money-held"]
    assert [each["index"] for each in results] == [0, 1, 2, 3, 4]


async def test_a_batch_of_approvals_moves_the_good_ones_only(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 5_000_000)
    orders = [
        await post(client, ":batch", [{"application_id": str((await payable_case(client, live)).application_id)}], auth=MAKER) for _ in range(3)
    ]
    made = [each for (each,) in orders]
    right = [{**named(each), "account_number": ACCOUNT_NUMBER} for each in made[:2]]
    wrong = {**named(made[2]), "account_number": "6200000000000000029"}
    checked = await post(client, ":check-batch", [*right, wrong], auth=CHECKER)
    stale = {**named(checked[1]), "version": 1}
    unknown = {"payment_order_id": str(uuid.uuid4()), "version": 1}

    approved = await post(client, ":approve-batch", [named(checked[0]), stale, named(made[2]), unknown, named(checked[0])], auth=APPROVER)

    assert [each["status"] for each in checked] == ["changed", "changed", "refused"]
    assert [each["status"] for each in approved] == ["changed", "refused", "refused", "refused", "refused"]
    codes = [each["problem"]["code"] for each in approved[1:]]
    assert codes == ["payment-order-stale", "step-not-allowed", "payment-order-not-found", "named-twice"]
    assert (await balances(client))["in_transit_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_an_account_of_the_case_goes_before_that_of_its_organisation(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 5_000_000)
    body = {"uscc": "91990000MA0000015Q", "account_name": "示例公司", "account_number": "6200000000000000037", "bank_name": "示例银行"}
    await client.post("/v1/payee-accounts", json=body, auth=MAKER)
    own, shared = proposed(award(1_000)), proposed(award(1_000))
    cases = [*cases_of(own), *cases_of(shared)]
    await hear(live, own, shared, *(confirmation_of(case) for case in cases))
    await enter_account(client, cases[0])

    made = await post(client, ":batch", [{"application_id": str(case.application_id)} for case in cases], auth=MAKER)

    assert [each["payment_order"]["payee"]["account_number_masked"] for each in made] == ["****0001", "****0037"]


async def test_300_orders_a_call_are_taken_and_one_more_is_not(client: httpx.AsyncClient, database: Database) -> None:
    items = [{"application_id": str(uuid.uuid4())} for _ in range(301)]

    taken = await client.post("/v1/payment-orders:batch", json={"orders": items[:300]}, auth=MAKER)
    refused = await client.post("/v1/payment-orders:batch", json={"orders": items}, auth=MAKER)

    assert (taken.status_code, refused.status_code) == (200, 422)
    assert refused.json()["errors"][0]["pointer"] == "/orders"


async def post(client: httpx.AsyncClient, verb: str, orders: list[dict[str, object]], *, auth: Staff) -> list[dict[str, Any]]:
    answered = await client.post(f"/v1/payment-orders{verb}", json={"orders": orders}, auth=auth)
    assert answered.status_code == 200, answered.text
    return list(answered.json()["results"])


def named(result: dict[str, Any]) -> dict[str, object]:
    return {"payment_order_id": result["payment_order"]["id"], "version": result["payment_order"]["version"]}
