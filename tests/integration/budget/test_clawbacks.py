"""Recovery: the order is a receivable beside the books, only receipts move money, and none of it can be spent again."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.live import Live
from tests.building import move_business_clock
from tests.integration.budget.acting import (
    Case,
    appropriate,
    approved_order,
    assert_journal_readds,
    bank_says,
    kinds,
    paid_row,
    payable_case,
    returned_row,
    told,
    written,
)
from tests.integration.budget.test_pools import post
from tests.runtime import Database

IN_LINE = "[line=2023-15/7n,jurisdiction=huancui]"


async def paid(client: httpx.AsyncClient, live: Live, *, amount_fen: int = 1_000_000) -> tuple[Case, dict[str, Any]]:
    await appropriate(client, amount_fen)
    case = await payable_case(client, live, amount_fen=amount_fen)
    order = await approved_order(client, case)
    await bank_says(client, paid_row(order))
    return case, order


async def ordered(client: httpx.AsyncClient, order: dict[str, Any], amount_fen: int, *, document: str = "财追〔2025〕1号") -> Any:
    body = {"payment_order_id": order["id"], "amount_fen": amount_fen, "document": document, "reason": "项目未实施"}
    return await post(client, "/v1/clawbacks", body)


async def receive(client: httpx.AsyncClient, clawback: dict[str, Any], amount_fen: int, *, reference: str = "1", on: str = "2025-09-15") -> Any:
    body = {"amount_fen": amount_fen, "received_on": on, "bank_reference": reference}
    return await post(client, f"/v1/clawbacks/{clawback['id']}:receive", body, version=clawback["version"])


async def test_an_order_moves_no_money(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    _, order = await paid(client, live)
    before = await written(database)

    answered = await ordered(client, order, 1_000_000)

    assert (answered.status_code, answered.json()["state"], answered.json()["received_fen"]) == (201, "open", 0)
    assert (await written(database))["journal"] == before["journal"]


async def test_no_more_is_ordered_than_was_paid(client: httpx.AsyncClient, live: Live) -> None:
    _, order = await paid(client, live)
    await ordered(client, order, 400_000)

    above = await ordered(client, order, 600_001, document="二")
    rest = await ordered(client, order, 600_000, document="二")

    assert (above.status_code, above.json()["code"], above.json()["ordered_fen"]) == (409, "above-paid", 400_000)
    assert rest.status_code == 201


async def test_what_is_on_its_way_is_not_ordered_back(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    order = await approved_order(client, await payable_case(client, live))
    before = await written(database)

    answered = await ordered(client, order, 1)

    assert (answered.status_code, answered.json()["code"]) == (409, "nothing-paid")
    assert await written(database) == before


async def test_receipts_of_the_same_year_wait_to_be_remitted_and_are_never_free(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    case, order = await paid(client, live)
    clawback = (await ordered(client, order, 1_000_000)).json()

    part = (await receive(client, clawback, 400_000)).json()
    full = (await receive(client, part, 600_000, reference="2")).json()

    assert (part["state"], part["received_fen"], part["to_remit_fen"]) == ("open", 400_000, 400_000)
    assert (full["state"], full["received_fen"], full["receipt_vouchers"]) == ("received", 1_000_000, ["CB-2025-000001", "CB-2025-000002"])
    balance = await assert_journal_readds(database)
    assert balance[f"2025/支付:上缴待缴{IN_LINE}"] == 1_000_000
    assert (balance[f"2025/支付:已支付{IN_LINE}"], balance["2025/指标:可用"]) == (0, 0)
    heard = [each.body for each in await told(database, case) if each.kind == "payment_clawed_back"]
    assert [(each["amount_fen"], each["received_fen"], each["ordered_fen"]) for each in heard] == [
        (400_000, 400_000, 1_000_000),
        (600_000, 1_000_000, 1_000_000),
    ]


async def test_a_fen_more_than_ordered_is_not_taken_in(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    _, order = await paid(client, live)
    clawback = (await ordered(client, order, 500_000)).json()
    before = await written(database)

    above = await receive(client, clawback, 500_001)

    assert (above.status_code, above.json()["code"]) == (409, "above-ordered")
    assert await written(database) == before


async def test_one_payment_in_of_the_bank_is_taken_in_once(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    _, order = await paid(client, live)
    clawback = (await ordered(client, order, 500_000)).json()
    part = (await receive(client, clawback, 100)).json()
    before = await written(database)

    again = await receive(client, part, 100)

    assert (again.status_code, again.json()["code"]) == (409, "receipt-recorded")
    assert await written(database) == before


@pytest.mark.parametrize(("day", "status"), [("2025-09-14", 422), ("2025-09-15", 200), ("2025-09-16", 422)])
async def test_money_comes_back_between_the_payment_and_today(client: httpx.AsyncClient, live: Live, day: str, status: int) -> None:
    _, order = await paid(client, live)
    clawback = (await ordered(client, order, 500_000)).json()

    answered = await receive(client, clawback, 1, on=day)

    assert answered.status_code == status


async def test_what_waits_goes_on_to_the_treasury(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    _, order = await paid(client, live)
    clawback = (await receive(client, (await ordered(client, order, 500_000)).json(), 300_000)).json()

    remitted = await post(client, f"/v1/clawbacks/{clawback['id']}:remit", {"document": "缴款书1"}, version=clawback["version"])
    again = await post(client, f"/v1/clawbacks/{clawback['id']}:remit", {"document": "缴款书2"}, version=remitted.json()["version"])

    assert (remitted.status_code, remitted.json()["to_remit_fen"], remitted.json()["received_fen"]) == (200, 0, 300_000)
    assert (again.status_code, again.json()["code"]) == (409, "nothing-to-remit")
    balance = await assert_journal_readds(database)
    assert (balance[f"2025/支付:上缴待缴{IN_LINE}"], balance[f"2025/支付:上缴财政{IN_LINE}"]) == (0, 300_000)


async def test_money_that_comes_back_in_a_later_year_goes_straight_to_the_treasury(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    _, order = await paid(client, live)
    clawback = (await ordered(client, order, 500_000)).json()
    move_business_clock(tmp_path, datetime.fromisoformat("2026-03-02T10:00:00+08:00"))

    received = await receive(client, clawback, 500_000, on="2026-03-01")

    assert (received.status_code, received.json()["to_remit_fen"], received.json()["receipt_vouchers"]) == (200, 0, ["CB-2026-000001"])
    balance = await assert_journal_readds(database)
    origin = IN_LINE.replace("]", ",origin=2025]")
    assert (balance[f"2026/支付:上年追回{origin}"], balance[f"2026/支付:上缴财政{origin}"]) == (500_000, 500_000)
    assert balance[f"2025/支付:已支付{IN_LINE}"] == 1_000_000


async def test_a_dry_run_of_a_receipt_writes_nothing(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    _, order = await paid(client, live)
    clawback = (await ordered(client, order, 500_000)).json()
    before = await written(database)

    body = {"amount_fen": 500_000, "received_on": "2025-09-15", "bank_reference": "1"}
    answered = await post(client, f"/v1/clawbacks/{clawback['id']}:receive?dry_run=true", body, version=1)

    assert (answered.status_code, answered.json()["state"]) == (200, "received")
    assert await written(database) == before


async def test_an_order_to_recover_and_a_bank_return_meet_and_the_money_comes_back_once(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    case, order = await paid(client, live)
    clawback = (await ordered(client, order, 1_000_000)).json()

    received, _ = await asyncio.gather(receive(client, clawback, 1_000_000), bank_says(client, returned_row(order)))

    answers = kinds(await told(database, case))
    assert (received.status_code, answers.count("payment_clawed_back"), answers.count("payment_returned")) in {(200, 1, 0), (409, 0, 1)}
    await assert_journal_readds(database)
