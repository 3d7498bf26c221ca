"""Daily reconciliation: each day's movements, what is open and how old, and two independent sums for everything."""

from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from shared.live import Live
from tests.building import move_business_clock
from tests.integration.budget.acting import (
    AUDITOR,
    FINANCE,
    appropriate,
    approved_order,
    award,
    bank_says,
    hear,
    paid_row,
    payable_case,
    proposed,
    returned_row,
)
from tests.integration.budget.test_bank import listed, settle
from tests.integration.budget.test_clawbacks import ordered, paid, receive
from tests.integration.budget.test_late_payments import decide, late_payments, returned_case
from tests.integration.budget.test_payment_requests import answer, ask_for, orders_of
from tests.integration.budget.test_pools import FINANCE_2, post
from tests.integration.budget.test_reading_books import some_history
from tests.integration.budget.test_year_closes import close, new_year
from tests.runtime import Database

REVERSAL = {"amount_fen": 1, "document": "财冲〔2025〕1号", "reason": "金额有误"}


async def reconciliation(client: httpx.AsyncClient, **params: str) -> dict[str, Any]:
    answered = await client.get("/v1/ledger/reconciliation", params=params, auth=AUDITOR)
    assert answered.status_code == 200, answered.text
    return dict(answered.json())


def unequal(found: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {each["check"]: (each["left"], each["right"]) for each in found["checks"] if not each["equal"]}


def on_day(folder: Path, day: str) -> None:
    move_business_clock(folder, datetime.fromisoformat(f"{day}T10:00:00+08:00"))


@pytest.mark.parametrize("seed", [7, 8])
async def test_books_of_any_history_agree_with_all_that_is_kept_beside_them(client: httpx.AsyncClient, live: Live, seed: int) -> None:
    await some_history(client, live, seed=seed)

    found = await reconciliation(client)

    assert (unequal(found), found["balanced"], len(found["checks"])) == ({}, True, 12)


async def test_empty_books_agree(client: httpx.AsyncClient) -> None:
    found = await reconciliation(client)

    assert (unequal(found), found["balanced"], found["as_of_seq"]) == ({}, True, 0)


async def test_each_day_shows_what_moved_and_what_was_on_its_way_at_its_end(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 10_000_000)
    first = await approved_order(client, await payable_case(client, live, amount_fen=1_000_000))
    second = await approved_order(client, await payable_case(client, live, amount_fen=2_000_000))
    await hear(live, proposed(award(90_000_000)))
    on_day(tmp_path, "2025-09-17")
    await bank_says(client, paid_row(first, settled_on="2025-09-16"))
    on_day(tmp_path, "2025-09-18")
    await bank_says(client, returned_row(second, settled_on="2025-09-18"))
    await approved_order(client, await payable_case(client, live, amount_fen=500_000))
    on_day(tmp_path, "2025-09-20")

    found = await reconciliation(client)
    narrow = await reconciliation(client, first_day="2025-09-16", last_day="2025-09-17")

    names = ("day", "vouchers", "answers", "ordered_fen", "confirmed_fen", "returned_fen", "in_transit_fen")
    days = [tuple(day[name] for name in names) for day in found["days"]]
    assert days == [
        ("2025-09-14", 0, 0, 0, 0, 0, 0),
        ("2025-09-15", 6, 1, 3_000_000, 0, 0, 3_000_000),
        ("2025-09-16", 0, 0, 0, 0, 0, 3_000_000),
        ("2025-09-17", 1, 0, 0, 1_000_000, 0, 2_000_000),
        ("2025-09-18", 3, 0, 500_000, 0, 2_000_000, 500_000),
        ("2025-09-19", 0, 0, 0, 0, 0, 500_000),
        ("2025-09-20", 0, 0, 0, 0, 0, 500_000),
    ]
    assert narrow["days"] == found["days"][2:4]
    assert (found["in_transit_orders"], found["in_transit_fen"]) == (1, 500_000)
    assert [(each["age_days"], each["amount_fen"]) for each in found["in_transit"]] == [(2, 500_000)]


async def test_a_row_of_the_bank_that_fits_nothing_is_shown_with_what_we_have_instead(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    order = await approved_order(client, await payable_case(client, live))
    await bank_says(client, {**paid_row(order), "amount_fen": 999_999}, {**paid_row(order), "bank_reference": "PO-2025-999999"})

    found = await reconciliation(client)

    by_reference = {each["bank_reference"]: each for each in found["unmatched"]}
    wrong, unknown = by_reference[order["bank_reference"]], by_reference["PO-2025-999999"]
    assert (wrong["amount_fen"], wrong["expected_fen"], wrong["order_state"]) == (999_999, 1_000_000, "in_transit")
    assert (unknown["expected_fen"], unknown["order_state"], found["unmatched_rows"]) == (None, None, 2)
    assert wrong["cause"] != unknown["cause"]
    assert found["balanced"]


async def test_news_that_somebody_decided_about_is_unmatched_no_more(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    _, order = await returned_case(client, live)
    await bank_says(client, paid_row(order))
    before = await reconciliation(client)
    (late,) = await late_payments(client)
    await decide(client, late, "paid_after_all")

    after = await reconciliation(client)

    assert [(each["cause"], each["order_state"]) for each in before["unmatched"]] == [("payment-closed", "returned")]
    assert (after["unmatched_rows"], after["unmatched"], unequal(after)) == (0, [], {})


async def test_a_row_that_somebody_settled_is_unmatched_no_more(client: httpx.AsyncClient) -> None:
    await bank_says(client, *({"bank_reference": name, "outcome": "paid", "settled_on": "2025-09-15"} for name in ("X-1", "X-2")))
    await settle(client, (await listed(client, "open"))[0])

    found = await reconciliation(client)

    assert ([each["bank_reference"] for each in found["unmatched"]], found["unmatched_rows"]) == (["X-2"], 1)


async def test_differences_of_the_sheets_that_came_back_are_listed_on_their_days(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    (order,) = await orders_of(client, live, count=1)
    request = (await ask_for(client, order["id"])).json()
    answered = await answer(client, request, ["PO-2025-999999", "2025-09-15", "已支付", "", "1.00", "某公司"])
    assert answered.status_code == 200, answered.text

    today = await reconciliation(client)
    on_day(tmp_path, "2025-09-16")
    tomorrow = await reconciliation(client, first_day="2025-09-16")

    differences = [(each["kind"], each["bank_reference"], each["expected"]) for each in today["differences"]]
    assert differences == [("extra", "PO-2025-999999", None), ("missing", order["bank_reference"], "10,000.00")]
    assert (today["difference_rows"], tomorrow["difference_rows"], tomorrow["differences"]) == (2, 0, [])


async def test_books_agree_over_recovery_reversal_and_the_end_of_the_year(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    _, order = await paid(client, live)
    await appropriate(client, 500_000)
    for seq in (7, 6):
        made = (await post(client, "/v1/reversals", {**REVERSAL, "reverses_seq": seq})).json()
        assert (await post(client, f"/v1/reversals/{made['id']}:approve", auth=FINANCE_2, version=1)).status_code == 200
    await hear(live, proposed(award(100_000)))
    part = (await receive(client, (await ordered(client, order, 500_000)).json(), 200_000)).json()
    found = [await reconciliation(client)]
    await post(client, f"/v1/clawbacks/{part['id']}:remit", {"document": "缴款书1"}, version=part["version"])
    new_year(tmp_path)
    closed = await close(client)
    assert closed.status_code == 201, closed.text
    found.append(await reconciliation(client))
    await receive(client, {**part, "version": part["version"] + 1}, 300_000, reference="2", on="2026-01-04")
    found.append(await reconciliation(client))

    assert [unequal(each) for each in found] == [{}, {}, {}]


async def test_a_payment_that_comes_back_after_the_close_leaves_the_books_in_agreement(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    _, order = await paid(client, live)
    new_year(tmp_path)
    assert (await close(client)).status_code == 201
    await bank_says(client, returned_row(order, settled_on="2026-01-04"))

    found = await reconciliation(client)

    assert unequal(found) == {}


async def test_a_balance_that_somebody_changed_behind_the_books_is_found(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    await payable_case(client, live)
    owner = await asyncpg.connect(database.urls["budget_owner"])
    await owner.execute("UPDATE balance SET balance_fen = balance_fen + 1 WHERE name = '指标:已预留'")
    await owner.close()

    found = await reconciliation(client)

    assert not found["balanced"]
    assert unequal(found) == {
        "journal_balances": (2_000_001, 2_000_000),
        "journal_accounts": (4, 3),
        "debits_credits": (1_000_000, 1_000_001),
        "reserved_cases": (1_000_001, 1_000_000),
    }


async def test_a_case_whose_entries_do_not_add_up_to_what_is_reserved_for_it_is_found(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    await payable_case(client, live)
    owner = await asyncpg.connect(database.urls["budget_owner"])
    await owner.execute("UPDATE reservation SET amount_fen = amount_fen + 1")
    await owner.close()

    found = await reconciliation(client)

    assert unequal(found) == {"reserved_cases": (1_000_000, 1_000_001), "reserved_held": (1, 0)}


@pytest.mark.parametrize(
    ("first_day", "last_day", "status"),
    [
        ("2025-08-16", "2025-09-15", 200),
        ("2025-08-15", "2025-09-15", 422),
        ("2025-09-15", "2025-09-16", 422),
        ("2025-09-15", "2025-09-14", 422),
        ("0001-01-01", "0001-01-02", 200),
    ],
)
async def test_at_most_31_days_up_to_today_are_reconciled(client: httpx.AsyncClient, first_day: str, last_day: str, status: int) -> None:
    answered = await client.get("/v1/ledger/reconciliation", params={"first_day": first_day, "last_day": last_day}, auth=FINANCE)

    assert (answered.status_code, answered.json().get("code")) == (status, None if status == 200 else "reconciliation-days-unfit")


async def test_the_earliest_last_day_needs_no_days_before_the_first(client: httpx.AsyncClient) -> None:
    found = await reconciliation(client, last_day="0001-01-01")

    assert found["days"][-1]["day"] == "0001-01-01"
