"""Allotments and transfers over HTTP: money is narrowed and moved by its document, and never below what is held."""

import asyncio
from typing import Any

import httpx
import pytest

from shared.live import Live
from tests.building import Staff, fetch, staff_token
from tests.integration.budget.acting import (
    AUDITOR,
    FINANCE,
    LINE,
    MAKER,
    YEAR,
    appropriate,
    assert_journal_readds,
    award,
    cases_of,
    hear,
    proposed,
    release_of,
    written,
)
from tests.runtime import Database

FINANCE_2 = Staff(staff_token("finance-2", roles=["city-finance"]))
OTHER_LINE = "2023-15/2"
ALLOTMENT = {"fiscal_year": YEAR, "line_id": LINE, "amount_fen": 600_000, "document": "财预指〔2025〕9号", "approved_on": "2025-03-01"}
TRANSFER = {
    "fiscal_year": YEAR,
    "from_line_id": LINE,
    "to_line_id": OTHER_LINE,
    "amount_fen": 600_000,
    "document": "财预调〔2025〕3号",
    "reason": "调整",
}


async def post(client: httpx.AsyncClient, path: str, body: dict[str, Any] | None = None, *, auth: Staff = FINANCE, version: int | None = None) -> Any:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return await client.post(path, json=body, headers=headers, auth=auth)


async def pools(database: Database) -> dict[str, int]:
    rows = await fetch(database, "SELECT account, balance_fen FROM balance WHERE balance_fen > 0 AND name = '指标:可用'", service="budget")
    return {row["account"]: row["balance_fen"] for row in rows}


async def test_an_allotment_narrows_free_money_to_a_line_by_its_document(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)

    answered = await post(client, "/v1/allotments", ALLOTMENT)

    assert (answered.status_code, answered.json()["voucher"]) == (201, "AL-2025-000002")
    assert await pools(database) == {"2025/指标:可用": 400_000, f"2025/指标:可用[line={LINE}]": 600_000}
    listed = (await client.get("/v1/allotments", auth=AUDITOR)).json()["rows"]
    assert listed == [answered.json()]
    await assert_journal_readds(database)


async def test_one_fen_more_than_is_free_is_refused_with_every_term(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    await hear(live, proposed(award(400_000)))
    before = await written(database)

    answered = await post(client, "/v1/allotments", {**ALLOTMENT, "amount_fen": 600_001})

    assert (answered.status_code, answered.json()["code"]) == (409, "insufficient-budget")
    assert {name: answered.json()[name] for name in ("level", "requested_fen", "available_fen", "reserved_fen", "paid_fen", "as_of_seq")} == {
        "level": "2025/指标:可用",
        "requested_fen": 600_001,
        "available_fen": 600_000,
        "reserved_fen": 400_000,
        "paid_fen": 0,
        "as_of_seq": 3,
    }
    assert await written(database) == before


async def test_all_that_is_free_may_be_allotted(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    await hear(live, proposed(award(400_000)))

    answered = await post(client, "/v1/allotments", ALLOTMENT)

    assert answered.status_code == 201
    assert await pools(database) == {f"2025/指标:可用[line={LINE}]": 600_000}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"line_id": "2023-15/99"}, "no-such-line"),
        ({"jurisdiction_id": "nowhere"}, "unknown-jurisdiction"),
        ({"line_id": None}, "nothing-narrowed"),
        ({"approved_on": "2025-09-16"}, "document-in-future"),
        ({"fiscal_year": 2026}, "no-fund-for-year"),
    ],
)
async def test_an_allotment_to_nowhere_is_refused(client: httpx.AsyncClient, database: Database, change: dict[str, Any], code: str) -> None:
    await appropriate(client, 1_000_000)
    before = await written(database)

    answered = await post(client, "/v1/allotments", {**ALLOTMENT, **change})

    assert (answered.status_code, answered.json()["code"]) == (422, code)
    assert await written(database) == before


async def test_a_document_allots_to_one_place_once(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_200_000)
    await post(client, "/v1/allotments", ALLOTMENT)

    again = await post(client, "/v1/allotments", ALLOTMENT)
    elsewhere = await post(client, "/v1/allotments", {**ALLOTMENT, "jurisdiction_id": "huancui"})

    assert (again.status_code, again.json()["code"]) == (409, "allotment-recorded")
    assert elsewhere.status_code == 201
    await assert_journal_readds(database)


async def test_a_dry_run_answers_the_same_and_writes_nothing(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)
    before = await written(database)

    rehearsed = await post(client, "/v1/allotments?dry_run=true", ALLOTMENT)

    assert await written(database) == before
    done = await post(client, "/v1/allotments", ALLOTMENT)
    varying = {"id", "recorded_at"}
    assert {k: v for k, v in rehearsed.json().items() if k not in varying} == {k: v for k, v in done.json().items() if k not in varying}
    assert rehearsed.status_code == done.status_code == 201


async def test_a_maker_of_the_bureau_may_not_move_the_fund(client: httpx.AsyncClient) -> None:
    answered = await post(client, "/v1/transfers", TRANSFER, auth=MAKER)

    assert answered.status_code == 403


async def test_a_transfer_moves_money_only_with_the_second_signature(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    made = (await post(client, "/v1/transfers", TRANSFER)).json()
    assert f"2025/指标:可用[line={LINE}]" in await pools(database)

    approved = await post(client, f"/v1/transfers/{made['id']}:approve", auth=FINANCE_2, version=1)

    assert (approved.status_code, approved.json()["state"], approved.json()["voucher"]) == (200, "approved", "TR-2025-000001")
    assert await pools(database) == {"2025/指标:可用": 400_000, f"2025/指标:可用[line={OTHER_LINE}]": 600_000}
    (row,) = await fetch(database, "SELECT maker, checker, approver, document FROM journal WHERE kind = 'transfer'", service="budget")
    assert row["maker"] != row["approver"]
    assert (row["checker"], row["document"]) == (None, TRANSFER["document"])
    await assert_journal_readds(database)


async def test_the_maker_of_a_transfer_does_not_approve_it(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    made = (await post(client, "/v1/transfers", TRANSFER)).json()
    before = await written(database)

    answered = await post(client, f"/v1/transfers/{made['id']}:approve", version=1)

    assert (answered.status_code, answered.json()["code"]) == (403, "second-person-needed")
    assert await written(database) == before


async def test_a_decided_transfer_is_not_decided_again(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    made = (await post(client, "/v1/transfers", TRANSFER)).json()
    rejected = await post(client, f"/v1/transfers/{made['id']}:reject", auth=FINANCE_2, version=1)
    assert (rejected.status_code, rejected.json()["state"]) == (200, "rejected")

    answered = await post(client, f"/v1/transfers/{made['id']}:approve", auth=FINANCE_2, version=2)

    assert (answered.status_code, answered.json()["code"]) == (409, "already-decided")
    assert (await pools(database))[f"2025/指标:可用[line={LINE}]"] == 600_000


async def test_a_case_draws_from_its_line_and_the_whole_fund_and_gives_each_back_its_own(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    before = await pools(database)
    proposal = proposed(award(900_000))

    await hear(live, proposal)
    drawn = await pools(database)
    (case,) = cases_of(proposal)
    await hear(live, release_of(case))

    assert drawn == {"2025/指标:可用": 100_000}
    assert await pools(database) == before
    legs = await fetch(database, "SELECT voucher, leg, amount_fen FROM journal WHERE kind = 'reserve' ORDER BY seq", service="budget")
    assert [tuple(row) for row in legs] == [("RS-2025-000001", 1, 600_000), ("RS-2025-000001", 2, 300_000)]
    await assert_journal_readds(database)


async def test_a_transfer_back_to_the_whole_fund_serves_who_waits(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    await hear(live, proposed(award(900_000, line_id=OTHER_LINE)))
    made = (await post(client, "/v1/transfers", {**TRANSFER, "to_line_id": None})).json()

    await post(client, f"/v1/transfers/{made['id']}:approve", auth=FINANCE_2, version=1)

    (row,) = await fetch(database, "SELECT state FROM reservation", service="budget")
    assert row["state"] == "reserved"
    await assert_journal_readds(database)


@pytest.mark.parametrize("first", ["transfer", "reserve"])
async def test_a_transfer_and_a_reservation_race_for_the_last_fen_and_one_of_them_wins(
    client: httpx.AsyncClient, live: Live, database: Database, first: str
) -> None:
    await appropriate(client, 1_000_000)
    body = {**TRANSFER, "from_line_id": None, "amount_fen": 1_000_000}
    made = (await post(client, "/v1/transfers", body)).json()
    acts = {
        "transfer": post(client, f"/v1/transfers/{made['id']}:approve", auth=FINANCE_2, version=1),
        "reserve": hear(live, proposed(award(1))),
    }

    order = [first, *(acts.keys() - {first})]

    answers = dict(zip(order, await asyncio.gather(*(acts[name] for name in order)), strict=True))

    moved = answers["transfer"]
    (row,) = await fetch(database, "SELECT state FROM reservation", service="budget")
    assert (moved.status_code, row["state"]) in {(200, "waiting"), (409, "reserved")}
    if moved.status_code == 409:
        assert (moved.json()["available_fen"], moved.json()["reserved_fen"]) == (999_999, 1)
    await assert_journal_readds(database)
