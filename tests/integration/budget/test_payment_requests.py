"""Requests for payment: what goes into one, who takes its file, and the sheet that comes back."""

import asyncio
import base64
import hashlib
from decimal import Decimal
from typing import Any

import httpx
import pytest

from services.budget.spreadsheet import Format, read_sheet, write_sheet
from shared.live import Live
from tests.building import BUSINESS_NOW, fetch
from tests.integration.budget.acting import (
    ACCOUNT_NUMBER,
    APPROVER,
    AUDITOR,
    FINANCE,
    MAKER,
    YEAR,
    appropriate,
    approved_order,
    assert_books_add_up,
    balances,
    bank_says,
    checked_order,
    enter_account,
    paid_row,
    payable_case,
    written,
)
from tests.runtime import Database

DOCUMENT = "财社指〔2025〕12号"
HEADINGS = ["支付凭证号", "支付日期", "状态", "原因", "金额", "收款人"]


async def orders_of(client: httpx.AsyncClient, live: Live, *, count: int) -> list[dict[str, Any]]:
    await appropriate(client, 10_000_000)
    return [await approved_order(client, await payable_case(client, live)) for _ in range(count)]


async def ask_for(client: httpx.AsyncClient, *order_ids: str, fiscal_year: int = YEAR) -> httpx.Response:
    body = {"fiscal_year": fiscal_year, "quota_document": DOCUMENT, "payment_order_ids": list(order_ids)}
    return await client.post("/v1/payment-requests", json=body, auth=MAKER)


async def answer(
    client: httpx.AsyncClient, request: dict[str, Any], *rows: list[str], sheet_format: Format = "xlsx", version: int | None = None
) -> httpx.Response:
    content = write_sheet([HEADINGS, *rows], sheet_format=sheet_format, made_at=BUSINESS_NOW)
    return await client.post(
        f"/v1/payment-requests/{request['id']}:import",
        json={"document": "支付回单1", "content_base64": base64.b64encode(content).decode()},
        headers={"If-Match": f'"{request["version"] if version is None else version}"'},
        auth=FINANCE,
    )


def paid(order: dict[str, Any], *, amount: str = "10000.00", payee: str = "示例人力资源有限公司") -> list[str]:
    return [order["bank_reference"], "2025-09-15", "已支付", "", amount, payee]


async def test_many_approved_payments_go_into_one_request_and_each_into_one_only(client: httpx.AsyncClient, live: Live) -> None:
    first, second, third = await orders_of(client, live, count=3)

    made = await ask_for(client, first["id"], second["id"])
    again = await ask_for(client, third["id"], second["id"])

    assert (made.status_code, made.json()["payments"], made.json()["amount_fen"], made.json()["warnings"]) == (201, 2, 2_000_000, [])
    assert (again.status_code, again.json()["orders"]) == (409, [{"payment_order_id": second["id"], "code": "already-requested"}])


async def test_what_is_not_approved_or_named_twice_is_refused_and_nothing_is_written(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    (order,) = await orders_of(client, live, count=1)
    checked = await checked_order(client, await payable_case(client, live))

    refused = [await ask_for(client, order["id"], each) for each in (checked["id"], order["id"], "01994e6e-7c1a-7000-8000-000000000001")]
    other_year = await ask_for(client, order["id"], fiscal_year=2024)

    assert [each.json()["orders"][0]["code"] for each in refused] == ["not-in-transit", "named-twice", "payment-order-not-found"]
    assert other_year.json()["orders"][0]["code"] == "other-fiscal-year"
    assert await fetch(database, "SELECT 1 FROM payment_request", service="budget") == []


@pytest.mark.parametrize("sheet_format", ["xlsx", "csv"])
async def test_the_file_has_the_whole_number_and_says_who_took_it(
    sheet_format: Format, client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    (order,) = await orders_of(client, live, count=1)
    request = (await ask_for(client, order["id"])).json()
    url = f"/v1/payment-requests/{request['id']}"

    taken = await client.get(f"{url}/file", params={"format": sheet_format}, auth=FINANCE)
    card = (await client.get(url, auth=AUDITOR)).json()

    headings, row = read_sheet(taken.content)
    said = dict(zip(headings, row, strict=True))
    assert (taken.status_code, taken.headers["Cache-Control"]) == (200, "no-store")
    assert (said["账号"], said["指标文号"], said["支付凭证号"], said["收款人"]) == (
        ACCOUNT_NUMBER,
        DOCUMENT,
        order["bank_reference"],
        "示例人力资源有限公司",
    )
    assert Decimal(said["金额"]) == 10_000
    assert [(each["sha256"], each["exported_by"].rpartition("|")[2], each["format"]) for each in card["exports"]] == [
        (hashlib.sha256(taken.content).hexdigest(), "finance-1", sheet_format)
    ]
    assert card["listed"][0]["account_number_masked"] == "****0001"
    kept = await fetch(database, "SELECT convert_from(body, 'UTF8') AS text FROM answer", service="budget")
    assert not [row for row in [str(card), *(each["text"] for each in kept)] if ACCOUNT_NUMBER in row]


async def test_only_who_may_export_takes_the_file(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    (order,) = await orders_of(client, live, count=1)
    request = (await ask_for(client, order["id"])).json()

    refused = [await client.get(f"/v1/payment-requests/{request['id']}/file", auth=each) for each in (MAKER, APPROVER, AUDITOR)]

    assert [(each.status_code, each.json()["code"]) for each in refused] == [(403, "scope-missing")] * 3
    assert await fetch(database, "SELECT 1 FROM payment_request_export", service="budget") == []


@pytest.mark.parametrize("sheet_format", ["xlsx", "csv"])
async def test_the_sheet_that_comes_back_confirms_and_explains_every_difference(
    sheet_format: Format, client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    right, other_amount, other_payee, back, silent, strange = await orders_of(client, live, count=6)
    listed = [each["id"] for each in (right, other_amount, other_payee, back, silent)]
    request = (await ask_for(client, *listed)).json()

    answered = await answer(
        client,
        request,
        paid(right),
        paid(right),
        paid(other_amount, amount="10000.01"),
        paid(other_payee, payee="别家公司"),
        [back["bank_reference"], "2025-09-15", "退回", f"账号{ACCOUNT_NUMBER}不存在", "", ""],
        paid(strange),
        sheet_format=sheet_format,
    )

    result = answered.json()
    assert answered.status_code == 200, answered.text
    assert [(each["row"], each["status"]) for each in result["results"]] == [(2, "changed"), (4, "reconcile"), (6, "changed")]
    assert [(each["kind"], each["row"]) for each in result["differences"]] == [
        ("repeated", 3),
        ("other_amount", 4),
        ("other_payee", 5),
        ("extra", 7),
        ("missing", None),
    ]
    card = (await client.get(f"/v1/payment-requests/{request['id']}", auth=AUDITOR)).json()
    assert [each["kind"] for each in card["differences"]] == [each["kind"] for each in result["differences"]]
    assert [each["state"] for each in card["listed"]] == ["paid", "in_transit", "in_transit", "returned", "in_transit"]
    assert (card["paid_fen"], card["returned_fen"], card["version"]) == (1_000_000, 1_000_000, 2)
    assert (await balances(client))["paid_fen"] == 1_000_000
    assert ACCOUNT_NUMBER not in str(card)
    await assert_books_add_up(database)


async def test_a_sheet_that_comes_again_pays_nothing_twice_and_a_stale_one_is_refused(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    (order,) = await orders_of(client, live, count=1)
    request = (await ask_for(client, order["id"])).json()

    first = await answer(client, request, paid(order))
    stale = await answer(client, request, paid(order))
    again = await answer(client, request, paid(order), version=2)

    assert (stale.status_code, stale.json()["code"]) == (412, "payment-request-stale")
    assert [each.json()["results"][0]["status"] for each in (first, again)] == ["changed", "unchanged"]
    assert (await balances(client))["paid_fen"] == 1_000_000
    await assert_books_add_up(database)


@pytest.mark.parametrize(
    ("cell", "code"),
    [("=1+1", "sheet-formula"), ("昨天", "invalid")],
)
async def test_a_sheet_with_a_wrong_cell_is_refused_whole(cell: str, code: str, client: httpx.AsyncClient, live: Live, database: Database) -> None:
    (order,) = await orders_of(client, live, count=1)
    request = (await ask_for(client, order["id"])).json()
    before = await written(database)
    content = f"支付凭证号,支付日期,状态\r\n{order['bank_reference']},2025-09-15,已支付\r\n{order['bank_reference']},{cell},已支付\r\n"

    refused = await client.post(
        f"/v1/payment-requests/{request['id']}:import",
        json={"document": "d", "content_base64": base64.b64encode(content.encode()).decode()},
        headers={"If-Match": '"1"'},
        auth=FINANCE,
    )

    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert await written(database) == before


async def test_after_a_return_the_next_issue_goes_into_another_request(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 10_000_000)
    case = await payable_case(client, live)
    first = await approved_order(client, case)
    request = (await ask_for(client, first["id"])).json()
    await answer(client, request, [first["bank_reference"], "2025-09-15", "退回", "户名不符", "", ""])
    await enter_account(client, case)
    second = await approved_order(client, case)

    asked = await ask_for(client, second["id"])
    await bank_says(client, paid_row(second))

    assert asked.status_code == 201
    card = (await client.get(f"/v1/payment-requests/{asked.json()['id']}", auth=AUDITOR)).json()
    assert card["paid_fen"] == 1_000_000


async def test_of_two_requests_at_once_for_the_same_payment_one_has_it(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    (order,) = await orders_of(client, live, count=1)

    asked = await asyncio.gather(*(ask_for(client, order["id"]) for _ in range(8)))

    assert sorted(each.status_code for each in asked) == [201] + [409] * 7
    assert len(await fetch(database, "SELECT 1 FROM payment_request", service="budget")) == 1


async def test_of_two_sheets_at_once_one_is_taken(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    (order,) = await orders_of(client, live, count=1)
    request = (await ask_for(client, order["id"])).json()

    answered = await asyncio.gather(*(answer(client, request, paid(order)) for _ in range(4)))

    assert sorted(each.status_code for each in answered) == [200, 412, 412, 412]
    assert (await balances(client))["paid_fen"] == 1_000_000
    await assert_books_add_up(database)
