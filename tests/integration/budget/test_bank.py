"""The bank's files: every row has its own answer, repeats are harmless, what fits nothing is kept for a person."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from shared.ids import new_id
from shared.live import Live
from tests.building import SignedBy, Staff, fetch, staff_token
from tests.integration.budget.acting import (
    AUDITOR,
    FINANCE,
    MAKER,
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


async def settle(
    client: httpx.AsyncClient, row: dict[str, Any], *, auth: httpx.Auth = FINANCE, reason: str = "银行重复推送，已核对"
) -> httpx.Response:
    headers = {"If-Match": f'"{row["version"]}"'}
    return await client.post(f"/v1/bank-confirmations/{row['id']}:settle", json={"reason": reason}, headers=headers, auth=auth)


async def listed(client: httpx.AsyncClient, reconciliation: str | None = None) -> list[dict[str, Any]]:
    params = {} if reconciliation is None else {"reconciliation": reconciliation}
    answered = await client.get("/v1/bank-confirmations", params=params, auth=AUDITOR)
    return list(answered.json()["rows"])


async def test_a_row_that_fitted_nothing_is_settled_with_its_reason_and_leaves_the_open_list(client: httpx.AsyncClient) -> None:
    strangers: list[dict[str, object]] = [{"bank_reference": name, "outcome": "paid", "settled_on": "2025-09-15"} for name in ("X-1", "X-2")]
    await bank_says(client, *strangers)
    first, second = await listed(client, "open")

    settled = await settle(client, first, reason="账号6200000000000000001的重复回单")

    assert (settled.status_code, settled.headers["etag"], settled.json()["version"]) == (200, '"2"', 2)
    assert settled.json()["settled_by"].endswith("|finance-1")
    assert "6200000000000000001" not in settled.text
    assert [row["id"] for row in await listed(client, "open")] == [second["id"]]
    (kept,) = await listed(client, "settled")
    assert kept == settled.json()
    assert {name: kept[name] for name in ("status", "cause", "bank_reference")} == {
        name: first[name] for name in ("status", "cause", "bank_reference")
    }


async def test_a_settled_row_that_the_bank_sends_again_stays_settled(client: httpx.AsyncClient, database: Database) -> None:
    row: dict[str, object] = {"bank_reference": "X-1", "outcome": "paid", "settled_on": "2025-09-15"}
    await bank_says(client, row)
    await settle(client, (await listed(client, "open"))[0])

    (again,) = await bank_says(client, row)

    assert again["status"] == "reconcile"
    assert await listed(client, "open") == []
    assert (await written(database))["bank_confirmation"] == 1


async def test_what_is_matched_stale_settled_or_not_there_is_not_settled_and_nothing_is_written(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    order = await approved_order(client, await payable_case(client, live))
    await bank_says(client, paid_row(order), {"bank_reference": "X-1", "outcome": "paid", "settled_on": "2025-09-15"})
    matched, stranger = await listed(client)
    settled = (await settle(client, stranger)).json()
    before = await written(database)

    answers = [
        await settle(client, matched),
        await settle(client, stranger),
        await settle(client, settled),
        await settle(client, {**stranger, "id": str(new_id())}),
        await settle(client, stranger, reason="好"),
        await settle(client, stranger, auth=MAKER),
        await client.post(f"/v1/bank-confirmations/{stranger['id']}:settle", json={"reason": "已核对清楚"}, auth=FINANCE),
    ]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (409, "not-for-reconciliation"),
        (412, "version-stale"),
        (409, "reconciliation-settled"),
        (404, "bank-confirmation-not-found"),
        (422, "invalid"),
        (403, "scope-missing"),
        (428, "if-match-missing"),
    ]
    assert await written(database) == before


async def test_news_of_a_late_payment_is_decided_and_not_settled(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    order = await approved_order(client, await payable_case(client, live))
    await bank_says(client, returned_row(order), paid_row(order))
    (news,) = await listed(client, "open")
    before = await written(database)

    refused = await settle(client, news)

    assert (refused.status_code, refused.json()["code"]) == (409, "news-of-late-payment")
    assert "/v1/late-payments/" in refused.json()["remedy"]
    assert await written(database) == before
    decider = Staff(staff_token("approver-2", roles=["money-approver"]))
    decided = await client.post(
        f"/v1/late-payments/{news['id']}:decide",
        json={"outcome": "bank_error", "reason": "经与银行核实"},
        headers={"If-Match": '"1"'},
        auth=decider,
    )
    assert decided.status_code == 200, decided.text
    assert await listed(client, "open") == []
    (kept,) = await listed(client, "settled")
    assert (kept["id"], kept["settled_reason"], kept["version"]) == (news["id"], "经与银行核实", 2)
    assert kept["settled_by"] == decided.json()["decided_by"]
    assert (await settle(client, kept)).json()["code"] == "reconciliation-settled"


async def test_of_two_who_settle_a_row_at_once_one_has_it(client: httpx.AsyncClient, database: Database) -> None:
    await bank_says(client, {"bank_reference": "X-1", "outcome": "paid", "settled_on": "2025-09-15"})
    (row,) = await listed(client, "open")

    answers = await asyncio.gather(*(settle(client, row, reason=f"第{n}次核对") for n in range(4)))

    assert sorted(each.status_code for each in answers)[0] == 200
    assert {each.status_code for each in answers[1:]} <= {200, 409, 412}
    assert [each.status_code for each in answers].count(200) == 1
    assert (await written(database))["reconciliation"] == 1


@pytest.mark.parametrize("statement", ["UPDATE reconciliation SET reason = 'other'", "DELETE FROM reconciliation", "TRUNCATE reconciliation"])
async def test_what_was_found_out_is_never_changed(client: httpx.AsyncClient, database: Database, statement: str) -> None:
    await bank_says(client, {"bank_reference": "X-1", "outcome": "paid", "settled_on": "2025-09-15"})
    await settle(client, (await listed(client, "open"))[0])

    for role in ("budget", "budget_owner"):
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)):
            await fetch(database, statement, service=role)


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
