"""A row is known by its caller and its reference: what sending it again does, in every state of its case."""

from typing import Any

import httpx
import pytest

from tests.building import fetch
from tests.integration.applications.callers import (
    HUANCUI,
    HUANCUI_SECOND,
    OTHER_USCC,
    PORTAL,
    USCC,
    WENDENG,
    award_filing,
    documents,
    filing,
)
from tests.integration.applications.desk import Desk

CHANGED = filing(requested_fen=4_600_000)


async def send(desk: Desk, row: dict[str, Any], *, auth: httpx.Auth = HUANCUI) -> tuple[object, ...]:
    """Status code, status and version; or status code and the code of the refusal."""
    answer = await desk.client.post("/v1/applications", json=row, auth=auth)
    body = answer.json()
    return (answer.status_code, body["status"], body["version"]) if answer.is_success else (answer.status_code, body["code"])


async def returned(desk: Desk) -> str:
    id_ = (await desk.file())["application_id"]
    await desk.decide(
        [{"application_id": id_, "stage": "acceptance", "verdict": "return", "reason": "缺少业绩证明材料"}], auth=HUANCUI, officer="hc-0001"
    )
    return str(id_)


async def test_the_same_content_is_unchanged_and_writes_nothing_but_its_answer(desk: Desk) -> None:
    first = await desk.file()
    before = await desk.counted()

    again = await desk.file()

    assert (again["status"], again["application_id"], again["version"]) == ("unchanged", first["application_id"], 1)
    assert await desk.counted() == {**before, "answer": before["answer"] + 1}


async def test_the_same_row_is_the_same_however_its_code_is_typed(desk: Desk) -> None:
    await desk.file()

    again = await send(desk, filing(applicant_uscc=" ９１371002ma3d123476 "))

    assert again == (200, "unchanged", 1)


async def test_a_change_before_acceptance_is_the_next_version_and_the_first_day_of_receipt_stays(desk: Desk) -> None:
    first = await desk.file()
    desk.move_clock("2025-09-17T10:00:00+08:00")
    evidence = documents("key_project_listing")

    answer = await send(desk, filing(requested_fen=4_600_000, project_code="KP-2", filed_on="2025-09-16", evidence=evidence))

    case = await desk.get(first["application_id"])
    assert answer == (200, "changed", 2)
    assert (case["filed_on"], case["received_on"], case["requested_fen"], case["project_code"]) == ("2025-09-10", "2025-09-15", 4_600_000, "KP-2")
    assert case["content"]["evidence"] == evidence
    assert case["missing_evidence"] == ["achievement_proof"]
    assert (case["due_from_day"], case["due_on"]) == ("2025-09-17", "2025-09-24")
    assert [step["action"] for step in case["history"]] == ["file", "correct"]
    (kept,) = await desk.rows(
        "SELECT f.content_version, f.content, f.received_at = s.at AS as_received FROM filed_version f, step s WHERE s.action = 'file'"
    )
    assert (kept["content_version"], kept["as_received"]) == (1, True)
    assert await desk.told(first["application_id"]) == ["application_filed", "application_corrected"]


async def test_a_correction_of_a_returned_row_brings_it_back_and_frees_the_key_that_it_no_longer_wants(desk: Desk) -> None:
    id_ = await returned(desk)

    answer = await send(desk, filing(project_code="KP-OTHER"))

    assert answer == (200, "changed", 3)
    assert (await desk.get(id_))["state"] == "filed"
    assert await send(desk, filing("row-2", project_code="KP-ROW-1")) == (201, "created", 1)
    assert await send(desk, filing("row-3", project_code="KP-OTHER")) == (409, "already-filed")


async def test_a_returned_row_may_be_corrected_on_the_last_day_and_not_on_the_day_after(desk: Desk) -> None:
    due_on = (await desk.get(await returned(desk)))["due_on"]
    before = await desk.counted()
    desk.move_clock("2025-09-29T00:00:00+08:00")
    late = await send(desk, CHANGED)
    after_late = await desk.counted()
    desk.move_clock("2025-09-28T23:59:30+08:00")

    in_time = await send(desk, CHANGED)

    assert due_on == "2025-09-28"
    assert late == (409, "correction-late")
    assert after_late == before
    assert in_time == (200, "changed", 3)


async def test_a_correction_is_judged_like_a_filing(desk: Desk) -> None:
    await desk.file()
    before = await desk.counted()

    answer = await send(desk, filing(requested_fen=5_000_001))

    assert answer == (422, "above-ceiling")
    assert await desk.counted() == before


@pytest.mark.parametrize("times", [1, 2])
async def test_a_change_after_acceptance_is_kept_for_the_officer_and_changes_nothing(desk: Desk, times: int) -> None:
    first = await desk.file()
    await desk.approve([first["application_id"]], "acceptance", auth=HUANCUI, officer="hc-0001")

    answers = [await send(desk, CHANGED) for _ in range(times)]

    case = await desk.get(first["application_id"])
    assert answers == [(200, "in-review", 2)] * times
    assert (case["requested_fen"], case["version"], case["state"]) == (4_500_000, 2, "accepted")
    assert [each["difference"] for each in case["late_changes"]] == [{"requested_fen": [4_500_000, 4_600_000]}]
    assert await desk.told(first["application_id"]) == ["application_filed", "application_accepted"]


async def test_another_applicant_under_the_same_reference_is_a_conflict(desk: Desk) -> None:
    await desk.file()
    before = await desk.counted()

    answer = await send(desk, filing(applicant_uscc=OTHER_USCC))

    assert answer == (409, "row-conflict")
    assert await desk.counted() == before


async def test_a_row_whose_case_has_ended_is_not_changed_any_more(desk: Desk) -> None:
    first = await desk.file()
    await desk.leave(await desk.get(first["application_id"]))

    same, changed, anew = await send(desk, filing()), await send(desk, CHANGED), await send(desk, filing("row-2", project_code="KP-ROW-1"))

    assert same == (200, "unchanged", 2)
    assert changed == (409, "row-ended")
    assert anew == (201, "created", 1)


async def test_two_systems_have_rows_of_their_own_under_one_reference(desk: Desk) -> None:
    mine = await desk.file(filing())

    theirs = await desk.file(filing(project_code="KP-2"), auth=HUANCUI_SECOND)

    assert theirs["status"] == "created"
    assert theirs["application_id"] != mine["application_id"]


async def test_a_once_only_line_is_refused_to_the_second_and_names_nobody(desk: Desk) -> None:
    await desk.file(award_filing())
    before = await desk.counted()

    answer = await desk.client.post("/v1/applications", json=award_filing("w-1", jurisdiction_id="wendeng"), auth=WENDENG)

    assert (answer.status_code, answer.json()["code"]) == (409, "already-filed")
    assert not any(word in answer.text for word in ("huancui", "环翠", "district-huancui", USCC, "WH-2025"))
    assert await desk.counted() == before


async def test_a_refused_case_gives_the_once_key_back(desk: Desk) -> None:
    first = await desk.file(award_filing())
    await desk.decide(
        [{"application_id": first["application_id"], "stage": "acceptance", "verdict": "refuse", "reason": "未获评创新项目"}],
        auth=HUANCUI,
        officer="hc-0001",
    )

    assert await send(desk, award_filing("row-2")) == (201, "created", 1)


async def test_the_portal_files_under_a_number_of_its_own_and_once_for_each(desk: Desk) -> None:
    unnumbered = await send(desk, filing(), auth=PORTAL)
    numbered = await send(desk, filing(portal_number="SD-1"), auth=PORTAL)
    again = await send(desk, filing(portal_number="SD-1"), auth=PORTAL)
    taken = await send(desk, filing("row-2", portal_number="SD-1"), auth=PORTAL)
    of_a_district = await send(desk, filing("row-2", portal_number="SD-1"))

    assert unnumbered == (422, "portal-number-missing")
    assert (numbered, again) == ((201, "created", 1), (200, "unchanged", 1))
    assert taken == (409, "portal-number-taken")
    assert of_a_district == (201, "created", 1)
    channels = await fetch(desk.database, "SELECT channel, portal_number FROM application ORDER BY id", service="applications")
    assert [tuple(row) for row in channels] == [("portal", "SD-1"), ("district", "SD-1")]


async def test_a_correction_to_a_number_or_a_project_that_is_taken_leaves_the_row_as_it_was(desk: Desk) -> None:
    await desk.file(filing(portal_number="SD-1"))
    await desk.file(filing("row-2"))
    before = await desk.counted()

    number = await send(desk, filing("row-2", portal_number="SD-1"))
    project = await send(desk, filing("row-2", portal_number="SD-2", project_code="KP-ROW-1"))

    assert (number, project) == ((409, "portal-number-taken"), (409, "already-filed"))
    assert await desk.counted() == before


async def test_a_portal_number_once_given_stays(desk: Desk) -> None:
    filed = await desk.file(filing())
    numbered = await send(desk, filing(portal_number="SD-1"))
    before = await desk.counted()

    changed = await desk.client.post("/v1/applications", json=filing(portal_number="SD-2"), auth=HUANCUI)
    after_change = await desk.counted()
    left_out = await send(desk, filing(requested_fen=4_600_000))

    assert numbered == (200, "changed", 2)
    assert (changed.status_code, changed.json()["code"], changed.json()["errors"][0]["pointer"]) == (409, "portal-number-fixed", "/portal_number")
    assert "SD-1" in changed.json()["detail"]
    assert "SD-1" in changed.json()["detail_zh"]
    assert after_change == before
    assert left_out == (200, "changed", 3)
    assert (await desk.get(filed["application_id"]))["portal_number"] == "SD-1"


async def test_a_correction_to_another_item_announces_that_item_by_its_titles(desk: Desk) -> None:
    filed = await desk.file(filing())

    changed = await send(desk, award_filing())

    assert changed == (200, "changed", 2)
    told = [each.body for each in await desk.announced() if each.key == filed["application_id"]]
    assert [body and (body["item_id"], body["item_short_name_zh"], body["item_title_zh"]) for body in told] == [
        ("2023-15/4a", "稳岗扩岗项目补贴", "助力就业创业、稳岗扩岗突出贡献项目补贴"),
        ("2023-15/2", "创新项目奖励", "人力资源服务创新项目奖励"),
    ]
