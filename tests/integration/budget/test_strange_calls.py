"""Calls of money written in ways that nobody wrote down: what is meant as a rehearsal writes nothing, and what is said is read or refused."""

import asyncio
import json
import uuid

import httpx
import pytest

from tests.integration.budget.acting import FINANCE, LINE, YEAR, appropriate, written
from tests.integration.budget.test_pools import ALLOTMENT, FINANCE_2, TRANSFER, post
from tests.runtime import Database

REHEARSED = ["dry_run=true", "dry_run=1", "dry%5Frun=true", "dry_run=TRUE", "dry_run=%74rue", "&dry_run=true&"]
NOT_UNDERSTOOD = [
    *("dry_run", "dry_run=", "dry_run=2", "dry_run=%20true", "dry_run=+true", "dry_run=true%00", "dry_run=真", "dry_run[]=true"),
    *("dry_run=true&dry_run=false", "dry_run=false&dry%5Frun=true", "DRY_RUN=true", "dry-run=true", "%64ry_run=tru", "dry_run=true;x=1"),
]


@pytest.mark.parametrize("query", REHEARSED)
async def test_a_rehearsal_is_one_however_it_is_spelt(client: httpx.AsyncClient, database: Database, query: str) -> None:
    await appropriate(client, 1_000_000)
    before = await written(database)

    answer = await post(client, f"/v1/allotments?{query}", ALLOTMENT)

    assert answer.status_code == 201
    assert await written(database) == before


@pytest.mark.parametrize("query", NOT_UNDERSTOOD)
async def test_what_might_be_meant_as_a_rehearsal_writes_nothing(client: httpx.AsyncClient, database: Database, query: str) -> None:
    await appropriate(client, 1_000_000)
    before = await written(database)

    answer = await post(client, f"/v1/allotments?{query}", ALLOTMENT)

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert await written(database) == before


@pytest.mark.parametrize("step", ["approve", "reject"])
@pytest.mark.parametrize("said", [{"dry_run": True}, {"reason": "金额有误"}, [], None], ids=["a dry_run", "a reason", "a list", "null"])
async def test_a_step_that_reads_no_body_is_not_taken_with_one(client: httpx.AsyncClient, database: Database, step: str, said: object) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    made = (await post(client, "/v1/transfers", TRANSFER)).json()
    before, headers = await written(database), {"If-Match": '"1"', "Content-Type": "application/json"}

    refused = await client.post(f"/v1/transfers/{made['id']}:{step}", content=json.dumps(said), headers=headers, auth=FINANCE_2)
    after = await written(database)
    taken = await post(client, f"/v1/transfers/{made['id']}:{step}", {}, auth=FINANCE_2, version=1)

    assert (refused.status_code, refused.json()["code"]) == (400, "body-unread")
    assert after == before
    assert taken.status_code == 200


KEYS = ["a b", "~" * 100, "{}", '"', "\\", "%00", "%0a", "k,k", "' OR '1'='1"]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
async def test_a_key_is_taken_as_it_is_written(client: httpx.AsyncClient, database: Database, key: str) -> None:
    await appropriate(client, 1_000_000)

    answers = [await client.post("/v1/allotments", json=ALLOTMENT, headers={"Idempotency-Key": key}, auth=FINANCE) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[1].content == answers[0].content
    assert (await written(database))["allotment"] == 1


async def test_one_key_at_many_addresses_at_once_is_good_for_one_of_them(client: httpx.AsyncClient, database: Database) -> None:
    """Those that come while the first is under way are told to come again, and then that the key is another's."""
    await appropriate(client, 10_000_000)
    before, key = await written(database), uuid.uuid4().hex
    freeze = {
        "scope": "line",
        "line_id": LINE,
        "document": "审通〔2025〕7号",
        "authority": "示例审计局",
        "ordered_on": "2025-09-01",
        "reason": "审计要求停止支付",
    }
    calls = [
        ("/v1/allotments", ALLOTMENT),
        ("/v1/allotments", {**ALLOTMENT, "amount_fen": 1}),
        ("/v1/transfers", TRANSFER),
        ("/v1/freezes", freeze),
        ("/v1/appropriations", {"fiscal_year": YEAR, "amount_fen": 5, "document": "财预指〔2025〕77号", "approved_on": "2025-01-20"}),
    ]

    async def call(path: str, body: dict[str, object]) -> httpx.Response:
        return await client.post(path, json=body, headers={"Idempotency-Key": key}, auth=FINANCE)

    at_once = await asyncio.gather(*(call(path, body) for path, body in calls))
    later = [await call(path, body) for path, body in calls]

    assert sorted({answer.status_code for answer in at_once} - {409, 422}) == [201]
    assert sum(answer.status_code == 201 for answer in at_once) == 1
    assert [answer.status_code for answer in later].count(201) == 1
    assert {answer.json()["code"] for answer in later if answer.status_code != 201} == {"idempotency-key-reused"}
    after = await written(database)
    assert after["answer"] == before["answer"] + 1
    assert sum(after[name] - before[name] for name in ("allotment", "transfer", "freeze_order", "appropriation")) == 1
