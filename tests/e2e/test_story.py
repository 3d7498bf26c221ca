"""The main job, end to end on real parts: the story of `make demo`, and what must be true when it has been told."""

import asyncio
import json
import subprocess
from collections import Counter
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import pytest_asyncio

from deploy.demo.evidence import BARE_PYTHON
from deploy.demo.filing_act import Filed
from deploy.demo.payment_act import account_number
from deploy.demo.world import World, rows_of
from tests.e2e.conftest import Told

APPROPRIATED_FEN = 200_000_000
PAID_FEN = 197_968_055
AVAILABLE_FEN = 2_031_945
SERVICES = ("registry", "applications", "budget", "notifications")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cases(told: Told) -> dict[str, dict[str, Any]]:
    """Every case with its history, by the district's row reference, as the auditor reads it now."""
    auditor = await told.world.as_staff("auditor", service="applications")
    found = [(await auditor.get(f"/v1/applications/{row['id']}")).json() for row in await rows_of(auditor, "/v1/applications")]
    return {case["row_reference"]: case for case in found}


async def test_forty_rows_filed_three_times_made_twenty_seven_cases(told: Told, cases: dict[str, dict[str, Any]]) -> None:
    expected = {row.reference for row in told.world.cast.good}

    assert set(cases) == expected
    assert len(expected) == 27
    assert {case["channel"] for case in cases.values()} == {"district"}
    assert {case["received_on"] for case in cases.values()} == {"2025-09-08"}


async def test_the_fund_is_what_is_available_reserved_in_transit_and_paid(told: Told) -> None:
    auditor = await told.world.as_staff("auditor", service="budget")

    fund = (await auditor.get("/v1/ledger/balances", params={"fiscal_year": 2025})).json()

    states = {name: fund[name] for name in ("available_fen", "reserved_fen", "in_transit_fen", "paid_fen")}
    assert states == {"available_fen": AVAILABLE_FEN, "reserved_fen": 0, "in_transit_fen": 0, "paid_fen": PAID_FEN}
    assert fund["appropriated_fen"] == APPROPRIATED_FEN == sum(states.values())


async def test_the_journal_re_adds_to_every_balance(told: Told) -> None:
    """In the database, as the auditor's own role, over every account and not only the totals."""
    postings = await query(told.world, "auditor", "SELECT dr, cr, amount_fen, seq FROM budget.journal ORDER BY seq")
    balances = await query(told.world, "auditor", "SELECT account, side, balance_fen FROM budget.balance JOIN budget.account_name USING (name)")

    added: Counter[tuple[str, str]] = Counter()
    for posting in postings:
        added[posting["dr"], "dr"] += posting["amount_fen"]
        added[posting["cr"], "cr"] += posting["amount_fen"]
    for row in balances:
        other = "cr" if row["side"] == "dr" else "dr"
        assert row["balance_fen"] == added[row["account"], row["side"]] - added[row["account"], other], row["account"]
    assert [posting["seq"] for posting in postings] == list(range(1, len(postings) + 1))


async def test_the_park_award_that_does_not_fit_leads_the_waiting_list(told: Told, cases: dict[str, dict[str, Any]]) -> None:
    story = told.world.cast.story
    auditor = await told.world.as_staff("auditor", service="budget")

    waiting = await rows_of(auditor, "/v1/waiting-list", fiscal_year=2025)

    assert [row["application_id"] for row in waiting] == [cases[story["park_waits"]]["id"], cases[story["still_waits"]]["id"]]
    assert waiting[0]["line_id"] == "2023-15/7n"
    assert waiting[0]["amount_fen"] > AVAILABLE_FEN
    assert cases[story["park_waits"]]["state"] == cases[story["still_waits"]]["state"] == "waiting_for_funds"


async def test_the_released_money_funded_the_next_that_fits_in_the_same_transaction(told: Told, cases: dict[str, dict[str, Any]]) -> None:
    story = told.world.cast.story
    objected, following = cases[story["objected"]], cases[story["next_funded"]]
    entries = (
        "SELECT xmin::text AS transaction, seq, kind, amount_fen FROM budget.journal WHERE application_id = $1 AND outcome = 'posted' ORDER BY seq"
    )

    of_objected = await query(told.world, "postgres", entries, objected["id"])
    of_following = await query(told.world, "postgres", entries, following["id"])

    assert [row["kind"] for row in of_objected] == ["reserve", "release"]
    assert [row["kind"] for row in of_following] == ["reserve", "order", "confirm"]
    assert of_objected[1]["transaction"] == of_following[0]["transaction"]
    assert of_following[0]["seq"] == of_objected[1]["seq"] + 1
    assert (objected["state"], following["state"]) == ("refused", "paid")


async def test_the_notice_over_the_holiday_closes_on_the_first_working_day_after_five(told: Told) -> None:
    """28 September (Sunday) and 11 October (Saturday) are worked, 1 to 8 October are not: 国办发明电〔2024〕12号."""
    stack = told.world.stack

    published = (await stack.probes.get(f"{stack.urls['applications']}/v1/notices")).json()["rows"]

    first, second = (next(each for each in published if each["number"].endswith(number)) for number in ("-0001", "-0002"))
    assert [first[name] for name in ("first_day", "last_day", "closes_on", "state")] == ["2025-09-26", "2025-10-10", "2025-10-11", "closed"]
    assert [second[name] for name in ("first_day", "last_day", "closes_on", "state")] == ["2025-09-30", "2025-10-14", "2025-10-15", "closed"]
    assert (len(first["cases"]), len(second["cases"])) == (23, 1)


async def test_no_award_was_confirmed_before_its_notice_closed(told: Told, cases: dict[str, dict[str, Any]]) -> None:
    announced = told.story.announced
    closes_on = dict.fromkeys(announced.confirmed_first, "2025-10-11") | dict.fromkeys(announced.confirmed_second, "2025-10-15")

    confirmed_on = {reference: step["on"] for reference, case in cases.items() for step in case["history"] if step["action"] == "confirm"}

    assert confirmed_on == closes_on


async def test_every_history_is_whole_and_each_step_names_its_clause_and_rule_version(told: Told, cases: dict[str, dict[str, Any]]) -> None:
    document = told.world.cast.clauses["document"]

    for reference, case in cases.items():
        history = case["history"]
        assert len(history) == case["version"], reference
        assert history[0]["from_state"] is None
        assert history[-1]["to_state"] == case["state"]
        for before, after in pairwise(history):
            assert after["from_state"] == before["to_state"]
            assert after["at"] >= before["at"]
        for step in history:
            # Payment follows the budget and its plan; everything else is the policy's.
            law = "预算法 5" if step["action"].startswith("payment_") else document
            assert step["clause"].startswith(law), step
            assert step["rule_version"].startswith("2023-15/")
            assert step["rule_version"].endswith("@2023-06-12")
            assert step["caller"]


async def test_the_case_that_the_bank_returned_went_the_whole_way(told: Told, cases: dict[str, dict[str, Any]]) -> None:
    case = cases[told.world.cast.story["bank_returned"]]

    assert [(step["action"], step["to_state"], step["on"]) for step in case["history"]] == [
        ("file", "filed", "2025-09-08"),
        ("accept", "accepted", "2025-09-09"),
        ("approve", "in_review", "2025-09-16"),
        ("approve", "in_review", "2025-09-19"),
        ("approve", "in_review", "2025-09-24"),
        ("propose", "proposed", "2025-09-24"),
        ("funds_reserved", "funded", "2025-09-24"),
        ("open_notice", "on_notice", "2025-09-26"),
        ("confirm", "confirmed", "2025-10-11"),
        ("payment_ordered", "paying", "2025-10-13"),
        ("payment_returned", "confirmed", "2025-10-14"),
        ("payment_ordered", "paying", "2025-10-15"),
        ("payment_confirmed", "paid", "2025-10-16"),
    ]


async def test_a_correction_and_a_late_registration_hold_up_acceptance_and_nothing_else(told: Told, cases: dict[str, dict[str, Any]]) -> None:
    corrected, newcomer = (cases[told.world.cast.story[name]] for name in ("corrected", "newcomer"))

    assert [step["action"] for step in corrected["history"]][:4] == ["file", "return", "correct", "accept"]
    assert corrected["filed_on"] == "2025-08-27"
    accepted = next(step for step in newcomer["history"] if step["action"] == "accept")
    assert accepted["on"] == "2025-09-11"
    assert (corrected["state"], newcomer["state"]) == ("paid", "paid")


async def test_the_applicant_was_told_each_step_once(told: Told, cases: dict[str, dict[str, Any]]) -> None:
    auditor = await told.world.as_staff("auditor", service="notifications")

    messages = await rows_of(auditor, "/v1/messages")

    per_case = Counter(message["case_number"] for message in messages)
    assert per_case == {case["case_number"]: len(steps_told(case)) for case in cases.values()}
    assert len({(each["application_id"], each["case_version"], each["event_type"]) for each in messages}) == len(messages)
    assert all(each["remedy"] for each in messages if each["event_type"] == "applications.application_refused.v1")


def steps_told(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Every step but two kinds: the first of two signatures of the joint review, and the order to release money before a refusal."""
    joint_by_one = [step for step in case["history"] if step["action"] == "approve" and step["stage"] == "joint"]
    releasing = [step for step in case["history"] if step["to_state"] == "releasing"]
    return [step for step in case["history"] if step not in joint_by_one and step not in releasing]


async def test_the_portal_took_every_record_of_a_case_in_its_order(told: Told, cases: dict[str, dict[str, Any]]) -> None:
    """Compared with the portal's own file; a failing portal put nothing out of order and nothing in twice."""
    auditor = await told.world.as_staff("auditor", service="notifications")
    written = await rows_of(auditor, "/v1/portal-records")
    taken = [json.loads(line) for line in (told.world.stack.folder / "portal.jsonl").read_text(encoding="utf-8").splitlines()]

    ours = {number: records_of(written, number=number) for number in (case["case_number"] for case in cases.values())}
    theirs: dict[str, list[tuple[str, str, str]]] = {}
    for record in taken:
        content = record["content"]
        theirs.setdefault(content["orgbusno"], []).append((record["kind"], content.get("sn", "0"), content["dataver"]))

    assert theirs == ours
    assert len(taken) == len(written)
    assert {record["state"] for record in written} == {"accepted"}
    assert any(record["attempts"] > 1 for record in written)
    for case in cases.values():
        kinds = [kind for kind, _, _ in theirs[case["case_number"]]]
        assert kinds[0] == "basic"
        assert (kinds[-1] == "done") == (case["state"] in ("paid", "refused"))


def records_of(written: list[dict[str, Any]], *, number: str) -> list[tuple[str, str, str]]:
    mine = sorted((each for each in written if each["case_number"] == number), key=lambda each: int(each["position"]))
    return [(each["kind"], str(each["sn"]), str(each["dataver"])) for each in mine]


async def test_each_payment_was_signed_by_three_people_and_the_returned_one_went_to_another_account(
    told: Told, cases: dict[str, dict[str, Any]]
) -> None:
    auditor = await told.world.as_staff("auditor", service="budget")

    orders = await rows_of(auditor, "/v1/payment-orders", fiscal_year=2025)

    assert Counter(order["state"] for order in orders) == {"paid": 23, "returned": 1}
    assert all(len({order["maker"], order["checker"], order["approver"]}) == 3 for order in orders)
    returned = cases[told.world.cast.story["bank_returned"]]["id"]
    issues = {order["issue"]: order for order in orders if order["application_id"] == returned}
    assert {issue: order["state"] for issue, order in issues.items()} == {1: "returned", 2: "paid"}
    assert issues[1]["bank_reference"] != issues[2]["bank_reference"]
    assert issues[1]["payee"]["account_number_masked"] != issues[2]["payee"]["account_number_masked"]


async def test_a_bank_row_of_nobody_is_kept_for_reconciliation(told: Told) -> None:
    bank = await told.world.as_system("bank", service="budget")

    rows = await rows_of(bank, "/v1/bank-confirmations", status="reconcile")

    assert [(row["bank_reference"], row["cause"]) for row in rows] == [("PO-1999-000001", "no-such-reference")]


async def test_nothing_is_left_on_the_way(told: Told) -> None:
    """Outboxes empty, nothing parked, in any of the four services."""
    for service in SERVICES:
        assert await query(told.world, "postgres", f"SELECT event_id FROM {service}.outbox") == []
        assert await query(told.world, "postgres", f"SELECT reason, detail FROM {service}.parked") == []


async def test_the_file_of_facts_says_what_the_apis_say(told: Told, cases: dict[str, dict[str, Any]]) -> None:
    facts = json.loads(told.facts_file.read_text(encoding="utf-8"))

    assert {reference: case["state"] for reference, case in facts["cases"].items()} == {each: case["state"] for each, case in cases.items()}
    assert facts["fund"]["paid_fen"] == sum(case["amount_fen"] for case in cases.values() if case["state"] == "paid") == PAID_FEN
    assert facts["journal"]["readded"]["available_fen"] == AVAILABLE_FEN
    assert [notice["closes_on"] for notice in facts["notices"]] == ["2025-10-15", "2025-10-11"]
    assert facts["portal"]["in_order"] is True
    assert facts["effect"]["one_hop_ms"]["samples"] == 25
    assert 0 < facts["effect"]["one_hop_ms"]["median"] <= facts["effect"]["one_hop_ms"]["max"]
    assert date.fromisoformat(facts["business_time"][:10]) == date(2025, 10, 16)


async def test_the_pack_of_the_year_was_verified_by_python_alone_and_would_not_be_if_a_row_were_another(told: Told) -> None:
    auditor = await told.world.as_staff("auditor", service="budget")
    (key,) = (await auditor.get("/v1/ledger/checkpoint-keys")).json()["keys"]
    rows, evidence = told.story.facts["journal"]["entries"], told.story.facts["evidence"]
    pack, command = Path(evidence["folder"]), [BARE_PYTHON, "-I", "verify.py", "journal.ndjson", "--public-key", key["public_key"]]

    lines = (pack / "journal.ndjson").read_text(encoding="utf-8").splitlines(keepends=True)
    other_row = lines[5].replace("city_hr_industry_fund", "another_fund")
    (pack / "journal.ndjson").write_text("".join([*lines[:5], other_row, *lines[6:]]), encoding="utf-8")
    again = [*command, "--checkpoint", "../kept.checkpoint"]
    altered = await asyncio.to_thread(subprocess.run, again, cwd=pack, env={}, capture_output=True, encoding="utf-8", check=False)
    (pack / "journal.ndjson").write_text("".join(lines), encoding="utf-8")

    assert f"GOOD 无误 {rows} rows" in evidence["verified"]
    assert "1 signed checkpoints agree" in evidence["verified"]
    assert evidence["checkpoint_seq"] == rows
    assert set(evidence["minutes"]) == {told.world.cast.minutes_number}
    assert len(evidence["minutes"]) == sum(case["state"] == "paid" for case in told.story.facts["cases"].values())
    assert all(line in told.shown for line in evidence["verified"].splitlines())
    assert (altered.returncode, altered.stdout) == (1, "")
    assert "BAD 有误 seq 5: " in altered.stderr
    exports = await query(told.world, "auditor", "SELECT kind, fiscal_year, sha256 FROM budget.evidence_export")
    assert [tuple(row) for row in exports] == [("pack", 2025, evidence["sha256"])]


async def test_what_is_shown_names_the_steps_and_no_account_number(told: Told) -> None:
    assert told.shown.count("✓") >= 30
    assert "2025-10-11期满确认" in told.shown
    assert "None" not in told.shown
    assert not any(number in told.shown for number in account_numbers(told.story.filed))


def account_numbers(filed: Filed) -> list[str]:
    return [account_number(application_id, issue=issue) for application_id in filed.ids.values() for issue in (1, 2)]


async def query(world: World, role: str, sql: str, *values: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(world.stack.database_url(role))
    try:
        rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
        return rows
    finally:
        await connection.close()
