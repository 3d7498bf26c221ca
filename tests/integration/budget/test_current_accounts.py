"""Which account is a case's current one: its own as soon as one is entered, else that of its organisation; only to that one it is paid."""

from typing import Any

import httpx
import pytest
import pytest_asyncio

from shared.live import Live
from tests.chaos.wholeness import assert_nothing_half_done, digests
from tests.chaos.wire import Wire
from tests.integration.budget.acting import (
    ACCOUNT_NUMBER,
    APPROVER,
    MAKER,
    USCC,
    Case,
    appropriate,
    award,
    bank_says,
    cases_of,
    check,
    checked_order,
    confirmation_of,
    enter_account,
    hear,
    make,
    proposed,
    returned_row,
)
from tests.integration.budget.test_batches import post
from tests.integration.budget.test_gathered_approvals import outcome, sent
from tests.integration.budget.test_overtaken_approvals import at_the_write, wire, wired
from tests.runtime import Database

__all__ = ["wire", "wired"]

OWN_NUMBER = "6200000000000000029"


@pytest_asyncio.fixture
async def cases(client: httpx.AsyncClient, live: Live) -> list[Case]:
    """Two of one organisation, which are paid to its account."""
    await appropriate(client, 5_000_000)
    proposal = proposed(award(1_000_000), award(1_000_000))
    await hear(live, proposal, *(confirmation_of(case) for case in cases_of(proposal)))
    body = {"uscc": USCC, "account_name": "示例公司", "account_number": ACCOUNT_NUMBER, "bank_name": "示例银行"}
    entered = await client.post("/v1/payee-accounts", json=body, auth=MAKER)
    assert entered.status_code == 201, entered.text
    return cases_of(proposal)


async def approve_alone(client: httpx.AsyncClient, order: dict[str, Any]) -> str:
    answer = await sent(client, order)
    return outcome(answer)[1]


async def approve_in_batch(client: httpx.AsyncClient, order: dict[str, Any]) -> str:
    (result,) = await post(client, ":approve-batch", [{"payment_order_id": order["id"], "version": order["version"]}], auth=APPROVER)
    return str(result["problem"]["code"] if result["problem"] else result["payment_order"]["state"])


@pytest.mark.parametrize("approve", [approve_alone, approve_in_batch])
async def test_an_order_is_not_approved_once_its_case_has_an_account_of_its_own(
    client: httpx.AsyncClient, cases: list[Case], database: Database, approve: Any
) -> None:
    first, second = [await checked_order(client, case) for case in cases]
    await enter_account(client, cases[0], number=OWN_NUMBER)

    answers = [await approve(client, order) for order in (first, second)]

    assert answers == ["account-not-current", "in_transit"]
    await assert_nothing_half_done(database)


async def test_an_order_is_not_checked_once_its_case_has_an_account_of_its_own(client: httpx.AsyncClient, cases: list[Case]) -> None:
    first, second = [(await make(client, case)).json() for case in cases]
    await enter_account(client, cases[0], number=OWN_NUMBER)

    answers = [outcome(await check(client, order)) for order in (first, second)]

    assert answers == [(409, "account-not-current"), (200, "checked")]


async def test_an_account_of_the_case_that_is_entered_between_reading_and_writing_is_not_passed_over(
    client: httpx.AsyncClient, cases: list[Case], wired: httpx.AsyncClient, wire: Wire, database: Database
) -> None:
    order = await checked_order(client, cases[0])
    trap, call = await at_the_write(wire, sent(wired, order))
    await enter_account(client, cases[0], number=OWN_NUMBER)
    before = await digests(database)

    trap.released.set()
    answer = await call

    assert outcome(answer) == (409, "account-not-current")
    assert await digests(database) == before


async def test_an_account_of_the_case_that_the_bank_sent_back_leaves_the_organisations_as_it_was(
    client: httpx.AsyncClient, cases: list[Case], database: Database
) -> None:
    await enter_account(client, cases[0], number=OWN_NUMBER)
    returned = await sent(client, await checked_order(client, cases[0], number=OWN_NUMBER))
    await bank_says(client, returned_row(returned.json()))
    body = {"uscc": USCC, "account_name": "示例公司", "account_number": ACCOUNT_NUMBER, "bank_name": "示例银行"}
    await client.post("/v1/payee-accounts", json=body, auth=MAKER)

    answer = await sent(client, await checked_order(client, cases[0]))

    assert outcome(answer) == (200, "in_transit")
    assert answer.json()["payee"]["account_number_masked"] == "****0001"
    await assert_nothing_half_done(database)
