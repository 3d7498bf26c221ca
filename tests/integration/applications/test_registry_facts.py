"""What the registry tells: copied in order, and shown on cases that wait for it as soon as it is there."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from shared.events.registry import (
    InstitutionEnded,
    InstitutionRecorded,
    OrganisationEnded,
    OrganisationRegistered,
    ParkAssessed,
    ParkChanged,
    ParkRecognised,
    ParkRegistered,
)
from shared.ids import new_id
from tests.integration.applications.callers import HUANCUI, OTHER_USCC, USCC, documents, filing
from tests.integration.applications.desk import Desk


def now(desk: Desk) -> dict[str, Any]:
    moment = desk.live.now()
    return {"happened_at": moment.at, "happened_on": moment.on}


def permit(desk: Desk, *, first_day: date, institution_id: UUID | None = None, last_day: date | None = None) -> dict[str, Any]:
    fields = {"uscc": OTHER_USCC, "basis": "permit", "number": "P-1", "scope": ("job_placement",)}
    return {**now(desk), **fields, "institution_id": institution_id or new_id(), "first_day": first_day, "last_day": last_day}


def park(desk: Desk, *, operator: str = USCC, version: int = 1) -> dict[str, Any]:
    return {**now(desk), "park_code": "P-01", "name": "测试产业园", "operator_uscc": operator, "jurisdiction_id": "huancui", "version": version}


async def wanted(desk: Desk, id_: str) -> tuple[list[str], str | None]:
    case = await desk.get(id_)
    (listed,) = (await desk.client.get("/v1/applications", params={"case_number": case["case_number"]}, auth=HUANCUI)).json()["rows"]
    assert listed["unverified"] == case["unverified"]
    return case["unverified"], case["ruled_out_zh"]


async def test_a_case_that_waits_for_facts_is_shown_them_as_they_arrive(desk: Desk) -> None:
    id_ = (await desk.file(filing(applicant_uscc=OTHER_USCC)))["application_id"]
    shown = [await wanted(desk, id_)]
    await desk.know(OTHER_USCC, permit=False)
    shown.append(await wanted(desk, id_))
    await desk.hear(InstitutionRecorded(**permit(desk, first_day=date(2024, 1, 1))))
    shown.append(await wanted(desk, id_))

    assert shown == [(["applicant-unknown"], None), (["permit-or-filing-unknown"], None), ([], None)]
    assert (await desk.get(id_))["version"] == 1
    assert (await desk.file(filing(applicant_uscc=OTHER_USCC)))["unverified"] == []


async def test_a_fact_that_rules_the_applicant_out_is_shown_and_stops_the_acceptance(desk: Desk) -> None:
    id_ = (await desk.file(filing(applicant_uscc=OTHER_USCC)))["application_id"]
    await desk.know(OTHER_USCC, kind="university", permit=False)

    _, ruled_out = await wanted(desk, id_)
    again = await desk.file(filing(applicant_uscc=OTHER_USCC))
    (answer,) = await desk.decide([{"application_id": id_, "stage": "acceptance", "verdict": "approve"}], auth=HUANCUI, officer="hc-0001")

    assert "university" in (ruled_out or "")
    assert (again["status"], again["unverified"]) == ("unchanged", [])
    assert answer["problem"]["code"] == "applicant-kind-not-eligible"


async def test_an_accepted_case_is_not_judged_again(desk: Desk) -> None:
    id_ = (await desk.file())["application_id"]
    await desk.approve([id_], "acceptance", auth=HUANCUI, officer="hc-0001")
    ended: dict[str, Any] = {
        "uscc": USCC,
        "kind": "enterprise",
        "name": "环翠测试人力资源有限公司",
        "jurisdiction_id": "huancui",
        "status": "ended",
        "version": 2,
    }
    await desk.hear(OrganisationEnded(**now(desk), **ended, cause="deregistered"))

    assert await wanted(desk, id_) == ([], None)


@pytest.mark.parametrize(
    ("first_day", "last_day", "ended_on", "is_known"),
    [
        (date(2025, 9, 10), None, None, True),
        (date(2025, 9, 11), None, None, False),
        (date(2024, 1, 1), date(2025, 9, 10), None, True),
        (date(2024, 1, 1), date(2025, 9, 9), None, False),
        # The day of its end is the first on which a permit is no longer good.
        (date(2024, 1, 1), None, date(2025, 9, 11), True),
        (date(2024, 1, 1), None, date(2025, 9, 10), False),
        (date(2024, 1, 1), date(2025, 9, 9), date(2025, 9, 11), False),
    ],
)
async def test_a_permit_counts_on_the_day_of_filing(
    desk: Desk, first_day: date, last_day: date | None, ended_on: date | None, is_known: bool
) -> None:
    await desk.know(OTHER_USCC, permit=False)
    fact = permit(desk, first_day=first_day, last_day=last_day)
    await desk.hear(InstitutionRecorded(**fact))
    if ended_on is not None:
        await desk.hear(InstitutionEnded(**fact, ended_on=ended_on, cause="revoked"))

    filed = await desk.file(filing(applicant_uscc=OTHER_USCC, filed_on="2025-09-10"))

    assert filed["unverified"] == ([] if is_known else ["permit-or-filing-unknown"])


async def test_a_park_item_waits_for_park_recognition_and_assessment(desk: Desk) -> None:
    building = filing("b", item_id="2023-15/7c", park_code="P-01", requested_fen=1, evidence=documents())
    running = filing("r", item_id="2023-15/8b", park_code="P-01", support_year=2025, requested_fen=1, evidence=documents())
    ids = [(await desk.file(row))["application_id"] for row in (building, running)]
    shown = [[(await wanted(desk, id_))[0] for id_ in ids]]
    await desk.hear(ParkRegistered(**park(desk)))
    shown.append([(await wanted(desk, id_))[0] for id_ in ids])
    await desk.hear(ParkRecognised(**park(desk), level="city", approved_on=date(2025, 1, 1), document="D"))
    await desk.hear(ParkAssessed(**park(desk), year=2025, result="passed", document="D"))
    shown.append([(await wanted(desk, id_))[0] for id_ in ids])

    assert shown == [
        [["park-unknown"], ["park-unknown"]],
        [["park-recognition-unknown"], ["park-assessment-unknown"]],
        [[], []],
    ]


async def test_an_older_word_on_a_park_under_its_former_operators_key_changes_nothing(desk: Desk) -> None:
    await desk.hear(ParkRegistered(**park(desk)), ParkChanged(**park(desk, operator=OTHER_USCC, version=3)))

    await desk.hear(ParkChanged(**park(desk, operator=USCC, version=2)))

    assert await desk.rows("SELECT operator_uscc, version FROM known_park") == [{"operator_uscc": OTHER_USCC, "version": 3}]


async def test_the_same_news_again_changes_nothing(desk: Desk) -> None:
    fields: dict[str, Any] = {
        "uscc": OTHER_USCC,
        "kind": "enterprise",
        "name": "甲公司",
        "jurisdiction_id": "huancui",
        "status": "active",
        "version": 1,
    }
    record = desk.record(OrganisationRegistered(**now(desk), **fields))
    await desk.receive(record)
    before = await desk.rows("SELECT * FROM known_organisation ORDER BY uscc")

    await desk.receive(record, record)

    assert await desk.rows("SELECT * FROM known_organisation ORDER BY uscc") == before
