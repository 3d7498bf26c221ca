"""Performance: targets, self-evaluations, and what is missing when next year's money is asked for."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from services.budget.ledger.rules import Act
from services.budget.payment_request import commands
from services.budget.payment_request.rules import SelfEvaluationMissing
from services.budget.policy import paying
from services.budget.policy.paying import Performance
from shared.live import Live
from tests.building import BUSINESS_NOW, fetch
from tests.integration.budget.acting import AUDITOR, FINANCE, LINE, MAKER, appropriate, approved_order, payable_case
from tests.runtime import Database

TARGET = {
    "fiscal_year": 2024,
    "line_id": LINE,
    "indicator": "入驻机构数",
    "unit": "家",
    "target": "20",
    "weight_percent": 60,
    "document": "绩效目标〔2024〕3号",
}


async def record(client: httpx.AsyncClient, **changed: Any) -> httpx.Response:
    return await client.post("/v1/performance-targets", json={**TARGET, **changed}, auth=FINANCE)


async def evaluate(client: httpx.AsyncClient, target: dict[str, Any], *, actual: str = "22.50") -> httpx.Response:
    body = {"performance_target_id": target["id"], "actual": actual, "document": "自评〔2025〕1号"}
    return await client.post("/v1/self-evaluations", json=body, auth=FINANCE)


async def last_year_paid(database: Database) -> None:
    """A case of last year that was paid out, as the close of that year leaves it."""
    await fetch(
        database,
        """
        INSERT INTO reservation (application_id, proposal_id, state, case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, amount_fen,
            policy_version, funding_source, expenditure_category, changed_at, place)
        VALUES (gen_random_uuid(), gen_random_uuid(), 'paid', 'C-0', '91990000MA0000015Q', 2024, $1, 'huancui', 1, 'v', 's', 'construction', now(), 0)
        """,
        LINE,
        service="budget",
    )


async def warnings_of_a_request(client: httpx.AsyncClient, live: Live) -> list[str]:
    order = await approved_order(client, await payable_case(client, live))
    body = {"fiscal_year": 2025, "quota_document": "指1", "payment_order_ids": [order["id"]]}
    asked = await client.post("/v1/payment-requests", json=body, auth=MAKER)
    assert asked.status_code == 201, asked.text
    return list(asked.json()["warnings"])


async def test_a_target_is_recorded_once_within_the_weights_of_its_line(client: httpx.AsyncClient) -> None:
    recorded = await record(client)
    again = await record(client, weight_percent=1)
    too_much = await record(client, indicator="就业人数", weight_percent=41)
    fits = await record(client, indicator="就业人数", weight_percent=40)

    assert (recorded.status_code, recorded.json()["target"]) == (201, "20")
    assert (again.status_code, again.json()["code"]) == (409, "performance-target-exists")
    assert (too_much.status_code, too_much.json()["code"]) == (422, "performance-weights")
    assert fits.status_code == 201
    listed = (await client.get("/v1/performance-targets", params={"fiscal_year": 2024, "line_id": LINE}, auth=AUDITOR)).json()["rows"]
    assert [each["indicator"] for each in listed] == ["入驻机构数", "就业人数"]


async def test_a_target_is_evaluated_once_and_after_its_year(client: httpx.AsyncClient) -> None:
    over, running = (await record(client)).json(), (await record(client, fiscal_year=2025)).json()

    evaluated = await evaluate(client, over)
    again = await evaluate(client, over)
    early = await evaluate(client, running)

    assert (evaluated.status_code, evaluated.json()["actual"], evaluated.json()["target"]) == (201, "22.5", "20")
    assert [(each.status_code, each.json()["code"]) for each in (again, early)] == [(409, "self-evaluation-exists"), (409, "fiscal-year-not-over")]
    listed = (await client.get("/v1/self-evaluations", params={"fiscal_year": 2024}, auth=AUDITOR)).json()["rows"]
    assert [each["performance_target_id"] for each in listed] == [over["id"]]


async def test_a_line_that_was_paid_out_and_not_evaluated_is_warned_about_until_it_is(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 10_000_000)
    nothing_paid = await warnings_of_a_request(client, live)
    await last_year_paid(database)
    without_target = await warnings_of_a_request(client, live)
    target = (await record(client)).json()
    not_evaluated = await warnings_of_a_request(client, live)
    await evaluate(client, target)

    evaluated = await warnings_of_a_request(client, live)

    assert (nothing_paid, without_target, not_evaluated, evaluated) == ([], [LINE], [LINE], [])


async def test_where_policy_refuses_the_money_is_not_asked_for(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 10_000_000)
    order = await approved_order(client, await payable_case(client, live))
    await last_year_paid(database)
    strict = Performance(missing_self_evaluation="refuse", assumed=True, why="for this test")
    way = {policy_id: each.model_copy(update={"performance": strict}) for policy_id, each in paying.current().items()}
    act = Act(caller="maker-1", key="k", fingerprint=b"f", at=BUSINESS_NOW, on=BUSINESS_NOW.date())

    with pytest.raises(SelfEvaluationMissing):
        async with live.transaction() as tx:
            await commands.make_request(tx, [UUID(order["id"])], fiscal_year=2025, quota_document="指1", act=act, paying=way)

    assert await fetch(database, "SELECT 1 FROM payment_request", service="budget") == []
