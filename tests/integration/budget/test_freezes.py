"""Orders to stop, and misuse cases with the freeze and the recovery that come with them."""

import uuid
from typing import Any

import httpx
import pytest

from services.budget.freeze import queries
from services.budget.freeze.rules import Frozen, check_case_free
from services.budget.waiting.commands import case_money
from shared.live import Live
from tests.building import fetch
from tests.integration.budget.acting import (
    AUDITOR,
    LINE,
    MAKER,
    USCC,
    appropriate,
    approve,
    approved_order,
    award,
    bank_says,
    cases_of,
    checked_order,
    hear,
    make,
    paid_row,
    payable_case,
    proposed,
    release_of,
    states,
    told,
    written,
)
from tests.integration.budget.test_pools import ALLOTMENT, post
from tests.runtime import Database

FREEZE = {"scope": "fund", "document": "审通〔2025〕7号", "authority": "示例审计局", "reason": "核查中", "ordered_on": "2025-09-01"}
MISUSE = {"uscc": USCC, "article": "14", "document": "财监处〔2025〕2号", "authority": "示例财政局", "reason": "虚假材料", "found_on": "2025-09-01"}


async def is_stopped(live: Live, database: Database) -> bool:
    """Whether the one case of the database may be reserved, ordered or released."""
    async with live.transaction() as tx:
        freezes = await queries.in_force(tx)
    (row,) = await fetch(database, "SELECT * FROM reservation", service="budget")
    try:
        check_case_free(case_money(_attributes(row)), freezes=freezes)
    except Frozen:
        return True
    return False


def _attributes(row: Any) -> Any:
    return type("Row", (), dict(row))


async def test_a_frozen_fund_is_neither_allotted_nor_transferred_and_the_answer_names_document_and_authority(
    client: httpx.AsyncClient, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/freezes", FREEZE)
    before = await written(database)

    answered = await post(client, "/v1/allotments", ALLOTMENT)

    assert (answered.status_code, answered.json()["code"]) == (409, "frozen")
    assert (answered.json()["document"], answered.json()["authority"]) == (FREEZE["document"], FREEZE["authority"])
    assert await written(database) == before


async def test_a_freeze_ends_with_its_lifting_document(client: httpx.AsyncClient) -> None:
    await appropriate(client, 1_000_000)
    frozen = (await post(client, "/v1/freezes", {**FREEZE, "scope": "line", "line_id": LINE})).json()
    assert (await post(client, "/v1/allotments", ALLOTMENT)).status_code == 409

    lifted = await post(client, f"/v1/freezes/{frozen['id']}:lift", {"document": "审通〔2025〕12号"}, version=1)

    assert (lifted.status_code, lifted.json()["lifting_document"], lifted.json()["version"]) == (200, "审通〔2025〕12号", 2)
    assert (await post(client, "/v1/allotments", ALLOTMENT)).status_code == 201
    again = await post(client, f"/v1/freezes/{frozen['id']}:lift", {"document": "审通〔2025〕13号"}, version=2)
    assert (again.status_code, again.json()["code"]) == (409, "freeze-lifted")


async def test_a_frozen_line_leaves_the_others_alone(client: httpx.AsyncClient) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/freezes", {**FREEZE, "scope": "line", "line_id": "2023-15/2"})

    answered = await post(client, "/v1/allotments", ALLOTMENT)

    assert answered.status_code == 201


@pytest.mark.parametrize("change", [{"scope": "case"}, {"scope": "line"}, {"line_id": LINE}, {"application_id": str(uuid.uuid4())}])
async def test_a_freeze_names_what_it_is_about(client: httpx.AsyncClient, change: dict[str, Any]) -> None:
    answered = await post(client, "/v1/freezes", {**FREEZE, **change})

    assert answered.status_code == 422


async def test_a_case_of_a_frozen_line_waits_and_is_served_when_the_order_is_lifted(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    frozen = (await post(client, "/v1/freezes", {**FREEZE, "scope": "line", "line_id": LINE})).json()
    proposal = proposed(award(300_000))
    (case,) = cases_of(proposal)
    await hear(live, proposal)
    assert await states(database) == {case.application_id: "waiting"}

    await post(client, f"/v1/freezes/{frozen['id']}:lift", {"document": "解"}, version=1)

    assert await states(database) == {case.application_id: "reserved"}
    assert [each.kind for each in await told(database, case)] == ["funds_waiting", "funds_reserved"]


async def test_a_frozen_case_is_neither_approved_for_payment_nor_released(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = await checked_order(client, case)
    frozen = (await post(client, "/v1/freezes", {**FREEZE, "scope": "case", "application_id": str(case.application_id)})).json()
    before = await written(database)

    refused = await approve(client, order)

    assert (refused.status_code, refused.json()["code"], refused.json()["authority"]) == (409, "frozen", FREEZE["authority"])
    assert await written(database) == before
    await hear(live, release_of(case))
    answer = (await told(database, case))[-1]
    assert (answer.kind, answer.body["reason_code"]) == ("release_refused", "frozen")
    assert FREEZE["document"] in answer.body["reason"]
    await post(client, f"/v1/freezes/{frozen['id']}:lift", {"document": "解"}, version=1)
    assert (await approve(client, order)).status_code == 200


@pytest.mark.parametrize("scope", ["case", "line", "fund"])
async def test_nobody_begins_a_payment_that_an_order_to_stop_is_about(client: httpx.AsyncClient, live: Live, database: Database, scope: str) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    about = {"case": {"application_id": str(case.application_id)}, "line": {"line_id": LINE}, "fund": {}}[scope]
    frozen = (await post(client, "/v1/freezes", {**FREEZE, "scope": scope, **about})).json()
    before = await written(database)

    refused = await make(client, case)

    assert (refused.status_code, refused.json()["code"]) == (409, "frozen")
    assert (refused.json()["document"], refused.json()["authority"], refused.json()["scope"]) == (FREEZE["document"], FREEZE["authority"], scope)
    assert await written(database) == before
    await post(client, f"/v1/freezes/{frozen['id']}:lift", {"document": "解"}, version=1)
    assert (await make(client, case)).status_code == 201


async def test_of_many_payments_only_those_of_the_frozen_case_are_not_begun(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 2_000_000)
    stopped, free = [await payable_case(client, live) for _ in range(2)]
    await post(client, "/v1/freezes", {**FREEZE, "scope": "case", "application_id": str(stopped.application_id)})
    body = {"orders": [{"application_id": str(each.application_id)} for each in (stopped, free)]}

    answered = await client.post("/v1/payment-orders:batch", json=body, auth=MAKER)

    first, second = answered.json()["results"]
    assert (first["problem"]["code"], second["payment_order"]["state"]) == ("frozen", "made")


async def test_a_misuse_case_stops_the_organisation_and_orders_its_money_back(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    order = await approved_order(client, await payable_case(client, live))
    await bank_says(client, paid_row(order))

    opened = await post(client, "/v1/misuse-cases", {**MISUSE, "recover": [{"payment_order_id": order["id"], "amount_fen": 1_000_000}]})

    assert (opened.status_code, opened.json()["ordered_fen"], opened.json()["received_fen"]) == (201, 1_000_000, 0)
    assert await is_stopped(live, database)
    (clawback,) = (await client.get("/v1/clawbacks", auth=AUDITOR)).json()["rows"]
    assert (clawback["misuse_case_id"], clawback["document"]) == (opened.json()["id"], MISUSE["document"])


async def test_a_misuse_case_is_closed_once_all_is_recovered_and_its_freeze_ends(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    order = await approved_order(client, await payable_case(client, live))
    await bank_says(client, paid_row(order))
    case = (await post(client, "/v1/misuse-cases", {**MISUSE, "recover": [{"payment_order_id": order["id"], "amount_fen": 1_000}]})).json()
    early = await post(client, f"/v1/misuse-cases/{case['id']}:close", {"document": "结"}, version=1)
    alone = await post(client, f"/v1/freezes/{case['freeze_id']}:lift", {"document": "结"}, version=1)
    (clawback,) = (await client.get("/v1/clawbacks", auth=AUDITOR)).json()["rows"]
    receipt = {"amount_fen": 1_000, "received_on": "2025-09-15", "bank_reference": "1"}
    await post(client, f"/v1/clawbacks/{clawback['id']}:receive", receipt, version=1)

    closed = await post(client, f"/v1/misuse-cases/{case['id']}:close", {"document": "结"}, version=1)

    assert (early.status_code, early.json()["code"], early.json()["open_fen"]) == (409, "recovery-open", 1_000)
    assert (alone.status_code, alone.json()["code"]) == (409, "freeze-of-misuse-case")
    assert (closed.status_code, closed.json()["state"]) == (200, "closed")
    assert not await is_stopped(live, database)


async def test_a_jurisdiction_that_withholds_is_stopped_under_article_6(client: httpx.AsyncClient) -> None:
    await appropriate(client, 1_000_000)
    body = {name: value for name, value in MISUSE.items() if name != "uscc"} | {"jurisdiction_id": "huancui"}

    wrong = await post(client, "/v1/misuse-cases", body)
    opened = await post(client, "/v1/misuse-cases", {**body, "article": "6"})

    assert (wrong.status_code, wrong.json()["code"]) == (422, "article-does-not-fit")
    assert opened.status_code == 201
    assert (await post(client, "/v1/allotments", {**ALLOTMENT, "jurisdiction_id": "huancui"})).json()["code"] == "frozen"


async def test_a_payment_to_somebody_else_is_not_recovered_by_this_case(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    order = await approved_order(client, await payable_case(client, live))
    await bank_says(client, paid_row(order))
    before = await written(database)

    body = {**MISUSE, "uscc": "91990000MA0000031E", "recover": [{"payment_order_id": order["id"], "amount_fen": 1}]}
    answered = await post(client, "/v1/misuse-cases", body)

    assert (answered.status_code, answered.json()["code"]) == (422, "paid-to-somebody-else")
    assert await written(database) == before


async def test_a_misuse_case_that_is_found_after_today_is_refused_under_its_own_name(client: httpx.AsyncClient, database: Database) -> None:
    before = await written(database)

    answered = await post(client, "/v1/misuse-cases", {**MISUSE, "found_on": "2025-09-16"})

    assert (answered.status_code, answered.json()["code"]) == (422, "document-in-future")
    assert [each["pointer"] for each in answered.json()["errors"]] == ["/found_on"]
    assert await written(database) == before
