"""What an award rests on, from the filing and the review to the order to pay: marks in place of numbers, and the minutes of the joint review."""

import json
from collections.abc import Mapping
from typing import Any

import asyncpg
import httpx
import pytest

from shared.events.applications import AwardConfirmed
from shared.events.budget import ReservationRefused
from tests.integration.applications.callers import CITY_REVIEWER, FINANCE, HUANCUI, JOINT_REVIEWER, filing
from tests.integration.applications.desk import AMOUNT_FEN, Desk
from tests.integration.applications.test_decisions import at_stage, refusals

DIGITAL = "25379900000000000017"
PAPER = {"code": "3700990012", "number": "00000017"}
RESIDENT_ID = "990000199001010017"
NUMBERED: Mapping[str, Any] = {"invoices": [{"number": DIGITAL}, PAPER], "resident_ids": [RESIDENT_ID]}
MINUTES = "联审纪要〔2025〕9号"


async def everything_kept(desk: Desk) -> str:
    """All rows of all tables of the service as text: its own, and those of its mechanism."""
    owner = await asyncpg.connect(desk.database.urls["applications_owner"])
    try:
        tables = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'applications'")
        dumped = [await owner.fetch(f"SELECT t::text AS row FROM {table['tablename']} t") for table in tables]
        outbox = await owner.fetch("SELECT convert_from(payload, 'UTF8') AS row FROM outbox")
    finally:
        await owner.close()
    return "\n".join(row["row"] for rows in (*dumped, outbox) for row in rows)


async def confirm(desk: Desk, application_id: str) -> AwardConfirmed:
    """From proposed to confirmed; returns what the budget is told."""
    case = await desk.fund(application_id)
    opened = await desk.open_notice(case["id"])
    desk.move_clock(f"{opened['closes_on']}T12:00:00+08:00")
    await desk.close_notices()
    (body,) = (each.body for each in await desk.announced() if each.key == application_id and each.type == AwardConfirmed.type)
    assert body is not None
    return AwardConfirmed.model_validate(body)


async def test_numbers_are_kept_and_told_as_marks_alone(desk: Desk) -> None:
    filed = await desk.file(filing(**NUMBERED))
    await desk.propose(filed["application_id"])

    told = await confirm(desk, filed["application_id"])

    shown = (await desk.get(filed["application_id"]))["content"]
    assert told.marks is not None
    assert [each.kind for each in told.marks] == ["invoice", "invoice", "person"]
    assert shown["marks"] == {
        "invoice": [each.value for each in told.marks if each.kind == "invoice"],
        "person": [each.value for each in told.marks if each.kind == "person"],
    }
    kept = await everything_kept(desk) + json.dumps(shown)
    assert told.marks[0].value in kept
    assert [number for number in (DIGITAL, PAPER["number"], PAPER["code"], RESIDENT_ID) if number in kept] == []


async def test_the_same_numbers_in_another_filing_have_the_same_marks(desk: Desk) -> None:
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in DIGITAL)
    first = await desk.file(filing("row-1", **NUMBERED))
    second = await desk.file(filing("row-2", **{**NUMBERED, "invoices": [PAPER, {"number": wide}]}))

    marks = [(await desk.get(each["application_id"]))["content"]["marks"] for each in (first, second)]

    assert marks[0] == marks[1]


async def test_a_filing_without_numbers_is_kept_and_told_as_before(desk: Desk) -> None:
    filed = await desk.file()
    await desk.propose(filed["application_id"])

    told = await confirm(desk, filed["application_id"])

    assert told.marks is None
    assert "marks" not in (await desk.get(filed["application_id"]))["content"]


async def test_the_same_numbers_again_change_nothing_and_other_numbers_are_a_new_version(desk: Desk) -> None:
    await desk.file(filing(**NUMBERED))

    again = await desk.file(filing(**{**NUMBERED, "invoices": [PAPER, {"number": DIGITAL}, PAPER]}))
    fewer = await desk.file(filing(**{**NUMBERED, "resident_ids": []}))

    assert (again["status"], fewer["status"]) == ("unchanged", "changed")
    assert list((await desk.get(fewer["application_id"]))["content"]["marks"]) == ["invoice"]


WRONG = [
    ({"invoices": [{"number": DIGITAL}, {"number": DIGITAL[:-1]}]}, ("invoice-number-invalid", "/invoices/1")),
    ({"invoices": [{"number": "00000017"}]}, ("invoice-number-invalid", "/invoices/0")),
    ({"resident_ids": [RESIDENT_ID[:-1] + "1"]}, ("bad-resident-id", "/resident_ids/0")),
    ({"invoices": [{"number": DIGITAL}] * 201}, ("invalid", "/invoices")),
    ({"resident_ids": [RESIDENT_ID] * 201}, ("invalid", "/resident_ids")),
    ({"resident_ids": ["9" * 41]}, ("invalid", "/resident_ids/0")),
    ({"invoices": [{"number": 17}]}, ("invalid", "/invoices/0/number")),
]


@pytest.mark.parametrize(("wrong", "answer"), WRONG)
async def test_a_number_that_is_none_is_refused_in_its_place_and_never_repeated(desk: Desk, wrong: dict[str, Any], answer: tuple[str, str]) -> None:
    before = await desk.counted()

    refused = await desk.client.post("/v1/applications", json=filing(**wrong), auth=HUANCUI)
    rehearsed = await desk.client.post("/v1/applications:validate", json={"rows": [filing(**wrong), filing("row-2")]}, auth=HUANCUI)

    problem, (in_row, beside) = refused.json(), rehearsed.json()["results"]
    assert refused.status_code == 422
    assert (problem["code"], problem["errors"][0]["pointer"]) == answer
    assert (in_row["problem"]["code"], in_row["problem"]["errors"][0]["pointer"]) == (answer[0], f"/rows/0{answer[1]}")
    assert beside["status"] == "created"
    assert [number for number in (DIGITAL[:-1], RESIDENT_ID[:-1], "9" * 41) if number in refused.text + rehearsed.text] == []
    assert await desk.counted() == before


async def test_as_many_numbers_as_are_taken_fit_into_the_order_to_pay(desk: Desk) -> None:
    invoices = [{"number": f"253799{n:014}"} for n in range(200)]
    filed = await desk.file(filing(invoices=invoices))
    await desk.propose(filed["application_id"])

    told = await confirm(desk, filed["application_id"])

    assert told.marks is not None
    assert len({each.value for each in told.marks}) == 200


async def review(desk: Desk, id_: str, *, auth: httpx.Auth, **more: object) -> None:
    await desk.approve([id_], "joint", auth=auth, amount_fen=AMOUNT_FEN, **more)


@pytest.mark.parametrize("by_first", [True, False], ids=["the side that decides first", "the side that decides last"])
async def test_the_minutes_that_a_side_names_go_with_the_order_to_pay(desk: Desk, by_first: bool) -> None:
    id_ = await at_stage(desk, "joint")
    named = {"minutes_number": "联审纪要[2025] 9号"}
    await review(desk, id_, auth=FINANCE, **(named if by_first else {}))
    await review(desk, id_, auth=JOINT_REVIEWER, **({} if by_first else named))

    told = await confirm(desk, id_)

    (last,) = await desk.rows("SELECT max(id) AS id FROM decision")
    assert (told.minutes_number, told.decision_stage, str(told.decided_on), told.decision_id) == (MINUTES, "joint", "2025-09-15", last["id"])
    shown = {each["decider"]: each["minutes_number"] for each in (await desk.get(id_))["decisions"] if each["stage"] == "joint"}
    assert shown == {"city_finance": MINUTES if by_first else None, "city_hr": None if by_first else MINUTES}


async def test_without_a_number_the_decision_itself_is_named_and_nobody_who_took_it(desk: Desk) -> None:
    id_ = await at_stage(desk, "joint")
    await review(desk, id_, auth=FINANCE)
    await review(desk, id_, auth=JOINT_REVIEWER)

    told = await confirm(desk, id_)

    assert (told.minutes_number, told.decision_stage, str(told.decided_on)) == (None, "joint", "2025-09-15")
    body = told.model_dump_json()
    assert [officer for officer in ("finance-1", "city-2", "hc-0001", "hc-0002") if officer in body] == []


async def test_of_minutes_named_anew_the_last_are_told(desk: Desk) -> None:
    id_ = await at_stage(desk, "joint")
    await review(desk, id_, auth=FINANCE, minutes_number="第一号")
    await review(desk, id_, auth=FINANCE, minutes_number=MINUTES)
    await review(desk, id_, auth=JOINT_REVIEWER)

    assert (await confirm(desk, id_)).minutes_number == MINUTES


async def test_a_case_that_came_back_to_the_joint_review_names_the_minutes_of_the_second_time(desk: Desk) -> None:
    id_ = await at_stage(desk, "joint")
    for side in (FINANCE, JOINT_REVIEWER):
        await review(desk, id_, auth=side, minutes_number="第一号")
    await desk.answer(ReservationRefused, await desk.get(id_), reason_code="no-such-line", reason="没有该资金科目")
    desk.move_clock("2025-09-17T10:00:00+08:00")
    for side in (FINANCE, JOINT_REVIEWER):
        await review(desk, id_, auth=side)

    told = await confirm(desk, id_)

    assert (told.minutes_number, str(told.decided_on)) == (None, "2025-09-17")


@pytest.mark.parametrize(
    ("stage", "number", "answer"),
    [
        ("acceptance", MINUTES, (422, "minutes-not-asked")),
        ("district", MINUTES, (422, "minutes-not-asked")),
        ("city", MINUTES, (422, "minutes-not-asked")),
        ("joint", "13900001234", (422, "minutes-hold-personal-data")),
        ("joint", " ", (422, "invalid")),
        ("joint", "号" * 61, (422, "invalid")),
    ],
)
async def test_a_wrong_number_of_minutes_is_refused_and_nothing_is_written(desk: Desk, stage: str, number: str, answer: tuple[int, str]) -> None:
    id_ = await at_stage(desk, stage)
    auth = {"acceptance": HUANCUI, "district": HUANCUI, "city": CITY_REVIEWER, "joint": FINANCE}[stage]
    sums = {"amount_fen": AMOUNT_FEN} if stage == "joint" else {}
    decision = {"application_id": id_, "stage": stage, "verdict": "approve", "minutes_number": number, **sums}

    assert await refusals(desk, [decision], auth=auth, officer="hc-0003" if auth is HUANCUI else None) == [answer]


async def test_two_sides_that_name_different_minutes_are_told_so(desk: Desk) -> None:
    id_ = await at_stage(desk, "joint")
    await review(desk, id_, auth=FINANCE, minutes_number=MINUTES)
    other = {"application_id": id_, "stage": "joint", "verdict": "approve", "amount_fen": AMOUNT_FEN, "minutes_number": "另一号"}

    assert await refusals(desk, [other], auth=JOINT_REVIEWER) == [(409, "minutes-differ")]
