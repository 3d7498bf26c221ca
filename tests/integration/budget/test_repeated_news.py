"""News of the bank that comes again at another moment, and orders that ended with a return: found by the machine of test_machine.py."""

from datetime import date, datetime
from pathlib import Path

import httpx

from shared.live import Live
from tests.building import fetch, move_business_clock
from tests.integration.budget.acting import (
    appropriate,
    approved_order,
    bank_says,
    enter_account,
    make,
    paid_row,
    payable_case,
    returned_row,
    written,
)
from tests.integration.budget.test_clawbacks import ordered, receive
from tests.integration.budget.test_late_payments import decide, late_payments
from tests.runtime import Database

THE_DAY_AFTER = "2025-09-16"


async def test_news_of_arrival_that_only_differed_in_the_day_before_stops_the_next_issue_after_the_return(
    client: httpx.AsyncClient, live: Live, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = await approved_order(client, case)
    move_business_clock(tmp_path, datetime.fromisoformat(f"{THE_DAY_AFTER}T10:00:00+08:00"))
    await bank_says(client, paid_row(order), paid_row(order, settled_on=THE_DAY_AFTER), returned_row(order, settled_on=THE_DAY_AFTER))
    await enter_account(client, case)

    (answer,) = await bank_says(client, paid_row(order, settled_on=THE_DAY_AFTER))

    assert answer["problem"]["code"] == "payment-closed"
    refused = await make(client, case)
    assert (refused.status_code, refused.json()["code"]) == (409, "late-payment-open")
    (late,) = await late_payments(client)
    assert date.fromisoformat(late["settled_on"]) == date.fromisoformat(THE_DAY_AFTER)


async def test_nothing_is_received_on_an_order_to_recover_that_ended_with_the_return_though_the_payment_arrived_after_all(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    order = await approved_order(client, await payable_case(client, live))
    await bank_says(client, paid_row(order))
    cancelled = (await ordered(client, order, 1_000_000)).json()
    move_business_clock(tmp_path, datetime.fromisoformat(f"{THE_DAY_AFTER}T10:00:00+08:00"))
    await bank_says(client, returned_row(order), paid_row(order, settled_on=THE_DAY_AFTER))
    (late,) = await late_payments(client)
    await decide(client, late, "paid_after_all")
    again = (await ordered(client, order, 1_000_000, document="二")).json()
    await receive(client, again, 1_000_000, on=THE_DAY_AFTER)
    before = await written(database)

    refused = await receive(client, {**cancelled, "version": 2}, 1_000_000, reference="2", on=THE_DAY_AFTER)

    assert (refused.status_code, refused.json()["code"]) == (409, "nothing-paid")
    assert await written(database) == before
    paid = await fetch(database, "SELECT sum(balance_fen)::bigint AS fen FROM balance WHERE name = '支付:已支付'", service="budget")
    assert paid[0]["fen"] == 0
