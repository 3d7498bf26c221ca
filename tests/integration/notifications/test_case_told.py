"""A case's story as applications tells it: each step becomes one message and its portal records, once."""

from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest

import services.notifications.main  # noqa: F401 - declares the tables
from services.notifications.schema import metadata
from shared.events.applications import ApplicationCorrected
from shared.events.registry import ContactErased, ContactRecorded, OrganisationChanged, OrganisationEvent, OrganisationRegistered
from tests.integration.drift import drift
from tests.integration.notifications.conftest import Service
from tests.runtime import Database
from tests.unit.notifications.steps import USCC, Story

MOMENT: dict[str, Any] = {"happened_at": datetime(2025, 9, 1, tzinfo=UTC), "happened_on": date(2025, 9, 1)}


def organisation(name: str, *, version: int) -> OrganisationEvent:
    kind: type[OrganisationEvent] = OrganisationRegistered if version == 1 else OrganisationChanged
    facts = {"uscc": USCC, "kind": "enterprise", "name": name, "jurisdiction_id": "huancui", "status": "active", "version": version}
    return kind.model_validate(MOMENT | facts)


def contact(mobile: str = "13900001234") -> ContactRecorded:
    return ContactRecorded(**MOMENT, uscc=USCC, contact_name="王小明", mobile=mobile)


async def test_the_migrated_database_has_the_tables_that_the_code_declares(database: Database) -> None:
    assert await drift(database, service="notifications", metadata=metadata) == []


async def test_a_whole_case_is_told_and_reported_step_by_step(service: Service) -> None:
    await service.hear(*Story().to_payment())

    assert await service.told_steps() == [
        "application_filed",
        "correction_asked",
        "application_corrected",
        "application_accepted",
        "review_decided",
        "review_decided",
        "review_decided",
        "application_waiting",
        "application_funded",
        "notice_opened",
        "case_suspended",
        "case_resumed",
        "award_confirmed",
        "payment_started",
        "payment_returned",
        "payment_started",
        "application_paid",
    ]
    assert await service.reported() == [
        "basic 0.1",
        "special 1.1",
        "basic 0.2",
        "special 1.2",
        *(f"process {sn}.1" for sn in (2, 3, 4, 5)),
        "special 6.1",
        "special 6.2",
        "process 7.1",
        "special 8.1",
        "special 9.1",
        "special 9.2",
        "special 8.2",
        *(f"process {sn}.1" for sn in (10, 11, 12, 13, 14)),
        "done 0.1",
    ]


async def test_steps_that_come_in_polls_of_their_own_tell_the_same(service: Service) -> None:
    for event in Story().to_payment():
        await service.hear(event)

    assert len(await service.told_steps()) == 17
    assert len(await service.reported()) == 21


async def test_a_refusal_says_why_what_next_and_how_to_appeal(service: Service) -> None:
    story = Story()

    await service.hear(story.filed(), story.refused("acceptance"))

    (row,) = await service.rows("SELECT title, body, next_step, remedy FROM message WHERE remedy IS NOT NULL")
    assert "理由：展会未达到省级" in row["body"]
    assert row["next_step"]
    assert "60日内，依照《中华人民共和国行政复议法》第二十条、第二十二条向威海市环翠区人民政府申请行政复议" in row["remedy"]


async def test_the_same_records_again_tell_nobody_twice(service: Service) -> None:
    records = await service.hear(*Story().to_payment())
    told, reported = await service.told_steps(), await service.reported()

    await service.receive(*records)
    await service.receive(*records[3:5])

    assert (await service.told_steps(), await service.reported()) == (told, reported)


async def test_even_without_an_inbox_nobody_is_told_twice(service: Service) -> None:
    records = await service.hear(*Story().to_payment())
    told, reported = await service.told_steps(), await service.reported()
    await service.forget("inbox", "consumer_key")

    await service.receive(*records)

    assert (await service.told_steps(), await service.reported()) == (told, reported)


async def test_a_gap_holds_the_case_back_and_its_filling_tells_the_rest_in_order(service: Service) -> None:
    story = Story()
    first, second, third = (service.record(event) for event in (story.filed(), story.accepted(), story.reviewed()))

    await service.receive(first, third)
    held_back = await service.told_steps()
    await service.receive(second)

    assert held_back == ["application_filed"]
    assert await service.told_steps() == ["application_filed", "application_accepted", "review_decided"]


async def test_bytes_that_are_no_event_are_parked_and_the_other_cases_go_on(service: Service) -> None:
    story = Story()
    garbage = service.raw("applications.events", key="whatever", value=b"\xff{", headers={"ce_type": "applications.application_filed.v1"})

    await service.receive(garbage, service.record(story.filed()))

    assert await service.told_steps() == ["application_filed"]
    assert [row["reason"] for row in await service.rows("SELECT reason FROM parked")] == ["undecodable"]


async def test_a_step_of_an_unknown_type_is_passed_over_and_the_next_is_told(service: Service) -> None:
    story = Story()
    filed = service.record(story.filed())
    unknown = service.record(story.accepted(), ce_type="applications.case_admired.v1")
    reviewed = service.record(story.reviewed())

    await service.receive(filed, unknown, reviewed)

    assert await service.told_steps() == ["application_filed", "review_decided"]


async def test_the_applicant_is_reported_by_the_name_that_the_registry_told(service: Service) -> None:
    await service.hear(organisation("旧名称有限公司", version=1), organisation("示例人力资源有限公司", version=2))

    await service.hear(Story().filed())

    (row,) = await service.rows("SELECT content::json ->> 'applicant' AS applicant FROM portal_record")
    assert row["applicant"] == "示例人力资源有限公司"


async def test_a_name_that_comes_after_the_filing_is_reported_with_the_next_step(service: Service) -> None:
    story = Story()
    await service.hear(story.filed())
    await service.hear(organisation("示例人力资源有限公司", version=1))

    await service.hear(story.accepted())

    rows = await service.rows("SELECT content::json ->> 'applicant' AS applicant FROM portal_record WHERE kind = 'basic' ORDER BY position")
    assert [row["applicant"] for row in rows] == [USCC, "示例人力资源有限公司"]
    assert await service.reported() == ["basic 0.1", "basic 0.2", "process 1.1"]


async def test_a_contact_is_kept_replaced_and_erased(service: Service) -> None:
    await service.hear(contact("13900001234"), contact("13900005678"))
    kept = await service.rows("SELECT * FROM contact")

    await service.hear(ContactErased(**MOMENT, uscc=USCC))

    assert kept == [{"uscc": USCC, "contact_name": "王小明", "mobile": "13900005678"}]
    assert await service.rows("SELECT * FROM contact") == []


async def test_contacts_with_holes_left_by_compaction_are_taken(service: Service) -> None:
    service.record(contact("13900001111"))

    await service.hear(contact("13900005678"))

    assert [row["mobile"] for row in await service.rows("SELECT mobile FROM contact")] == ["13900005678"]


async def test_two_cases_under_one_portal_number_stay_two_projects(service: Service) -> None:
    first = Story(portal_number="SD2025-1", case_number="WH-2025-371002-000001")
    second = Story(portal_number="SD2025-1", case_number="WH-2025-371002-000002")
    third = Story(portal_number="WH-2025-371002-000004", case_number="WH-2025-371002-000003")
    fourth = Story(case_number="WH-2025-371002-000004")

    await service.hear(*(story.filed() for story in (first, second, third, fourth)))

    projids = {row["application_id"]: row["projid"] for row in await service.rows("SELECT application_id, projid FROM portal_case")}
    assert projids == {
        first.application_id: "SD2025-1",
        second.application_id: "WH-2025-371002-000002",
        third.application_id: "WH-2025-371002-000004",
        fourth.application_id: str(fourth.application_id),
    }


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE message SET body = 'never said'",
        "DELETE FROM message",
        "UPDATE portal_record SET content = '{}'",
        "UPDATE portal_record SET dataver = 9",
        "DELETE FROM portal_record",
    ],
)
async def test_what_was_told_cannot_be_rewritten(service: Service, statement: str) -> None:
    await service.hear(Story().filed())

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.rows(statement)


async def test_a_correction_that_names_another_item_is_told_under_that_item(service: Service) -> None:
    story = Story(portal_number="P-1")
    titles = {"item_title_zh": "人力资源服务创新项目奖励", "item_short_name_zh": "创新项目奖励"}
    changed = story.filed(), story.step(ApplicationCorrected, requested_fen=1_000_000, **titles).model_copy(update={"item_id": "2023-15/2"})

    await service.hear(*changed)

    told = await service.rows("SELECT title, body FROM message ORDER BY id")
    assert "创新项目奖励" in told[1]["title"]
    assert "人力资源服务创新项目奖励" in told[1]["body"]
    basics = await service.rows("SELECT content ->> 'itemname' AS itemname FROM portal_record WHERE kind = 'basic' ORDER BY position")
    assert [row["itemname"] for row in basics] == ["省级及以上行业展会补贴", "人力资源服务创新项目奖励"]


async def test_a_correction_from_before_it_named_its_item_leaves_the_item_as_it_was(service: Service) -> None:
    story = Story()

    await service.hear(story.filed(), story.step(ApplicationCorrected, requested_fen=1_000_000))

    told = await service.rows("SELECT title FROM message ORDER BY id")
    assert "行业展会补贴" in told[1]["title"]
