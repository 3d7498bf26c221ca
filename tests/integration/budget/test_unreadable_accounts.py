"""A sealed number that no key opens, because it was changed or moved from another record: it is named, and nothing else waits for it."""

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from structlog.testing import capture_logs

from shared.live import Live
from tests.building import fetch
from tests.integration.budget.acting import (
    ACCOUNT_NUMBER,
    CHECKER,
    FINANCE,
    MAKER,
    USCC,
    appropriate,
    approved_order,
    check,
    payable_case,
)
from tests.integration.budget.test_batches import named, post
from tests.integration.budget.test_evidence import OTHER_USCC
from tests.integration.budget.test_payment_requests import ask_for, orders_of
from tests.integration.budget.test_suspicions import CAME_BACK, SHARED, case_of, findings
from tests.runtime import Database

MOVE = """
UPDATE payee_account a SET number_sealed = b.number_sealed FROM payee_account b
WHERE a.id = (SELECT payee_account_id FROM payment_order WHERE id = $1) AND b.id = (SELECT payee_account_id FROM payment_order WHERE id = $2)
"""


async def move_number(database: Database, *, from_order: dict[str, Any], to_order: dict[str, Any]) -> None:
    await fetch(database, MOVE, UUID(to_order["id"]), UUID(from_order["id"]), service="budget")


async def test_of_many_orders_only_the_one_with_the_unreadable_number_is_not_checked(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 5_000_000)
    cases = [await payable_case(client, live) for _ in range(3)]
    made = await post(client, ":batch", [{"application_id": str(case.application_id)} for case in cases], auth=MAKER)
    orders = [each["payment_order"] for each in made]
    await move_number(database, from_order=orders[0], to_order=orders[1])

    with capture_logs() as logs:
        checked = await post(client, ":check-batch", [{**named(each), "account_number": ACCOUNT_NUMBER} for each in made], auth=CHECKER)
        alone = await check(client, orders[1])

    assert [each["status"] for each in checked] == ["changed", "refused", "changed"]
    assert checked[1]["problem"]["code"] == "account-unreadable"
    assert (alone.status_code, alone.json()["code"]) == (409, "account-unreadable")
    assert ACCOUNT_NUMBER not in f"{logs} {checked} {alone.text}"


async def test_the_pack_names_the_voucher_whose_number_is_unreadable_and_compares_the_others(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 5_000_000)
    unreadable, first, second = [await approved_order(client, await case_of(client, live, uscc=each)) for each in (USCC, USCC, OTHER_USCC)]
    await move_number(database, from_order=first, to_order=unreadable)

    found = await findings(client, tmp_path)

    named_here = ("尾号0001", f"{unreadable['bank_reference']} 的收款账号无法解密，未能比对")
    assert found[CAME_BACK] == [named_here]
    assert found[SHARED] == [("尾号0001", "、".join(sorted([first["applicant_uscc"], second["applicant_uscc"]]))), named_here]


async def test_a_sheet_for_the_treasury_with_an_unreadable_number_is_refused_and_no_export_is_noted(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    first, second = await orders_of(client, live, count=2)
    request = (await ask_for(client, first["id"], second["id"])).json()
    await move_number(database, from_order=first, to_order=second)

    refused = await client.get(f"/v1/payment-requests/{request['id']}/file", auth=FINANCE)

    assert (refused.status_code, refused.json()["code"]) == (409, "account-unreadable")
    assert refused.json()["payee_account_id"] == second["payee"]["payee_account_id"]
    assert ACCOUNT_NUMBER not in refused.text
    assert await fetch(database, "SELECT 1 FROM payment_request_export", service="budget") == []
