"""Money that was approved and not sent on yet: who was not asked to pay is not asked while it is stopped, and never are two asked."""

from typing import Any

import httpx
import pytest

from services.budget.quota.rules import PaymentsUnfit
from shared.live import Live
from tests.integration.budget.acting import (
    AUDITOR,
    USCC,
    appropriate,
    approved_order,
    assert_books_add_up,
    bank_says,
    paid_row,
    payable_case,
    told,
    written,
)
from tests.integration.budget.test_freezes import FREEZE, MISUSE
from tests.integration.budget.test_payment_requests import ask_for, orders_of
from tests.integration.budget.test_pools import post
from tests.integration.budget.test_quota_documents import hand_down
from tests.runtime import Database

WITHHOLDING = {**{name: value for name, value in MISUSE.items() if name != "uscc"}, "jurisdiction_id": "huancui", "article": "6"}


@pytest.mark.parametrize(
    ("path", "stop"),
    [
        ("/v1/freezes", FREEZE),
        ("/v1/freezes", {**FREEZE, "scope": "line", "line_id": "2023-15/7n"}),
        ("/v1/misuse-cases", {**MISUSE, "uscc": USCC, "recover": []}),
        ("/v1/misuse-cases", WITHHOLDING),
    ],
)
async def test_the_treasury_is_not_asked_to_pay_what_was_stopped_after_its_approval(
    client: httpx.AsyncClient, live: Live, database: Database, path: str, stop: dict[str, Any]
) -> None:
    (order,) = await orders_of(client, live, count=1)
    stopped = (await post(client, path, stop)).json()
    before = await written(database)

    refused = await ask_for(client, order["id"])

    assert (refused.status_code, refused.json()["code"]) == (409, "payment-orders-unfit")
    assert refused.json()["orders"] == [{"payment_order_id": order["id"], "code": "frozen"}]
    assert await written(database) == before
    verb = "lift" if path == "/v1/freezes" else "close"
    assert (await post(client, f"{path}/{stopped['id']}:{verb}", {"document": "解除1号"}, version=1)).status_code == 200
    assert (await ask_for(client, order["id"])).status_code == 201
    await assert_books_add_up(database)


async def test_of_many_payments_only_the_stopped_one_is_named(client: httpx.AsyncClient, live: Live) -> None:
    first, second = await orders_of(client, live, count=2)
    await post(client, "/v1/freezes", {**FREEZE, "scope": "case", "application_id": first["application_id"]})

    both, other = await ask_for(client, first["id"], second["id"]), await ask_for(client, second["id"])

    assert [each["payment_order_id"] for each in both.json()["orders"]] == [first["id"]]
    assert other.status_code == 201


async def test_a_district_that_withholds_is_handed_no_more_money_until_its_case_is_closed(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 5_000_000)
    order = await approved_order(client, await payable_case(client, live))
    case = (await post(client, "/v1/misuse-cases", WITHHOLDING)).json()

    with pytest.raises(PaymentsUnfit) as refused:
        await hand_down(live, order)

    assert refused.value.facts == {"orders": [{"payment_order_id": order["id"], "code": "frozen"}]}
    await post(client, f"/v1/misuse-cases/{case['id']}:close", {"document": "财监结〔2025〕2号"}, version=1)
    assert await hand_down(live, order)
    await assert_books_add_up(database)


async def test_an_order_to_stop_a_line_that_there_is_not_is_refused_because_it_would_stop_nothing(
    client: httpx.AsyncClient, database: Database
) -> None:
    before = await written(database)

    refused = await post(client, "/v1/freezes", {**FREEZE, "scope": "line", "line_id": "2023-15/7N"})

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/line_id")
    assert "2023-15/7n" in refused.json()["lines"]
    assert await written(database) == before


async def test_what_the_treasury_was_asked_to_pay_is_not_handed_down_as_well_when_policy_changes_its_way(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    (order,) = await orders_of(client, live, count=1)
    assert (await ask_for(client, order["id"])).status_code == 201
    before = await written(database)

    with pytest.raises(PaymentsUnfit) as refused:
        await hand_down(live, order)

    (named,) = refused.value.facts["orders"]
    assert (named["payment_order_id"], named["code"]) in [(order["id"], code) for code in ("already-requested", "other-route")]
    assert await written(database) == before


async def test_what_a_district_was_handed_is_not_asked_of_the_treasury_as_well_when_policy_changes_its_way(
    client: httpx.AsyncClient, live: Live
) -> None:
    (order,) = await orders_of(client, live, count=1)
    await hand_down(live, order)

    refused = await ask_for(client, order["id"])

    (named,) = refused.json()["orders"]
    assert (refused.status_code, named["payment_order_id"]) == (409, order["id"])
    assert named["code"] in ("already-handed-down", "other-route")


@pytest.mark.parametrize("misuse", [False, True])
async def test_an_account_number_in_the_reason_of_a_recovery_is_announced_to_nobody(
    client: httpx.AsyncClient, live: Live, database: Database, misuse: bool
) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    order = await approved_order(client, case)
    await bank_says(client, paid_row(order))
    reason = "虚假材料，退回至账户6200000000000000001"
    recovery = {"payment_order_id": order["id"], "amount_fen": 1_000}
    if misuse:
        await post(client, "/v1/misuse-cases", {**MISUSE, "uscc": USCC, "reason": reason, "recover": [recovery]})
    else:
        await post(client, "/v1/clawbacks", {**recovery, "document": "财追〔2025〕1号", "reason": reason})
    (ordered,) = (await client.get("/v1/clawbacks", auth=AUDITOR)).json()["rows"]

    received = {"amount_fen": 1_000, "received_on": "2025-09-15", "bank_reference": "1"}
    await post(client, f"/v1/clawbacks/{ordered['id']}:receive", received, version=1)

    last = (await told(database, case))[-1]
    assert (last.kind, last.body["reason"]) == ("payment_clawed_back", "虚假材料,退回至账户****0001")


async def test_one_payment_in_is_taken_in_once_however_its_number_is_typed(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 5_000_000)
    order = await approved_order(client, await payable_case(client, live))
    await bank_says(client, paid_row(order))
    recovery = {"payment_order_id": order["id"], "amount_fen": 1_000, "document": "财追〔2025〕1号", "reason": "项目未实施"}
    ordered = (await post(client, "/v1/clawbacks", recovery)).json()
    received = {"amount_fen": 500, "received_on": "2025-09-15", "bank_reference": "20250910-0123"}
    first = (await post(client, f"/v1/clawbacks/{ordered['id']}:receive", received, version=1)).json()
    before = await written(database)

    for again in ("２０２５０９１０－０１２３", "2025 0910-0123", "\u200b20250910-0123"):
        repeated = await post(client, f"/v1/clawbacks/{ordered['id']}:receive", {**received, "bank_reference": again}, version=2)

        assert (repeated.status_code, repeated.json()["code"]) == (409, "receipt-recorded"), again
    assert first["received_fen"] == 500
    assert await written(database) == before
