"""What bad input gets: a problem in two languages, nothing written, no event."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from shared.live import Live
from tests.building import SignedBy, Staff, client_for, staff_token
from tests.integration.budget.acting import (
    AUDITOR,
    CHECKER,
    FINANCE,
    MAKER,
    appropriate,
    approve,
    award,
    check,
    checked_order,
    hear,
    make,
    payable_case,
    proposed,
    written,
)
from tests.integration.budget.conftest import BANK
from tests.runtime import Database

APPROPRIATION: dict[str, Any] = {"fiscal_year": 2025, "amount_fen": 100, "document": "财预指〔2025〕8号", "approved_on": "2025-01-20"}
ACCOUNT: dict[str, Any] = {
    "uscc": "91990000MA0000015Q",
    "account_name": "示例公司",
    "account_number": "6200000000000000001",
    "bank_name": "示例银行",
}
ROW: dict[str, Any] = {"bank_reference": "PO-2025-000001", "outcome": "paid", "settled_on": "2025-09-15"}
FREEZE: dict[str, Any] = {"scope": "fund", "document": "审通〔2025〕7号", "authority": "示例审计局", "ordered_on": "2025-09-01"}
WENDENG_MAKER = Staff(staff_token("maker-2", roles=["money-maker", "money-checker", "auditor"], jurisdictions=["wendeng"]))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def untouched(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A budget that stays empty, because all that is asked of it is refused."""
    async with client_for("budget", database=module_database, folder=tmp_path_factory.mktemp("budget"), systems=(BANK,)) as opened:
        yield opened


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


@pytest.mark.parametrize(
    ("path", "body", "auth", "pointer"),
    [
        ("/v1/appropriations", {**APPROPRIATION, "amount_fen": 1.5}, FINANCE, "/amount_fen"),
        ("/v1/appropriations", {**APPROPRIATION, "amount_fen": 1.0}, FINANCE, "/amount_fen"),
        ("/v1/appropriations", {**APPROPRIATION, "amount_fen": "100"}, FINANCE, "/amount_fen"),
        ("/v1/appropriations", {**APPROPRIATION, "amount_fen": 0}, FINANCE, "/amount_fen"),
        ("/v1/appropriations", {**APPROPRIATION, "amount_fen": -1}, FINANCE, "/amount_fen"),
        ("/v1/appropriations", {**APPROPRIATION, "amount_fen": 10**15 + 1}, FINANCE, "/amount_fen"),
        ("/v1/appropriations", {**APPROPRIATION, "amount_fen": True}, FINANCE, "/amount_fen"),
        ("/v1/appropriations", {**APPROPRIATION, "fiscal_year": 2026}, FINANCE, "/fiscal_year"),
        ("/v1/appropriations", {**APPROPRIATION, "approved_on": "2025-09-16"}, FINANCE, "/approved_on"),
        ("/v1/appropriations", {**APPROPRIATION, "approved_on": "20. Jan"}, FINANCE, "/approved_on"),
        ("/v1/appropriations", {**APPROPRIATION, "approved_on": 1737331200}, FINANCE, "/approved_on"),
        ("/v1/appropriations", {**APPROPRIATION, "approved_on": "1737331200"}, FINANCE, "/approved_on"),
        ("/v1/appropriations", {**APPROPRIATION, "document": " "}, FINANCE, "/document"),
        ("/v1/appropriations", {**APPROPRIATION, "note": "unknown"}, FINANCE, "/note"),
        ("/v1/appropriations", without(APPROPRIATION, "document"), FINANCE, "/document"),
        ("/v1/payee-accounts", {**ACCOUNT, "uscc": "91990000MA0000015P"}, MAKER, "/uscc"),
        ("/v1/payee-accounts", {**ACCOUNT, "account_number": "123456789"}, MAKER, "/account_number"),
        ("/v1/payee-accounts", {**ACCOUNT, "account_number": "62000000X0000001"}, MAKER, "/account_number"),
        ("/v1/payee-accounts", {**ACCOUNT, "account_number": 6200000000000000001}, MAKER, "/account_number"),
        ("/v1/payee-accounts", {**ACCOUNT, "application_id": str(uuid.uuid4())}, MAKER, ""),
        ("/v1/payee-accounts", without(ACCOUNT, "uscc"), MAKER, ""),
        ("/v1/payee-accounts", {**without(ACCOUNT, "uscc"), "application_id": str(uuid.uuid4())}, MAKER, "/application_id"),
        ("/v1/payee-accounts", {**ACCOUNT, "account_name": "\u200b\u200b"}, MAKER, "/account_name"),
        ("/v1/payment-orders", {"application_id": "7"}, MAKER, "/application_id"),
        ("/v1/payment-orders:batch", {"orders": []}, MAKER, "/orders"),
        ("/v1/bank-confirmations", {"document": "d", "rows": [{**ROW, "outcome": "lost"}]}, FINANCE, "/rows/0/outcome"),
        ("/v1/bank-confirmations", {"document": "d", "rows": [{**ROW, "outcome": "returned"}]}, FINANCE, "/rows/0"),
        ("/v1/bank-confirmations", {"document": "d", "rows": [{**ROW, "outcome": "returned", "reason": "\u200b"}]}, FINANCE, "/rows/0/reason"),
        ("/v1/freezes", {**FREEZE, "reason": "\u200b\u200b\u200b\u200b"}, FINANCE, "/reason"),
        ("/v1/bank-confirmations", {"document": "d", "rows": [{**ROW, "amount_fen": 0.5}]}, FINANCE, "/rows/0/amount_fen"),
        ("/v1/bank-confirmations", {"document": "d", "rows": [{**ROW, "settled_on": 1757894400}]}, FINANCE, "/rows/0/settled_on"),
    ],
)
async def test_a_field_that_is_not_right_is_named(
    untouched: httpx.AsyncClient, module_database: Database, path: str, body: dict[str, Any], auth: Staff, pointer: str
) -> None:
    refused = await untouched.post(path, json=body, auth=auth)

    told = refused.json()
    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert told["errors"][0]["pointer"] == pointer
    assert {"title", "title_zh", "detail", "detail_zh", "trace_id"} <= told.keys()
    assert "62000000" not in refused.text
    assert sum((await written(module_database)).values()) == 0


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"fiscal_year": 2025,', {}, 400, "body-unreadable"),
        (b'{"fiscal_year": NaN}', {}, 400, "body-unreadable"),
        (b"[" * 10 + b"x" * (1024 * 1024), {}, 413, "body-too-large"),
        (b"{}", {"Idempotency-Key": ""}, 400, "idempotency-key-missing"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    untouched: httpx.AsyncClient, module_database: Database, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    refused = await untouched.post("/v1/appropriations", content=content, headers={"Content-Type": "application/json", **headers}, auth=FINANCE)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert sum((await written(module_database)).values()) == 0


async def test_a_key_that_was_used_for_other_content_is_refused(client: httpx.AsyncClient, database: Database) -> None:
    headers = {"Idempotency-Key": "the-same"}
    await client.post("/v1/appropriations", json=APPROPRIATION, headers=headers, auth=FINANCE)

    before = await written(database)

    refused = await client.post("/v1/appropriations", json={**APPROPRIATION, "amount_fen": 101}, headers=headers, auth=FINANCE)

    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency-key-reused")
    assert await written(database) == before


async def test_a_stale_version_is_refused(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 5_000_000)
    checked = await checked_order(client, await payable_case(client, live))
    before = await written(database)

    stale = await approve(client, {**checked, "version": 1})
    missing = await client.post(f"/v1/payment-orders/{checked['id']}:approve", auth=Staff(staff_token("approver-1", roles=["money-approver"])))

    assert (stale.status_code, stale.json()["code"]) == (412, "payment-order-stale")
    assert (missing.status_code, missing.json()["code"]) == (428, "if-match-missing")
    assert await written(database) == before


async def test_a_step_that_the_state_does_not_allow_is_refused(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    made = (await make(client, case)).json()
    before = await written(database)

    unchecked = await approve(client, made)
    again = await make(client, case)

    assert (unchecked.status_code, unchecked.json()["code"], unchecked.json()["state"]) == (409, "step-not-allowed", "made")
    assert (again.status_code, again.json()["code"]) == (409, "payment-order-open")
    assert await written(database) == before


async def test_an_award_that_is_not_confirmed_or_not_known_is_not_payable(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 5_000_000)
    proposal = proposed(award(1_000))
    await hear(live, proposal)

    unconfirmed = await client.post("/v1/payment-orders", json={"application_id": str(proposal.awards[0].application_id)}, auth=MAKER)
    unknown = await client.post("/v1/payment-orders", json={"application_id": str(uuid.uuid4())}, auth=MAKER)

    assert (unconfirmed.status_code, unconfirmed.json()["code"]) == (409, "not-payable")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "no-money-held")


async def test_what_is_another_districts_is_not_there(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 5_000_000)
    case = await payable_case(client, live)
    made = (await make(client, case)).json()
    before = await written(database)
    body = {**without(ACCOUNT, "uscc"), "application_id": str(case.application_id)}

    read = await client.get(f"/v1/payment-orders/{made['id']}", auth=WENDENG_MAKER)
    checked = await check(client, made, auth=WENDENG_MAKER)
    lists = [(await client.get(path, auth=WENDENG_MAKER)).json()["rows"] for path in ("/v1/payment-orders", "/v1/payables", "/v1/payee-accounts")]
    entered = await client.post("/v1/payee-accounts", json=body, auth=WENDENG_MAKER)
    unknown = await client.post("/v1/payee-accounts", json={**body, "application_id": str(uuid.uuid4())}, auth=WENDENG_MAKER)
    of_the_fund = [(await client.get(path, auth=WENDENG_MAKER)).status_code for path in ("/v1/appropriations", "/v1/ledger/entries")]

    assert (read.status_code, checked.status_code, lists) == (404, 404, [[], [], []])
    assert (entered.status_code, entered.json()["code"]) == (422, "unknown-case")
    assert without(entered.json(), "trace_id") == without(unknown.json(), "trace_id")
    assert of_the_fund == [403, 403]
    assert await written(database) == before


@pytest.mark.parametrize(
    ("auth", "status", "code"),
    [
        (httpx.Auth(), 401, "not-signed"),
        (CHECKER, 403, "scope-missing"),
        (AUDITOR, 403, "scope-missing"),
        (SignedBy(BANK, service="budget"), 403, "scope-missing"),
        (SignedBy(BANK, service="registry"), 401, "signature-wrong"),
        (Staff(staff_token("finance-1", roles=["city-finance"], valid_s=-60)), 401, "token-refused"),
    ],
)
async def test_who_may_not_record_money_is_told_so(
    untouched: httpx.AsyncClient, module_database: Database, auth: httpx.Auth, status: int, code: str
) -> None:
    refused = await untouched.post("/v1/appropriations", json=APPROPRIATION, auth=auth)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert sum((await written(module_database)).values()) == 0


@pytest.mark.parametrize("cursor", ["x", "WyJ4Il0", "WzFd", "WzEwMDAwMDAwMDAwMDAwMDAwMDAwMF0", "Wy0xXQ"])
@pytest.mark.parametrize("path", ["/v1/ledger/entries", "/v1/payment-orders", "/v1/appropriations"])
async def test_a_cursor_of_somebody_elses_making_is_refused(untouched: httpx.AsyncClient, path: str, cursor: str) -> None:
    answered = await untouched.get(path, params={"cursor": cursor}, auth=AUDITOR)

    pointers = [each["pointer"] for each in answered.json().get("errors", [])]
    first_page = path == "/v1/ledger/entries" and cursor == "WzFd"
    assert (answered.status_code, pointers) == ((200, []) if first_page else (400, ["/query/cursor"]))
