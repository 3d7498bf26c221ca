"""Books in which every kind of voucher stands: a year with all that can happen to money, its close, and what comes in the year after."""

from pathlib import Path

import httpx

from services.budget.checkpoint.commands import make_checkpoint
from services.budget.signing import signer_of
from shared.live import Live
from tests.integration.budget.acting import (
    Case,
    appropriate,
    approved_order,
    award,
    bank_says,
    cases_of,
    hear,
    paid_row,
    payable_case,
    proposed,
    release_of,
    returned_row,
)
from tests.integration.budget.test_clawbacks import ordered, receive
from tests.integration.budget.test_pools import ALLOTMENT, FINANCE_2, TRANSFER, post
from tests.integration.budget.test_reversals import reverse
from tests.integration.budget.test_year_closes import close, new_year


async def book_whole_year(client: httpx.AsyncClient, live: Live, *, folder: Path) -> Case:
    """2025 with all verbs and closed, 2026 with what comes after, and a checkpoint of it all; returns a case that was paid."""
    await appropriate(client, 9_000_000, document="财预指〔2025〕1号")
    await post(client, "/v1/allotments", ALLOTMENT)
    await reverse(client, 3, 100_000)
    made = (await post(client, "/v1/transfers", {**TRANSFER, "amount_fen": 200_000})).json()
    await post(client, f"/v1/transfers/{made['id']}:approve", auth=FINANCE_2, version=1)
    withdrawn = proposed(award(700_000))
    # The third is of no line and is refused, the last finds too little and waits.
    await hear(live, withdrawn, proposed(award(400_000), award(1, line_id="2023-15/99"), award(50_000_000)))
    await hear(live, release_of(cases_of(withdrawn)[0]))
    paid = await payable_case(client, live, amount_fen=1_000_001)
    order = await approved_order(client, paid)
    await bank_says(client, paid_row(order))
    received = (await receive(client, (await ordered(client, order, 300_000)).json(), 300_000)).json()
    await post(client, f"/v1/clawbacks/{received['id']}:remit", {"document": "缴款书1"}, version=received["version"])
    sent_back = await approved_order(client, await payable_case(client, live, amount_fen=500_000))
    await bank_says(client, returned_row(sent_back))
    paid_late = await approved_order(client, await payable_case(client, live, amount_fen=600_000))
    await bank_says(client, paid_row(paid_late))
    new_year(folder)
    closed = await close(client)
    assert closed.status_code == 201, closed.text
    # After the close, and therefore in the open year.
    await bank_says(client, returned_row(paid_late, settled_on="2025-12-30"))
    async with live.transaction() as tx:
        await make_checkpoint(tx, signer=signer_of(live), at=live.now().at)
    return paid
