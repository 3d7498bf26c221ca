"""疑点: one invoice or one person in several cases that were paid, seen by marks alone; and the minutes that the pack names."""

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from shared.events.applications import AwardConfirmed, AwardMark
from shared.live import Live
from tests.building import fetch
from tests.integration.budget.acting import Case, appropriate, approved_order, award, bank_says, cases_of, confirmation_of, hear, paid_row, proposed
from tests.integration.budget.test_ended_payees import number_of
from tests.integration.budget.test_evidence import pack, rows_of
from tests.integration.budget.test_suspicions import NOTHING, SAME_INVOICE, SAME_PERSON, case_of, findings
from tests.runtime import Database

ONE, TWO = (hashlib.sha256(each.encode()).hexdigest() for each in ("one", "two"))


def marks(*values: str, kind: str = "invoice") -> tuple[AwardMark, ...]:
    return tuple(AwardMark(kind=kind, value=value) for value in values)


async def paid_case(client: httpx.AsyncClient, live: Live, *of: AwardMark) -> Case:
    case = await case_of(client, live, marks=of or None)
    await bank_says(client, paid_row(await approved_order(client, case)))
    return case


def together(*cases: Case) -> str:
    return "、".join(sorted(number_of(case) for case in cases))


@pytest.mark.parametrize(("kind", "rule", "other_rule"), [("invoice", SAME_INVOICE, SAME_PERSON), ("person", SAME_PERSON, SAME_INVOICE)])
async def test_a_number_of_two_paid_cases_is_found_and_that_of_one_is_not(
    client: httpx.AsyncClient, live: Live, tmp_path: Path, kind: str, rule: str, other_rule: str
) -> None:
    await appropriate(client, 100_000_000)
    first = await paid_case(client, live, *marks(ONE, TWO, kind=kind))
    alone = await findings(client, tmp_path)
    second = await paid_case(client, live, *marks(ONE, kind=kind))

    both = await findings(client, tmp_path)

    assert alone[rule] == NOTHING
    assert both[rule] == [(ONE[:12], together(first, second))]
    assert both[other_rule] == NOTHING


async def test_a_case_that_was_ordered_and_not_paid_yet_is_not_found(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 100_000_000)
    first = await paid_case(client, live, *marks(ONE))
    second = await case_of(client, live, marks=marks(ONE))
    order = await approved_order(client, second)
    in_transit = await findings(client, tmp_path)

    await bank_says(client, paid_row(order))

    assert in_transit[SAME_INVOICE] == NOTHING
    assert (await findings(client, tmp_path))[SAME_INVOICE] == [(ONE[:12], together(first, second))]


async def test_the_same_value_as_an_invoice_and_as_a_person_is_no_match(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 100_000_000)
    await paid_case(client, live, *marks(ONE))
    await paid_case(client, live, *marks(ONE, kind="person"))

    found = await findings(client, tmp_path)

    assert (found[SAME_INVOICE], found[SAME_PERSON]) == (NOTHING, NOTHING)


async def test_three_cases_with_one_invoice_are_one_finding(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 100_000_000)
    cases = [await paid_case(client, live, *marks(ONE, TWO)) for _ in range(3)]

    found = await findings(client, tmp_path)

    assert found[SAME_INVOICE] == sorted([(ONE[:12], together(*cases)), (TWO[:12], together(*cases))])


async def test_a_year_in_which_none_of_the_cases_was_paid_does_not_tell_of_them(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 100_000_000)
    for _ in range(2):
        await paid_case(client, live, *marks(ONE))

    other_year = await pack(client, folder=tmp_path / "other", fiscal_year=2024)

    assert [row["情况"] for row in rows_of(other_year, "suspicions.csv") if row["疑点"] == SAME_INVOICE] == ["未发现"]


REVIEW: dict[str, Any] = {"decision_id": 41, "decision_stage": "joint", "decided_on": date(2025, 9, 12)}


async def confirmed(live: Live, **told: object) -> tuple[Case, AwardConfirmed]:
    proposal = proposed(award(1_000_000))
    await hear(live, proposal)
    (case,) = cases_of(proposal)
    event = confirmation_of(case).model_copy(update=told)
    await hear(live, event)
    return case, event


@pytest.mark.parametrize("number", ["联审纪要〔2025〕9号", None])
async def test_the_pack_names_the_minutes_of_each_award_beside_its_notice(
    client: httpx.AsyncClient, live: Live, tmp_path: Path, number: str | None
) -> None:
    case, _ = await confirmed(live, **REVIEW, minutes_number=number)

    (row,) = rows_of(await pack(client, folder=tmp_path), "awards.csv")

    wanted = ("case_number", "notice_number", "confirmed_on", "minutes_number", "decision_stage", "decided_on", "decision_id")
    shown = (number_of(case), "公示〔2025〕1号", "2025-09-15", number or "", "joint", "2025-09-12", "41")
    assert tuple(row[name] for name in wanted) == shown


async def test_an_award_whose_confirmation_told_nothing_more_has_empty_minutes_and_no_marks(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await confirmed(live)

    (row,) = rows_of(await pack(client, folder=tmp_path), "awards.csv")

    assert (row["notice_number"], row["minutes_number"], row["decided_on"], row["decision_id"]) == ("公示〔2025〕1号", "", "", "")
    assert await kept(database) == ([], [])


async def kept(database: Database) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    minutes = await fetch(database, "SELECT number, stage, decided_on, decision_id FROM award_minutes", service="budget")
    marked = await fetch(database, "SELECT kind, value FROM award_mark ORDER BY kind, value", service="budget")
    return [tuple(row) for row in minutes], [tuple(row) for row in marked]


async def test_a_confirmation_that_comes_again_keeps_what_was_kept_first(live: Live, database: Database) -> None:
    _, event = await confirmed(live, **REVIEW, minutes_number="甲", marks=marks(ONE, TWO))
    before = await kept(database)

    await hear(live, event, event.model_copy(update={"minutes_number": "乙", "decision_id": 42}))

    assert await kept(database) == before == ([("甲", "joint", date(2025, 9, 12), 41)], sorted([("invoice", ONE), ("invoice", TWO)]))


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("statement", ["UPDATE {} SET proposal_id = application_id", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("table", ["award_minutes", "award_mark"])
async def test_what_an_award_rests_on_is_only_added_to(database: Database, table: str, statement: str) -> None:
    for role in ("budget", "budget_owner"):
        assert await refused(database, statement.format(table), role=role)


async def refused(database: Database, statement: str, *, role: str) -> bool:
    connection = await asyncpg.connect(database.urls[role])
    try:
        await connection.execute(statement)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError):
        return True
    finally:
        await connection.close()
    return False


async def test_the_auditor_reads_what_the_findings_are_made_of(live: Live, database: Database) -> None:
    await confirmed(live, **REVIEW, marks=marks(ONE))
    names: Sequence[str] = ("known_organisation", "known_institution", "award_minutes", "award_mark")

    counted = await fetch(database, f"SELECT {', '.join(f'(SELECT count(*) FROM {name})' for name in names)}", service="auditor")

    assert tuple(counted[0]) == (0, 0, 1, 1)
