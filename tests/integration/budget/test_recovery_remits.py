"""What was recovered goes to the treasury from where it waits, whatever came in before and after it."""

from pathlib import Path

import httpx

from shared.live import Live
from tests.integration.budget.acting import (
    appropriate,
    approved_order,
    assert_journal_readds,
    award,
    bank_says,
    cases_of,
    confirmation_of,
    enter_account,
    hear,
    paid_row,
    proposed,
    release_of,
)
from tests.integration.budget.test_clawbacks import IN_LINE, ordered, receive
from tests.integration.budget.test_pools import post
from tests.integration.budget.test_year_closes import close, new_year
from tests.runtime import Database


async def test_what_was_received_in_december_is_remitted_after_more_came_in_january(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    """The payment was drawn from two years of origin; the receipt of January goes straight to the treasury, in the books of its own year."""
    new_year(tmp_path, "2024-09-15")
    money = {"fiscal_year": 2024, "amount_fen": 400_000, "document": "财预指〔2024〕1号", "approved_on": "2024-01-20"}
    assert (await post(client, "/v1/appropriations", money)).status_code == 201
    carried = proposed(award(400_000), fiscal_year=2024)
    await hear(live, carried)
    new_year(tmp_path, "2025-01-10")
    assert (await close(client, fiscal_year=2024)).status_code == 201
    new_year(tmp_path, "2025-12-20")
    await hear(live, release_of(cases_of(carried)[0]))
    await appropriate(client, 600_000)
    proposal = proposed(award(1_000_000))
    (case,) = cases_of(proposal)
    await hear(live, proposal, confirmation_of(case))
    await enter_account(client, case)
    order = await approved_order(client, case)
    await bank_says(client, paid_row(order, settled_on="2025-12-20"))
    first = (await ordered(client, order, 1_000_000)).json()

    december = (await receive(client, first, 400_000, reference="1", on="2025-12-20")).json()
    new_year(tmp_path, "2026-01-05")
    january = (await receive(client, december, 300_000, reference="2", on="2026-01-05")).json()
    remitted = await post(client, f"/v1/clawbacks/{first['id']}:remit", {"document": "缴款书1"}, version=january["version"])

    assert (remitted.status_code, remitted.json()["to_remit_fen"]) == (200, 0), remitted.text
    balance = await assert_journal_readds(database)
    of_2024, of_2025 = IN_LINE.replace("]", ",origin=2024]"), IN_LINE.replace("]", ",origin=2025]")
    assert balance[f"2025/支付:上缴财政{of_2024}"] == 400_000
    assert balance[f"2026/支付:上缴财政{of_2025}"] == 300_000
