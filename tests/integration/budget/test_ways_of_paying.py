"""A payment goes one way: asked of the treasury or handed to a district it stays there, whatever policy says later. A stopped one goes nowhere."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.budget.edge import current_paying
from services.budget.policy import paying
from services.budget.policy.paying import Paying, Route, Routes
from shared.live import Live
from tests.building import Staff, client_for, staff_token
from tests.integration.budget.acting import (
    FINANCE,
    LINE,
    USCC,
    YEAR,
    appropriate,
    approved_order,
    assert_books_add_up,
    balances,
    bank_says,
    make,
    paid_row,
    payable_case,
    written,
)
from tests.integration.budget.test_payment_requests import answer, ask_for, paid
from tests.integration.budget.test_pools import post
from tests.integration.budget.test_withdrawn_payments import withdraw
from tests.runtime import Database

FREEZE = {"document": "审通〔2025〕7号", "authority": "示例审计局", "reason": "核查中", "ordered_on": "2025-09-01"}
MISUSE = {"document": "财监处〔2025〕2号", "authority": "示例财政局", "reason": "虚假材料", "found_on": "2025-09-01"}
DISTRICT = Staff(staff_token("district-1", roles=["district-finance"], jurisdictions=["huancui"]))


class Policy:
    """What policy data says of the route, as it is read by the next call."""

    def __init__(self) -> None:
        self.route = Route.TREASURY

    async def current(self) -> Mapping[str, Paying]:
        route = Routes(default=self.route, assumed=True, why="for this test")
        return {policy_id: each.model_copy(update={"route": route}) for policy_id, each in paying.current().items()}


@pytest.fixture
def ways() -> Policy:
    return Policy()


@pytest_asyncio.fixture
async def client(database: Database, tmp_path: Path, ways: Policy) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for("budget", database=database, folder=tmp_path, given={current_paying: ways.current}) as opened:
        yield opened


async def approved(client: httpx.AsyncClient, live: Live) -> dict[str, Any]:
    await appropriate(client, 1_000_000)
    return await approved_order(client, await payable_case(client, live))


async def hand_down(client: httpx.AsyncClient, order: dict[str, Any]) -> httpx.Response:
    body = {"number": "财社指〔2025〕8号", "fiscal_year": YEAR, "jurisdiction_id": "huancui", "handed_down_on": "2025-09-15"}
    return await client.post("/v1/quota-documents", json={**body, "payment_order_ids": [order["id"]]}, auth=FINANCE)


async def test_a_district_is_handed_money_and_reports_it_paid(client: httpx.AsyncClient, live: Live, ways: Policy, database: Database) -> None:
    order = await approved(client, live)
    ways.route = Route.QUOTA

    handed = await hand_down(client, order)
    row = {"payment_order_id": order["id"], "outcome": "paid", "settled_on": "2025-09-15", "voucher": "ZF-1"}
    path = f"/v1/quota-documents/{handed.json()['id']}:report"
    reported = await post(client, path, {"document": "区市明细", "rows": [row]}, auth=DISTRICT, version=1)

    assert (handed.status_code, handed.json()["held_fen"]) == (201, 1_000_000)
    assert [each["status"] for each in reported.json()["results"]] == ["changed"]
    assert (await balances(client))["paid_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_what_the_treasury_was_asked_for_is_not_handed_down_too(
    client: httpx.AsyncClient, live: Live, ways: Policy, database: Database
) -> None:
    order = await approved(client, live)
    asked = await ask_for(client, order["id"])
    ways.route = Route.QUOTA
    before = await written(database)

    refused = await hand_down(client, order)

    assert asked.status_code == 201
    assert (refused.status_code, refused.json()["orders"]) == (409, [{"payment_order_id": order["id"], "code": "other-route"}])
    assert await written(database) == before


async def test_what_was_handed_down_is_not_asked_of_the_treasury_too(client: httpx.AsyncClient, live: Live, ways: Policy, database: Database) -> None:
    order = await approved(client, live)
    ways.route = Route.QUOTA
    handed = await hand_down(client, order)
    ways.route = Route.TREASURY
    before = await written(database)

    refused = await ask_for(client, order["id"])

    assert handed.status_code == 201
    assert (refused.status_code, refused.json()["orders"]) == (409, [{"payment_order_id": order["id"], "code": "other-route"}])
    assert await written(database) == before


async def test_what_the_treasury_was_asked_for_it_confirms_also_when_policy_says_otherwise_by_then(
    client: httpx.AsyncClient, live: Live, ways: Policy, database: Database
) -> None:
    order = await approved(client, live)
    request = (await ask_for(client, order["id"])).json()
    ways.route = Route.QUOTA

    confirmed = await answer(client, request, paid(order))

    assert [each["status"] for each in confirmed.json()["results"]] == ["changed"]
    assert (await balances(client))["paid_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_what_nobody_was_asked_for_goes_the_way_that_policy_says(client: httpx.AsyncClient, live: Live, ways: Policy) -> None:
    order = await approved(client, live)
    ways.route = Route.QUOTA

    asked = await ask_for(client, order["id"])
    (said,) = await bank_says(client, paid_row(order))

    assert asked.json()["orders"] == [{"payment_order_id": order["id"], "code": "other-route"}]
    assert (said["status"], said["problem"]["code"]) == ("reconcile", "other-route")


async def test_news_that_a_withdrawn_payment_was_paid_counts_whatever_way_policy_says_by_then(
    client: httpx.AsyncClient, live: Live, ways: Policy
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = await approved_order(client, case)
    await withdraw(client, order)
    ways.route = Route.QUOTA

    (said,) = await bank_says(client, paid_row(order))
    refused = await make(client, case)

    assert (said["status"], said["problem"]["code"]) == ("reconcile", "payment-closed")
    assert (refused.status_code, refused.json()["code"]) == (409, "late-payment-open")


STOPPED_BY = [
    ("/v1/freezes", {**FREEZE, "scope": "fund"}),
    ("/v1/freezes", {**FREEZE, "scope": "line", "line_id": LINE}),
    ("/v1/misuse-cases", {**MISUSE, "article": "14", "uscc": USCC}),
    ("/v1/misuse-cases", {**MISUSE, "article": "6", "jurisdiction_id": "huancui"}),
]


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize(("path", "body"), STOPPED_BY)
async def test_an_approved_payment_that_is_stopped_is_neither_handed_down_nor_asked_for(
    client: httpx.AsyncClient, live: Live, ways: Policy, database: Database, path: str, body: dict[str, Any], route: Route
) -> None:
    order = await approved(client, live)
    ways.route = route
    stopped = await post(client, path, body)
    before = await written(database)

    refused = await (hand_down(client, order) if route is Route.QUOTA else ask_for(client, order["id"]))

    assert stopped.status_code == 201
    assert (refused.status_code, refused.json()["orders"]) == (409, [{"payment_order_id": order["id"], "code": "frozen"}])
    assert await written(database) == before


@pytest.mark.parametrize("route", list(Route))
async def test_once_the_order_to_stop_is_lifted_the_payment_goes_its_way(client: httpx.AsyncClient, live: Live, ways: Policy, route: Route) -> None:
    order = await approved(client, live)
    ways.route = route
    frozen = (await post(client, "/v1/freezes", {**FREEZE, "scope": "fund"})).json()
    await post(client, f"/v1/freezes/{frozen['id']}:lift", {"document": "解"}, version=1)

    sent = await (hand_down(client, order) if route is Route.QUOTA else ask_for(client, order["id"]))

    assert sent.status_code == 201
