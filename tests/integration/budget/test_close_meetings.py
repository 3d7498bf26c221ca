"""A close and what meets it: an order that is being made is either seen and stands in the way, or is made in the year that the case went to."""

import asyncio
from pathlib import Path

import httpx

from services.budget.payment import commands as payment
from shared.live import Live
from tests.building import fetch, until_waiting
from tests.integration.budget.acting import appropriate, assert_books_add_up, make, payable_case, states
from tests.integration.budget.test_races import ACT, MAKER_HIMSELF
from tests.integration.budget.test_year_closes import close, new_year
from tests.runtime import Database

_YEARS = "SELECT o.fiscal_year AS ordered_in, r.fiscal_year AS held_in FROM payment_order o JOIN reservation r USING (application_id, proposal_id)"


async def test_a_close_waits_for_an_order_that_is_just_being_made_and_is_refused_because_of_it(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    new_year(tmp_path)

    async with live.transaction() as tx:
        await payment.make_orders(tx, [case.application_id], caller=MAKER_HIMSELF, act=ACT)
        closing = asyncio.create_task(close(client))
        await until_waiting(database, sessions=1)
    refused = await closing

    (error,) = refused.json()["errors"]
    assert (refused.status_code, refused.json()["code"], error["obstacle"]) == (409, "close-refused", "payment-order-open")
    assert [tuple(row) for row in await fetch(database, _YEARS, service="budget")] == [(2025, 2025)]
    await assert_books_add_up(database)


async def test_an_order_that_waits_for_a_close_is_made_in_the_year_that_the_case_was_carried_to(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    new_year(tmp_path)

    closed, made = await asyncio.gather(close(client), make(client, case))

    years = [tuple(row) for row in await fetch(database, _YEARS, service="budget")]
    assert (made.status_code, years) == (201, [(2025, 2025)] if closed.status_code == 409 else [(2026, 2026)])
    assert list((await states(database)).values()) == ["reserved"]
