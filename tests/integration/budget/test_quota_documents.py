"""Quota documents: handed down to a district is not paid; only the district's report makes it so."""

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.budget import policy
from services.budget.bank import commands as bank
from services.budget.bank.commands import RowAnswer
from services.budget.bank.rules import BankOutcome, BankRow, Effect, OtherRoute, ToReconcile
from services.budget.ledger.rules import Act
from services.budget.policy import paying
from services.budget.policy.paying import Paying, Route, Routes
from services.budget.quota import commands, queries
from services.budget.quota.commands import NewDocument
from services.budget.quota.rules import Document, DocumentExists, PaymentsUnfit, Reported
from shared.caller import Caller
from shared.live import Live
from tests.building import BUSINESS_NOW, Staff, move_business_clock, staff_token
from tests.integration.budget.acting import (
    FINANCE,
    MAKER,
    YEAR,
    appropriate,
    approved_order,
    assert_books_add_up,
    balances,
    kinds,
    payable_case,
    told,
    written,
)
from tests.runtime import Database

TODAY = BUSINESS_NOW.date()
EVERYWHERE = Caller(id="finance-1", kind="staff", channel="staff", scopes=frozenset(), jurisdictions=None)
DISTRICT = Staff(staff_token("district-1", roles=["district-finance"], jurisdictions=["huancui"]))
ELSEWHERE = Staff(staff_token("district-2", roles=["district-finance"], jurisdictions=["rongcheng"]))


def by_quota() -> dict[str, Paying]:
    """The policy as it would be if every award went by way of the districts."""
    route = Routes(default=Route.QUOTA, assumed=True, why="for this test")
    return {policy_id: each.model_copy(update={"route": route}) for policy_id, each in paying.current().items()}


def act(key: str = "k") -> Act:
    return Act(caller="finance-1", key=key, fingerprint=b"f", at=BUSINESS_NOW, on=TODAY)


async def hand_down(live: Live, *orders: dict[str, Any], number: str = "财社指〔2025〕8号") -> UUID:
    document = Document(fiscal_year=YEAR, jurisdiction_id="huancui", handed_down_on=TODAY)
    new = NewDocument(number=number, document=document, payment_order_ids=[UUID(order["id"]) for order in orders])
    async with live.transaction() as tx:
        recorded = await commands.record_document(tx, new, caller=EVERYWHERE, act=act(), paying=by_quota())
    return UUID(str(recorded.id))


def paid(order: dict[str, Any], *, voucher: str, amount_fen: int | None = None) -> Reported:
    return Reported(
        payment_order_id=UUID(order["id"]), outcome=BankOutcome.PAID, settled_on=TODAY, voucher=voucher, amount_fen=amount_fen, reason=None
    )


def sent_back(order: dict[str, Any]) -> Reported:
    return Reported(
        payment_order_id=UUID(order["id"]), outcome=BankOutcome.RETURNED, settled_on=TODAY, voucher=None, amount_fen=None, reason="户名不符"
    )


async def report(live: Live, document_id: UUID, *rows: Reported, version: int = 1) -> list[RowAnswer]:
    async with live.transaction() as tx:
        quota = await queries.document_of(tx, document_id, caller=EVERYWHERE)
        return await commands.take_reports(
            tx, quota, rows=rows, version=version, document="区市明细", act=act("r"), catalogue=policy.current(), paying=by_quota()
        )


async def orders_of(client: httpx.AsyncClient, live: Live, *, count: int) -> list[dict[str, Any]]:
    await appropriate(client, 10_000_000)
    return [await approved_order(client, await payable_case(client, live)) for _ in range(count)]


async def test_handed_down_is_not_paid_and_the_days_it_is_held_are_shown(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    first, second = await orders_of(client, live, count=2)

    document_id = await hand_down(live, first, second)

    shown = (await client.get(f"/v1/quota-documents/{document_id}", auth=DISTRICT)).json()
    assert (shown["held_fen"], shown["paid_fen"], shown["days_held"]) == (2_000_000, 0, 0)
    assert [(each["state"], each["days_held"]) for each in shown["listed"]] == [("handed_down", 0)] * 2
    assert (await balances(client))["in_transit_fen"] == 2_000_000
    assert kinds(await told(database))[-1] == "payment_ordered"

    move_business_clock(tmp_path, BUSINESS_NOW.replace(day=27))

    (later,) = (await client.get("/v1/quota-documents", params={"held": "true"}, auth=FINANCE)).json()["rows"]
    assert later["days_held"] == 12


async def test_the_districts_report_alone_makes_it_paid(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    first, second, third = await orders_of(client, live, count=3)
    document_id = await hand_down(live, first, second, third)

    answers = await report(live, document_id, paid(first, voucher="ZF-1"), sent_back(second), paid(third, voucher="ZF-3", amount_fen=1))

    shown = (await client.get(f"/v1/quota-documents/{document_id}", auth=FINANCE)).json()
    assert [each.judged for each in answers[:2]] == [Effect.PAY, Effect.RETURN_UNPAID]
    assert isinstance(answers[2].judged, ToReconcile)
    assert [(each["state"], each["voucher"]) for each in shown["listed"]] == [("paid", "ZF-1"), ("returned", None), ("handed_down", None)]
    assert (shown["held_fen"], shown["version"]) == (1_000_000, 2)
    fund = await balances(client)
    assert (fund["paid_fen"], fund["reserved_fen"], fund["in_transit_fen"]) == (1_000_000, 1_000_000, 1_000_000)
    await assert_books_add_up(database)


async def test_a_row_of_the_bank_does_not_pay_what_a_district_holds(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    (order,) = await orders_of(client, live, count=1)
    await hand_down(live, order)
    row = BankRow(bank_reference=order["bank_reference"], outcome=BankOutcome.PAID, settled_on=TODAY, amount_fen=None, reason=None)

    async with live.transaction() as tx:
        (answer,) = await bank.take_confirmations(
            tx, [row], said_by=Route.TREASURY, document="d", act=act(), catalogue=policy.current(), paying=by_quota()
        )

    assert isinstance(answer.judged, OtherRoute)
    assert (await balances(client))["in_transit_fen"] == 1_000_000


async def test_a_voucher_of_another_payment_or_a_payment_not_handed_down_is_refused(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    first, second, elsewhere = await orders_of(client, live, count=3)
    document_id = await hand_down(live, first, second)

    answers = await report(live, document_id, paid(first, voucher="ZF-1"), paid(second, voucher="ZF-1"), paid(elsewhere, voucher="ZF-2"))
    later = await report(live, document_id, paid(second, voucher="ZF-1"), version=2)
    repeat = await report(live, document_id, paid(first, voucher="ZF-1"), version=3)

    codes = [getattr(each.judged, "code", each.judged) for each in (*answers, *later, *repeat)]
    assert codes == [Effect.PAY, "district-voucher-used", "not-in-quota-document", "district-voucher-used", Effect.NOTHING_NEW]
    assert (await balances(client))["paid_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_what_policy_sends_to_the_treasury_is_not_handed_down(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    (order,) = await orders_of(client, live, count=1)
    body = {"number": "指1", "fiscal_year": YEAR, "jurisdiction_id": "huancui", "handed_down_on": "2025-09-15", "payment_order_ids": [order["id"]]}
    before = await written(database)

    refused = await client.post("/v1/quota-documents", json=body, auth=FINANCE)
    tomorrow = await client.post("/v1/quota-documents", json={**body, "handed_down_on": "2025-09-16"}, auth=FINANCE)
    without_right = await client.post("/v1/quota-documents", json=body, auth=MAKER)

    assert (refused.status_code, refused.json()["orders"][0]["code"]) == (409, "other-route")
    assert (tomorrow.status_code, tomorrow.json()["code"]) == (422, "handed-down-day")
    assert without_right.status_code == 403
    assert await written(database) == before


async def test_a_district_sees_and_reports_only_what_it_was_handed(client: httpx.AsyncClient, live: Live) -> None:
    (order,) = await orders_of(client, live, count=1)
    document_id = await hand_down(live, order)
    url = f"/v1/quota-documents/{document_id}"
    row = {"payment_order_id": order["id"], "outcome": "paid", "settled_on": "2025-09-15", "voucher": "ZF-1"}
    body = {"document": "明细", "rows": [row]}

    listed = [len((await client.get("/v1/quota-documents", auth=each)).json()["rows"]) for each in (DISTRICT, ELSEWHERE)]
    hidden = [await client.get(url, auth=ELSEWHERE), await client.post(f"{url}:report", json=body, headers={"If-Match": '"1"'}, auth=ELSEWHERE)]
    stale = await client.post(f"{url}:report", json=body, headers={"If-Match": '"2"'}, auth=DISTRICT)

    assert listed == [1, 0]
    assert [each.status_code for each in hidden] == [404, 404]
    assert (stale.status_code, stale.json()["code"]) == (412, "quota-document-stale")


async def test_a_number_is_used_once_a_year_and_a_payment_is_handed_down_once(client: httpx.AsyncClient, live: Live) -> None:
    first, second = await orders_of(client, live, count=2)
    await hand_down(live, first)

    with pytest.raises(DocumentExists):
        await hand_down(live, second)
    with pytest.raises(PaymentsUnfit):
        await hand_down(live, first, number="财社指〔2025〕9号")
