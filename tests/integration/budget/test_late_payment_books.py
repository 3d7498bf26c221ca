"""Where a payment that arrived after all is booked: from the pools of its case, and in the year that takes entries."""

from pathlib import Path
from typing import Any

import httpx

from shared.live import Live
from tests.building import fetch
from tests.integration.budget.acting import (
    YEAR,
    Case,
    appropriate,
    approved_order,
    assert_books_add_up,
    assert_journal_readds,
    award,
    bank_says,
    cases_of,
    hear,
    kinds,
    paid_row,
    payable_case,
    proposed,
    release_of,
    returned_row,
    states,
    told,
)
from tests.integration.budget.test_late_payments import decide, late_payments
from tests.integration.budget.test_pools import ALLOTMENT, post
from tests.integration.budget.test_reconciliation import reconciliation, unequal
from tests.integration.budget.test_year_closes import IN_LINE, close, new_year
from tests.runtime import Database


async def carried_pool(client: httpx.AsyncClient, live: Live, *, amount_fen: int) -> None:
    """Free money of this year that was another case's last year."""
    await appropriate(client, amount_fen, fiscal_year=YEAR - 1)
    proposal = proposed(award(amount_fen), fiscal_year=YEAR - 1)
    await hear(live, proposal)
    assert (await close(client, fiscal_year=YEAR - 1)).status_code == 201
    (case,) = cases_of(proposal)
    await hear(live, release_of(case))


async def arrived_after_all(client: httpx.AsyncClient, order: dict[str, Any], *, settled_on: str = "2025-09-15") -> httpx.Response:
    await bank_says(client, paid_row(order, settled_on=settled_on))
    (late,) = await late_payments(client)
    return await decide(client, late, "paid_after_all")


async def legs(database: Database, kind: str) -> list[tuple[str, int, str, str, int, str]]:
    """Of the last voucher of a kind."""
    rows = await fetch(
        database,
        "SELECT voucher, leg, dr, cr, amount_fen, effective_on FROM journal WHERE voucher = "
        "(SELECT voucher FROM journal WHERE kind = $1 ORDER BY seq DESC LIMIT 1) ORDER BY leg",
        kind,
        service="budget",
    )
    return [(row["voucher"], row["leg"], row["dr"], row["cr"], row["amount_fen"], str(row["effective_on"])) for row in rows]


async def paid_in(database: Database) -> dict[str, int]:
    return {account: fen for account, fen in (await assert_journal_readds(database)).items() if "支付:" in account and fen}


async def test_money_of_two_years_is_paid_from_both(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await carried_pool(client, live, amount_fen=300_000)
    await appropriate(client, 2_000_000)
    order = await approved_order(client, await payable_case(client, live))
    await bank_says(client, returned_row(order))

    decided = await arrived_after_all(client, order)

    assert decided.status_code == 200, decided.text
    reserved, transit, paid = (f"2025/{name}{IN_LINE}" for name in ("指标:已预留", "支付申请:在途", "支付:已支付"))
    assert await legs(database, "order") == [
        ("PO-2025-000002", 1, f"{reserved},origin=2024]", f"{transit},origin=2024]", 300_000, "2025-09-15"),
        ("PO-2025-000002", 2, f"{reserved}]", f"{transit}]", 700_000, "2025-09-15"),
    ]
    assert await legs(database, "confirm") == [
        ("PC-2025-000001", 1, f"{transit},origin=2024]", f"{paid},origin=2024]", 300_000, "2025-09-15"),
        ("PC-2025-000001", 2, f"{transit}]", f"{paid}]", 700_000, "2025-09-15"),
    ]
    assert await paid_in(database) == {f"{paid},origin=2024]": 300_000, f"{paid}]": 700_000}
    await assert_books_add_up(database)


async def test_money_of_the_line_and_of_the_whole_fund_is_paid_as_one_case(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 2_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    order = await approved_order(client, await payable_case(client, live))
    await bank_says(client, returned_row(order))

    decided = await arrived_after_all(client, order)

    assert decided.status_code == 200, decided.text
    reserved, transit = (f"2025/{name}{IN_LINE}]" for name in ("指标:已预留", "支付申请:在途"))
    assert await legs(database, "order") == [("PO-2025-000002", 1, reserved, transit, 1_000_000, "2025-09-15")]
    free = await fetch(database, "SELECT account, balance_fen FROM balance WHERE name = '指标:可用' AND balance_fen > 0", service="budget")
    assert [tuple(row) for row in free] == [("2025/指标:可用", 1_000_000)]
    assert await paid_in(database) == {f"2025/支付:已支付{IN_LINE}]": 1_000_000}
    await assert_books_add_up(database)


async def test_news_that_comes_after_the_close_is_booked_in_the_open_year(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 2_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    case = await payable_case(client, live)
    order = await approved_order(client, case)
    await bank_says(client, returned_row(order))
    new_year(tmp_path)
    assert (await close(client)).status_code == 201

    decided = await arrived_after_all(client, order, settled_on="2025-12-30")

    assert decided.status_code == 200, decided.text
    reserved, transit, paid = (f"2026/{name}{IN_LINE},origin=2025]" for name in ("指标:已预留", "支付申请:在途", "支付:已支付"))
    assert await legs(database, "order") == [("PO-2026-000001", 1, reserved, transit, 1_000_000, "2026-01-05")]
    assert await legs(database, "confirm") == [("PC-2026-000001", 1, transit, paid, 1_000_000, "2026-01-05")]
    assert await paid_in(database) == {paid: 1_000_000}
    await assert_settled(client, database, case, fiscal_year=2026, paid_on="2025-12-30")


async def test_a_carried_case_that_was_ordered_in_the_next_year_is_booked_there(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    new_year(tmp_path)
    assert (await close(client)).status_code == 201
    order = await approved_order(client, case)
    await bank_says(client, returned_row(order, settled_on="2026-01-05"))

    decided = await arrived_after_all(client, order, settled_on="2026-01-05")

    assert decided.status_code == 200, decided.text
    assert await paid_in(database) == {f"2026/支付:已支付{IN_LINE},origin=2025]": 1_000_000}
    await assert_settled(client, database, case, fiscal_year=2026, paid_on="2026-01-05")


async def test_a_payment_of_a_closed_year_that_came_back_and_arrived_after_all_counts_once(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = await approved_order(client, case)
    await bank_says(client, paid_row(order))
    new_year(tmp_path)
    assert (await close(client)).status_code == 201
    await bank_says(client, returned_row(order, settled_on="2026-01-04"))

    decided = await arrived_after_all(client, order, settled_on="2026-01-05")

    assert decided.status_code == 200, decided.text
    assert await paid_in(database) == {
        f"2025/支付:已支付{IN_LINE}]": 1_000_000,
        "2026/支付:上年追回[origin=2025]": 1_000_000,
        f"2026/支付:已支付{IN_LINE},origin=2025]": 1_000_000,
    }
    await assert_settled(client, database, case, fiscal_year=2026, paid_on="2026-01-05")


async def assert_settled(client: httpx.AsyncClient, database: Database, case: Case, *, fiscal_year: int, paid_on: str) -> None:
    """Told as paid in that year, and everything that is kept beside the books agrees with them."""
    *_, ordered, confirmed = await told(database, case)
    assert kinds([ordered, confirmed]) == ["payment_ordered", "payment_confirmed"]
    assert {each.body["fiscal_year"] for each in (ordered, confirmed)} == {fiscal_year}
    assert confirmed.body["paid_on"] == paid_on
    assert await states(database) == {case.application_id: "paid"}
    assert unequal(await reconciliation(client)) == {}
