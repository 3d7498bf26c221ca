"""A district's system reports what became of the money that its finance office was handed, and nothing of another district's."""

import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest_asyncio

from deploy.local.callers import SCOPES
from shared.live import Live
from tests.building import BUSINESS_NOW, SignedBy, System, client_for, fetch, move_business_clock
from tests.integration.budget.acting import FINANCE, assert_books_add_up, balances, written
from tests.integration.budget.test_quota_documents import hand_down, orders_of
from tests.runtime import Database

# What a district's system may do is what the callers' table gives its kind.
_GIVEN = tuple(tomllib.loads(SCOPES.read_text(encoding="utf-8"))["scopes"]["district"])
HUANCUI = System(id="district-huancui", kind="district", jurisdictions=("huancui",), scopes=_GIVEN)
RONGCHENG = System(id="district-rongcheng", kind="district", jurisdictions=("rongcheng",), scopes=_GIVEN)
OWN, OTHER = SignedBy(HUANCUI, service="budget"), SignedBy(RONGCHENG, service="budget")


@pytest_asyncio.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for("budget", database=database, folder=tmp_path, systems=(HUANCUI, RONGCHENG)) as opened:
        yield opened


async def report(client: httpx.AsyncClient, document_id: UUID, *rows: dict[str, Any], by: httpx.Auth, version: int = 1) -> httpx.Response:
    body = {"document": "区市支付明细1", "rows": list(rows)}
    return await client.post(f"/v1/quota-documents/{document_id}:report", json=body, headers={"If-Match": f'"{version}"'}, auth=by)


def paid(order: dict[str, Any], *, voucher: str = "ZF-1") -> dict[str, Any]:
    return {"payment_order_id": order["id"], "outcome": "paid", "settled_on": "2025-09-15", "voucher": voucher}


def sent_back(order: dict[str, Any]) -> dict[str, Any]:
    return {"payment_order_id": order["id"], "outcome": "returned", "settled_on": "2025-09-15", "reason": "户名不符"}


async def test_a_districts_system_reports_payment_and_return_of_what_it_was_handed(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    first, second, third = await orders_of(client, live, count=3)
    document_id = await hand_down(live, first, second, third)

    answered = await report(client, document_id, paid(first), sent_back(second), by=OWN)

    assert answered.status_code == 200, answered.text
    assert [each["status"] for each in answered.json()["results"]] == ["changed", "changed"]
    fund = await balances(client)
    assert (fund["paid_fen"], fund["reserved_fen"], fund["in_transit_fen"]) == (1_000_000, 1_000_000, 1_000_000)
    (confirmed,) = await fetch(database, "SELECT caller FROM journal WHERE kind = 'confirm'", service="budget")
    assert confirmed["caller"] == "system:district-huancui"
    await assert_books_add_up(database)


async def test_a_districts_system_sees_how_many_days_it_has_held_the_money(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    (order,) = await orders_of(client, live, count=1)
    document_id = await hand_down(live, order)
    move_business_clock(tmp_path, BUSINESS_NOW.replace(day=27))

    card = (await client.get(f"/v1/quota-documents/{document_id}", auth=OWN)).json()
    (listed,) = (await client.get("/v1/quota-documents", params={"held": "true"}, auth=OWN)).json()["rows"]

    assert (card["days_held"], card["held_fen"], listed["days_held"]) == (12, 1_000_000, 12)
    assert [(each["state"], each["days_held"]) for each in card["listed"]] == [("handed_down", 12)]


async def test_another_districts_system_neither_sees_nor_reports_it(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    (order,) = await orders_of(client, live, count=1)
    document_id = await hand_down(live, order)
    before = await written(database)

    seen = await client.get(f"/v1/quota-documents/{document_id}", auth=OTHER)
    listed = await client.get("/v1/quota-documents", auth=OTHER)
    reported = await report(client, document_id, paid(order), by=OTHER)

    assert [(each.status_code, each.json().get("code")) for each in (seen, reported)] == [(404, "quota-document-not-found")] * 2
    assert listed.json()["rows"] == []
    assert await written(database) == before


async def test_a_districts_system_hands_nothing_down_itself_and_pays_nothing_beside_its_documents(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    handed, kept = await orders_of(client, live, count=2)
    document_id = await hand_down(live, handed)
    new = {"number": "指9", "fiscal_year": 2025, "jurisdiction_id": "huancui", "handed_down_on": "2025-09-15", "payment_order_ids": [kept["id"]]}

    alone = await client.post("/v1/quota-documents", json=new, auth=OWN)
    as_bank = await client.post(
        "/v1/bank-confirmations",
        json={"document": "d", "rows": [{"bank_reference": kept["bank_reference"], "outcome": "paid", "settled_on": "2025-09-15"}]},
        auth=OWN,
    )
    beside = await report(client, document_id, paid(kept), by=OWN)

    assert [(each.status_code, each.json()["code"]) for each in (alone, as_bank)] == [(403, "scope-missing")] * 2
    (row,) = beside.json()["results"]
    assert (row["status"], row["problem"]["code"]) == ("refused", "not-in-quota-document")
    assert (await balances(client))["paid_fen"] == 0


async def test_what_a_district_was_handed_is_paid_by_its_report_whatever_policy_says_by_then(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    """Handed down while policy sent it by quota; today's sends it by the treasury, which never had it."""
    (order,) = await orders_of(client, live, count=1)
    document_id = await hand_down(live, order)
    bank_row = {"bank_reference": order["bank_reference"], "outcome": "paid", "settled_on": "2025-09-15"}

    by_bank = await client.post("/v1/bank-confirmations", json={"document": "d", "rows": [bank_row]}, auth=FINANCE)
    by_district = await report(client, document_id, paid(order), by=OWN)

    (kept,), (changed,) = by_bank.json()["results"], by_district.json()["results"]
    assert (kept["status"], kept["problem"]["code"], changed["status"]) == ("reconcile", "other-route", "changed")
    assert (await balances(client))["paid_fen"] == 1_000_000
    await assert_books_add_up(database)
