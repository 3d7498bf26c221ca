"""Awards reserved for over HTTP: one writer for all calls, each key answered once and for ever."""

import asyncio
import uuid
from collections import Counter
from typing import Any

import asyncpg
import httpx
import pytest

from services.budget.writer import LEASE
from shared.live import Live
from tests.building import Staff, fetch, staff_token
from tests.integration.budget.acting import (
    AUDITOR,
    FINANCE,
    LINE,
    USCC,
    YEAR,
    appropriate,
    assert_books_add_up,
    award,
    balances,
    hear,
    kinds,
    proposed,
    told,
    written,
)
from tests.runtime import Database

URL = "/v1/reservations"
CLIENTS = 64


def body(*amounts_fen: int, application_ids: list[uuid.UUID] | None = None) -> dict[str, Any]:
    ids = application_ids or [uuid.uuid4() for _ in amounts_fen]
    awards = [
        {
            "application_id": str(application_id),
            "case_number": f"P-{application_id.hex[:8]}",
            "applicant_uscc": USCC,
            "line_id": LINE,
            "jurisdiction_id": "huancui",
            "amount_fen": amount_fen,
        }
        for application_id, amount_fen in zip(ids, amounts_fen, strict=True)
    ]
    return {"policy_id": "2023-15", "fiscal_year": YEAR, "awards": awards}


async def reserve(client: httpx.AsyncClient, content: dict[str, Any], *, key: str | None = None, **params: bool) -> httpx.Response:
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    return await client.post(URL, json=content, headers=headers, params={name: str(value).lower() for name, value in params.items()}, auth=FINANCE)


async def test_awards_are_reserved_wait_or_are_refused_each_by_itself(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 100_000)
    content = body(60_000, 50_000, 1, 40_000)
    content["awards"][2]["line_id"] = "2023-15/99"

    answer = await reserve(client, content)

    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    by_id = {each["application_id"]: each for each in results}
    shown = [by_id[each["application_id"]] for each in content["awards"]]
    assert [each["status"] for each in shown] == ["reserved", "waiting", "refused", "reserved"]
    assert [each["voucher"] for each in shown] == ["RS-2025-000001", None, None, "RS-2025-000002"]
    assert shown[1]["reason"] == "short-by-fen: 50000"
    assert shown[2]["reason"].startswith("unknown-line: ")
    await assert_books_add_up(database)


async def test_each_award_is_announced_as_one_of_the_case_files_is(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 100)

    await reserve(client, body(60, 50))

    assert kinds(await told(database)) == ["appropriation_recorded", "funds_reserved", "funds_waiting"]


async def test_a_repeat_gets_the_first_answer_and_other_content_is_refused(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 100_000)
    content = body(60_000, 50_000)
    first = await reserve(client, content, key="one")
    before = await written(database)

    repeat = await reserve(client, content, key="one")
    other = await reserve(client, body(1), key="one")

    assert repeat.content == first.content
    assert repeat.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert await written(database) == before


@pytest.mark.parametrize("atomic", [False, True], ids=["each by itself", "all or none"])
async def test_what_is_announced_goes_on_in_the_trace_of_the_call(client: httpx.AsyncClient, database: Database, atomic: bool) -> None:
    await appropriate(client, 1_000_000)
    traces = [uuid.uuid4().hex for _ in range(3)]
    headers = [{"traceparent": f"00-{trace}-00f067aa0ba902b7-01"} for trace in traces]

    await asyncio.gather(*(client.post(URL, json=body(1_000), headers=each, params={"atomic": atomic}, auth=FINANCE) for each in headers))

    sent = "SELECT headers->>'ce_traceparent' AS trace FROM outbox WHERE headers->>'ce_type' = 'budget.funds_reserved.v1'"
    assert sorted(str(row["trace"])[3:35] for row in await fetch(database, sent, service="budget")) == sorted(traces)


TARGET = {
    "fiscal_year": YEAR,
    "line_id": LINE,
    "indicator": "园区数",
    "unit": "个",
    "target": "1",
    "weight_percent": 40,
    "document": "绩效〔2025〕3号",
}
FREEZE = {"scope": "fund", "document": "审通〔2025〕7号", "authority": "示例审计局", "reason": "核查中", "ordered_on": "2025-09-01"}


@pytest.mark.parametrize(("path", "act"), [("/v1/performance-targets", TARGET), ("/v1/freezes", FREEZE)])
async def test_a_key_of_a_reservation_is_no_key_of_an_act_that_writes_no_entry(
    client: httpx.AsyncClient, database: Database, path: str, act: dict[str, object]
) -> None:
    await appropriate(client, 1_000_000)
    await reserve(client, body(1_000), key="one")
    before = await written(database)

    refused = await client.post(path, json=act, auth=FINANCE, headers={"Idempotency-Key": "one"})
    after = await written(database)
    made, again = [await client.post(path, json=act, auth=FINANCE, headers={"Idempotency-Key": "two"}) for _ in range(2)]

    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency-key-reused")
    assert after == before
    assert (made.status_code, again.content) == (201, made.content)


async def test_a_key_of_an_act_that_is_not_in_the_journal_reserves_nothing(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)
    recorded = await client.post("/v1/performance-targets", json=TARGET, auth=FINANCE, headers={"Idempotency-Key": "one"})
    before = await written(database)

    refused = [await reserve(client, body(1_000), key="one", **how) for how in ({}, {"atomic": True}, {"dry_run": True})]

    assert recorded.status_code == 201
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(422, "idempotency-key-reused")] * 3
    assert await written(database) == before


async def test_a_key_of_a_reservation_is_no_key_of_another_act(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)
    await reserve(client, body(1_000), key="one")
    wanted = {"fiscal_year": YEAR, "line_id": LINE, "amount_fen": 5_000, "document": "财指〔2025〕9号", "approved_on": "2025-09-01"}

    refused = await client.post("/v1/allotments", json=wanted, auth=FINANCE, headers={"Idempotency-Key": "one"})
    made = await client.post("/v1/allotments", json=wanted, auth=FINANCE, headers={"Idempotency-Key": "two"})

    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency-key-reused")
    assert made.status_code == 201
    assert [row["kind"] for row in await fetch(database, "SELECT kind FROM journal ORDER BY seq", service="budget")][-2:] == ["reserve", "allot"]


async def test_who_holds_the_writers_lock_does_not_hold_up_money(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)
    auditor = await asyncpg.connect(database.urls["auditor"])
    await auditor.execute("SELECT pg_advisory_lock($1)", LEASE)

    async with asyncio.timeout(5):
        answered = await reserve(client, body(1_000))
    await auditor.close()

    assert answered.json()["results"][0]["status"] == "reserved"
    await assert_books_add_up(database)


async def test_the_journal_knows_a_key_when_the_stored_answers_are_long_gone(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 100_000)
    content = body(60_000)
    first = await reserve(client, content, key="for ever")
    await fetch(database, "DELETE FROM answer", service="budget")

    repeat = await reserve(client, content, key="for ever")

    assert repeat.content == first.content


async def test_many_calls_with_one_key_at_once_are_one_call(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 100_000)
    content = body(10_000)

    answers = await asyncio.gather(*(reserve(client, content, key="same") for _ in range(16)))

    assert {answer.content for answer in answers} == {answers[0].content}
    assert Counter(answer.status_code for answer in answers) == {200: 16}
    assert (await balances(client))["reserved_fen"] == 10_000
    await assert_books_add_up(database)


async def test_the_last_fen_goes_to_one_of_64_clients(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 100_003)

    answers = await asyncio.gather(*(reserve(client, body(3_125)) for _ in range(CLIENTS)))

    statuses = Counter(each["status"] for answer in answers for each in answer.json()["results"])
    assert statuses == {"reserved": 32, "waiting": 32}
    assert (await balances(client))["available_fen"] == 3
    vouchers = await fetch(database, "SELECT voucher FROM journal WHERE outcome = 'posted' AND kind = 'reserve' ORDER BY seq", service="budget")
    assert [row["voucher"] for row in vouchers] == [f"RS-2025-{n:06d}" for n in range(1, 33)]
    together = await fetch(database, "SELECT count(DISTINCT xmin::text) AS n FROM journal WHERE kind = 'reserve'", service="budget")
    assert together[0]["n"] < CLIENTS
    await assert_books_add_up(database)


async def test_events_and_calls_meet_and_the_books_add_up(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    """Two writers: the consumer behind the lock of the books, the calls from memory."""
    await appropriate(client, 100_000)

    async def hear_some() -> None:
        for _ in range(12):
            await hear(live, proposed(award(1_000)))

    answers = await asyncio.gather(hear_some(), *(reserve(client, body(1_000, 700)) for _ in range(24)))

    assert all(answer.status_code == 200 for answer in answers[1:])
    fund = await balances(client)
    assert fund["reserved_fen"] == 12 * 1_000 + 24 * 1_700
    await assert_books_add_up(database)


async def test_one_call_that_the_database_refuses_does_not_spoil_those_beside_it(client: httpx.AsyncClient, database: Database) -> None:
    """A case that another proposal holds: the memory does not know it, the database does."""
    await appropriate(client, 1_000_000)
    held = uuid.uuid4()
    await reserve(client, body(1_000, application_ids=[held]))

    answers = await asyncio.gather(*(reserve(client, body(1_000, application_ids=[held if n == 9 else uuid.uuid4()])) for n in range(20)))

    statuses = [answer.json()["results"][0]["status"] for answer in answers]
    assert statuses == ["refused" if n == 9 else "reserved" for n in range(20)]
    assert answers[9].json()["results"][0]["reason"].startswith("already-held: ")
    await assert_books_add_up(database)


async def test_all_or_none(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 100_000)
    before = await written(database)

    refused = await reserve(client, body(60_000, 50_000), atomic=True)
    unknown = body(1, 1)
    unknown["awards"][1]["line_id"] = "2023-15/99"
    other = await reserve(client, unknown, atomic=True)
    after = await written(database)
    taken = await reserve(client, body(60_000, 40_000), atomic=True)

    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "insufficient-budget")
    assert (problem["requested_fen"], problem["available_fen"], problem["reserved_fen"], problem["as_of_seq"]) == (110_000, 100_000, 0, 2)
    assert (other.status_code, other.json()["code"]) == (409, "not-all-reserved")
    assert after == before
    assert [each["status"] for each in taken.json()["results"]] == ["reserved", "reserved"]


async def test_a_dry_run_answers_the_same_and_writes_nothing(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 100_000)
    content, before = body(60_000, 50_000), await written(database)

    dry = await reserve(client, content, dry_run=True)
    after = await written(database)
    real = await reserve(client, content)

    assert after == before
    assert dry.json()["results"] == [{**each, "voucher": None} for each in real.json()["results"]]


async def test_a_dry_run_under_a_key_that_was_used_is_refused_and_not_answered_with_nothing(client: httpx.AsyncClient) -> None:
    await appropriate(client, 100_000)
    content = body(60_000)
    await reserve(client, content, key="one")

    dry = await reserve(client, content, key="one", dry_run=True)

    assert (dry.status_code, dry.json()["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount_fen": 0}, 422, "invalid"),
        ({"amount_fen": 1.5}, 422, "invalid"),
        ({"amount_fen": "100"}, 422, "invalid"),
        ({"case_number": "two lines\u001f"}, 422, "invalid"),
        ({"applicant_uscc": "91990000MA0000015X"}, 422, "invalid"),
        ({"jurisdiction_id": "atlantis"}, 422, "jurisdiction-unknown"),
    ],
)
async def test_bad_input_is_refused_and_nothing_is_written(
    client: httpx.AsyncClient, database: Database, change: dict[str, Any], status: int, code: str
) -> None:
    before, content = await written(database), body(1)
    content["awards"][0] |= change

    answer = await reserve(client, content)

    assert answer.status_code == status
    assert await written(database) == before


async def test_a_case_named_twice_is_refused(client: httpx.AsyncClient, database: Database) -> None:
    before, twice = await written(database), uuid.uuid4()

    answer = await reserve(client, body(1, 1, application_ids=[twice, twice]))

    assert (answer.status_code, answer.json()["code"]) == (422, "named-twice")
    assert await written(database) == before


async def test_only_finance_of_the_whole_city_reserves(client: httpx.AsyncClient, database: Database) -> None:
    district = Staff(staff_token("finance-9", roles=["city-finance"], jurisdictions=["huancui"]))

    answers = [await client.post(URL, json=body(1), auth=each) for each in (AUDITOR, district)]

    assert [answer.status_code for answer in answers] == [403, 403]


async def test_a_connection_that_is_cut_between_commit_and_answer_is_resolved_by_the_journal(client: httpx.AsyncClient, database: Database) -> None:
    """The caller saw an error; the same key tells what became of it."""
    await appropriate(client, 1_000_000)
    content = body(1_000)

    async def cut() -> None:
        admin = await asyncpg.connect(database.urls["postgres"])
        for _ in range(20):
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'budget' AND datname = $1", database.name)
            await asyncio.sleep(0.005)
        await admin.close()

    calls = [reserve(client, content, key="cut")] + [reserve(client, body(1_000)) for _ in range(40)]
    answers, _ = await asyncio.gather(asyncio.gather(*calls), cut())
    settled = await reserve(client, content, key="cut")

    assert {answer.status_code for answer in answers} <= {200, 503}
    assert settled.json()["results"][0]["status"] == "reserved"
    assert (await balances(client))["reserved_fen"] % 1_000 == 0
    await assert_books_add_up(database)
