"""The end of a fiscal year: refused while anything is open, carried with its purpose, lapsed after the next year, and shut for good."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import Act, CaseMoney, Kind, move
from shared.live import Live
from tests.building import fetch, move_business_clock
from tests.integration.budget.acting import (
    AUDITOR,
    LINE,
    appropriate,
    approved_order,
    assert_journal_readds,
    award,
    bank_says,
    cases_of,
    checked_order,
    enter_account,
    hear,
    kinds,
    paid_row,
    payable_case,
    proposed,
    release_of,
    returned_row,
    states,
    told,
    written,
)
from tests.integration.budget.test_clawbacks import ordered, receive
from tests.integration.budget.test_pools import TRANSFER, post
from tests.runtime import Database

CLOSE = {"fiscal_year": 2025, "document": "财结〔2026〕1号"}
IN_LINE = f"[line={LINE},jurisdiction=huancui"


def new_year(folder: Path, day: str = "2026-01-05") -> None:
    move_business_clock(folder, datetime.fromisoformat(f"{day}T10:00:00+08:00"))


async def close(client: httpx.AsyncClient, *, dry_run: bool = False, fiscal_year: int = 2025) -> Any:
    return await post(client, f"/v1/year-closes{'?dry_run=true' if dry_run else ''}", {**CLOSE, "fiscal_year": fiscal_year})


async def test_a_year_is_not_closed_before_it_is_over(client: httpx.AsyncClient, database: Database, tmp_path: Path) -> None:
    await appropriate(client, 1_000_000)
    new_year(tmp_path, "2025-12-31")
    before = await written(database)

    early = await close(client)

    assert (early.status_code, early.json()["code"]) == (409, "year-not-over")
    assert await written(database) == before
    new_year(tmp_path, "2026-01-01")
    assert (await close(client)).status_code == 201


async def test_what_is_reserved_goes_on_for_the_same_case_and_what_is_free_lapses(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    proposal = proposed(award(300_000))
    await hear(live, proposal)
    new_year(tmp_path)

    closed = await close(client)

    assert closed.status_code == 201, closed.text
    assert {name: closed.json()[name] for name in ("carried_cases", "carried_fen", "lapsed_fen", "last_seq")} == {
        "carried_cases": 1,
        "carried_fen": 300_000,
        "lapsed_fen": 700_000,
        "last_seq": 6,
    }
    balance = await assert_journal_readds(database)
    assert {account: fen for account, fen in balance.items() if fen} == {
        "2025/来源:年度批复": 1_000_000,
        "2025/结转核销:核销": 700_000,
        f"2026/指标:已预留{IN_LINE},origin=2025]": 300_000,
    }
    carried = await fetch(database, "SELECT voucher, leg, effective_on FROM journal WHERE kind = 'carry' ORDER BY seq", service="budget")
    assert [(row["voucher"], row["leg"], str(row["effective_on"])) for row in carried] == [
        ("CO-2025-000001", 1, "2025-12-31"),
        ("CO-2025-000001", 2, "2025-12-31"),
    ]
    (reservation,) = await fetch(database, "SELECT state, fiscal_year FROM reservation", service="budget")
    assert (reservation["state"], reservation["fiscal_year"]) == ("reserved", 2026)


async def test_a_dry_run_shows_what_would_happen_and_writes_nothing(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    await hear(live, proposed(award(300_000)))
    new_year(tmp_path)
    before = await written(database)

    seen = await close(client, dry_run=True)

    assert await written(database) == before
    done = await close(client)
    shared = ("carried_cases", "carried_fen", "lapsed_fen", "waiting_cases", "errors")
    assert {name: seen.json()[name] for name in shared} == {name: done.json()[name] for name in shared}


async def test_closing_again_answers_the_same_and_writes_nothing(client: httpx.AsyncClient, database: Database, tmp_path: Path) -> None:
    await appropriate(client, 1_000_000)
    new_year(tmp_path)
    first = await close(client)
    before = {name: rows for name, rows in (await written(database)).items() if name != "answer"}

    again = await close(client)

    assert again.json() == first.json()
    assert {name: rows for name, rows in (await written(database)).items() if name != "answer"} == before
    assert (await client.get("/v1/year-closes", auth=AUDITOR)).json()["rows"] == [first.json()]


async def test_two_closes_at_once_close_once(client: httpx.AsyncClient, database: Database, tmp_path: Path) -> None:
    await appropriate(client, 1_000_000)
    new_year(tmp_path)

    first, second = await asyncio.gather(close(client), close(client))

    assert first.json() == second.json()
    assert len(await fetch(database, "SELECT 1 FROM journal WHERE kind = 'lapse'", service="budget")) == 1


async def test_each_thing_that_is_open_is_named_with_its_sum_and_what_to_do(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 4_000_000)
    await approved_order(client, await payable_case(client, live))
    await checked_order(client, await payable_case(client, live))
    paid = await approved_order(client, await payable_case(client, live))
    await bank_says(client, paid_row(paid), {**paid_row(paid), "bank_reference": "PO-2025-999999"})
    await receive(client, (await ordered(client, paid, 500)).json(), 500)
    await post(client, "/v1/transfers", {**TRANSFER, "from_line_id": None, "amount_fen": 7})
    new_year(tmp_path)
    before = await written(database)

    refused = await close(client)
    seen = await close(client, dry_run=True)

    assert (refused.status_code, refused.json()["code"]) == (409, "close-refused")
    found = {(each["obstacle"], each["amount_fen"]) for each in refused.json()["errors"]}
    assert found == {
        ("in-transit", 1_000_000),
        ("payment-order-open", 1_000_000),
        ("to-remit", 500),
        ("unreconciled", 0),
        ("draft-open", 7),
    }
    assert all(each["subject"] and each["to_do"] and each["to_do_zh"] for each in refused.json()["errors"])
    assert seen.json()["errors"] == refused.json()["errors"]
    assert await written(database) == before


async def test_who_waits_is_told_that_the_list_ended_with_the_year(client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path) -> None:
    await appropriate(client, 1_000)
    proposal = proposed(award(300_000))
    await hear(live, proposal)
    (case,) = cases_of(proposal)
    new_year(tmp_path)

    closed = await close(client)

    assert closed.json()["waiting_cases"] == 1
    assert await states(database) == {case.application_id: "released"}
    assert kinds(await told(database, case)) == ["funds_waiting", "funds_released"]


async def test_an_earlier_year_is_closed_first(client: httpx.AsyncClient, tmp_path: Path) -> None:
    await appropriate(client, 1_000_000, fiscal_year=2024)
    await appropriate(client, 1_000_000)
    new_year(tmp_path)

    refused = await close(client)

    assert [(each["obstacle"], each["subject"]) for each in refused.json()["errors"]] == [("earlier-year-open", "2024")]
    assert (await close(client, fiscal_year=2024)).status_code == 201
    assert (await close(client)).status_code == 201


async def test_money_that_was_carried_once_is_not_carried_again(client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path) -> None:
    await appropriate(client, 1_000_000, fiscal_year=2024)
    await hear(live, proposed(award(300_000), fiscal_year=2024))
    assert (await close(client, fiscal_year=2024)).status_code == 201
    new_year(tmp_path)

    refused = await close(client)

    (error,) = refused.json()["errors"]
    assert (error["obstacle"], error["amount_fen"]) == ("carried-unspent", 300_000)


@pytest.mark.parametrize("verb", ["/v1/appropriations", "/v1/allotments", "/v1/transfers"])
async def test_a_closed_year_takes_nothing_more(client: httpx.AsyncClient, database: Database, tmp_path: Path, verb: str) -> None:
    await appropriate(client, 1_000_000)
    new_year(tmp_path)
    await close(client)
    before = await written(database)
    bodies: dict[str, dict[str, object]] = {
        "/v1/appropriations": {"fiscal_year": 2025, "amount_fen": 1, "document": "d", "approved_on": "2025-12-31"},
        "/v1/allotments": {"fiscal_year": 2025, "line_id": LINE, "amount_fen": 1, "document": "d", "approved_on": "2025-12-31"},
        "/v1/transfers": {**TRANSFER, "from_line_id": None, "amount_fen": 1},
    }

    answered = await post(client, verb, bodies[verb])

    assert (answered.status_code, answered.json()["code"]) == (409, "year-closed")
    assert await written(database) == before


async def test_the_database_itself_refuses_a_day_of_a_closed_year(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 1_000_000)
    new_year(tmp_path)
    await close(client)
    proposal = proposed(award(1))
    (case,) = cases_of(proposal)
    money = CaseMoney(
        application_id=case.application_id,
        proposal_id=case.proposal_id,
        case_number="C-1",
        applicant_uscc="91990000MA0000015Q",
        fiscal_year=2025,
        line_id=LINE,
        jurisdiction_id="huancui",
        amount_fen=1,
        policy_version="v",
        funding_source="f",
        expenditure_category="reward",
    )
    act = Act(caller="c", key="k", fingerprint=b"f", at=proposal.happened_at, on=proposal.happened_on)

    async def reserve() -> None:
        async with live.transaction() as tx:
            await ledger.lock_fund(tx, fiscal_year=2025, policy_id="2023-15")
            await ledger.post_entries(tx, [move(money, kind=Kind.RESERVE, document="d", effective_on=act.on)], act=act)

    with pytest.raises(asyncpg.RestrictViolationError, match="closed"):
        await reserve()


@pytest.mark.parametrize("first", ["close", "release"])
async def test_a_release_and_the_close_meet_and_no_fen_is_lost(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path, first: str
) -> None:
    await appropriate(client, 1_000_000)
    proposal = proposed(award(300_000))
    await hear(live, proposal)
    (case,) = cases_of(proposal)
    new_year(tmp_path)
    acts = {"close": close(client), "release": hear(live, release_of(case))}

    await asyncio.gather(*(acts[name] for name in [first, *(acts.keys() - {first})]))

    assert kinds(await told(database, case)) == ["funds_reserved", "funds_released"]
    balance = await assert_journal_readds(database)
    carried_fen = balance.get(f"2026/指标:可用{IN_LINE},origin=2025]", 0)
    assert (carried_fen, balance["2025/结转核销:核销"]) in {(300_000, 700_000), (0, 1_000_000)}


async def test_a_carried_case_is_paid_in_the_next_year_from_the_money_of_its_own(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    new_year(tmp_path)
    await close(client)

    order = await approved_order(client, case)
    (answer,) = await bank_says(client, paid_row(order, settled_on="2026-01-05"))

    assert (answer["status"], order["bank_reference"]) == ("changed", "PO-2026-000001")
    balance = await assert_journal_readds(database)
    assert {account: fen for account, fen in balance.items() if fen} == {
        "2025/来源:年度批复": 1_000_000,
        f"2026/支付:已支付{IN_LINE},origin=2025]": 1_000_000,
    }


async def test_what_the_bank_sends_back_after_the_close_is_held_for_the_case_in_the_open_year(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = await approved_order(client, case)
    await bank_says(client, paid_row(order))
    new_year(tmp_path)
    await close(client)

    (answer,) = await bank_says(client, returned_row(order, settled_on="2025-12-30"))

    assert answer["status"] == "changed"
    (row,) = await fetch(database, "SELECT voucher, effective_on FROM journal WHERE kind = 'return'", service="budget")
    assert (row["voucher"], str(row["effective_on"])) == ("PR-2026-000001", "2026-01-05")
    balance = await assert_journal_readds(database)
    assert balance[f"2025/支付:已支付{IN_LINE}]"] == 1_000_000
    assert balance[f"2026/指标:已预留{IN_LINE},origin=2025]"] == 1_000_000
    assert await states(database) == {case.application_id: "reserved"}
    await enter_account(client, case)
    again = await approved_order(client, case)
    await bank_says(client, paid_row(again, settled_on="2026-01-05"))
    assert (await assert_journal_readds(database))[f"2026/支付:已支付{IN_LINE},origin=2025]"] == 1_000_000


async def test_a_proposal_of_a_closed_december_is_refused_with_the_year(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    new_year(tmp_path)
    await close(client)
    proposal = proposed(award(300_000))
    (case,) = cases_of(proposal)

    await hear(live, proposal)

    (answer,) = await told(database, case)
    assert (answer.kind, answer.body["reason_code"]) == ("reservation_refused", "year-closed")
    assert await states(database) == {case.application_id: "refused"}
    await assert_journal_readds(database)


@pytest.mark.parametrize("first", ["close", "proposal"])
async def test_a_december_proposal_and_the_close_meet_and_it_is_carried_or_refused(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path, first: str
) -> None:
    await appropriate(client, 1_000_000)
    new_year(tmp_path)
    proposal = proposed(award(300_000))
    (case,) = cases_of(proposal)
    acts = {"close": close(client), "proposal": hear(live, proposal)}

    await asyncio.gather(*(acts[name] for name in [first, *(acts.keys() - {first})]))

    balance = await assert_journal_readds(database)
    carried_fen = balance.get(f"2026/指标:已预留{IN_LINE},origin=2025]", 0)
    assert ((await states(database))[case.application_id], carried_fen, balance["2025/结转核销:核销"]) in {
        ("reserved", 300_000, 700_000),
        ("refused", 0, 1_000_000),
    }
