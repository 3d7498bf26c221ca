"""Double support: officers are shown other cases of compared lines that may be for the same; nobody is refused for it."""

from typing import Any

from tests.integration.applications.callers import (
    CITY_REVIEWER,
    FINANCE,
    HUANCUI,
    HUANCUI_REVIEWER,
    JOINT_REVIEWER,
    OFFICER,
    PORTAL,
    USCC,
    WENDENG,
    documents,
    filing,
)
from tests.integration.applications.desk import AMOUNT_FEN, Desk

# Lines 5 and 10 may pay for one project.
COOPERATION = ("key_project_listing", "project_plan", "attendance_list", "photographs", "invoices", "service_list")


def of_line(line: str, reference: str, **other: object) -> dict[str, Any]:
    """Nothing in it is shared but what a test says: each reference has a project and documents of its own."""
    digest = reference.encode().hex().ljust(64, "0")
    evidence = [{**each, "sha256": digest} if each["kind"] in COOPERATION else each for each in documents(*COOPERATION)]
    return filing(reference, item_id=f"2023-15/{line}", evidence=evidence, **other)


async def accepted(desk: Desk, row: dict[str, Any], *, auth: Any = HUANCUI, officer: str = "hc-0001") -> dict[str, Any]:
    """The result of its acceptance."""
    filed = await desk.file(row, auth=auth)
    (result,) = await desk.decide(
        [{"application_id": filed["application_id"], "stage": "acceptance", "verdict": "approve"}], auth=auth, officer=officer
    )
    assert result["status"] == "decided", result
    return result


async def test_the_same_project_under_two_compared_lines_is_shown_at_acceptance_and_at_each_review(desk: Desk) -> None:
    first = await accepted(desk, of_line("5", "row-1", project_code="KP-1"))

    second = await accepted(desk, of_line("10", "row-2", project_code="kp-1"))

    (shown,) = second["same_matters"]
    assert first["same_matters"] == []
    assert (shown["case_number"], shown["item_id"], shown["by"]) == (first["case_number"], "2023-15/5", ["project"])
    assert "重复享受" in shown["detail_zh"]
    assert "威人社发〔2023〕15号 三(二)" in shown["detail_zh"]
    for stage, auth, officer, more in (
        ("district", HUANCUI, "hc-0002", {}),
        ("city", CITY_REVIEWER, None, {}),
        ("joint", FINANCE, None, {"amount_fen": AMOUNT_FEN}),
        ("joint", JOINT_REVIEWER, None, {"amount_fen": AMOUNT_FEN}),
    ):
        sent = {"application_id": second["application_id"], "stage": stage, "verdict": "approve", **more}
        (decided,) = await desk.decide([sent], auth=auth, officer=officer)
        assert [each["case_number"] for each in decided["same_matters"]] == [first["case_number"]], stage
    # Both ways, and as things are now.
    (back,) = (await desk.get(first["application_id"]))["same_matters"]
    assert (back["case_number"], back["state"]) == (second["case_number"], "proposed")


async def test_the_same_document_is_shown_and_one_that_everybody_hands_in_again_is_not(desk: Desk) -> None:
    one, other = of_line("5", "row-1"), of_line("10", "row-2")
    other["evidence"][-1] = {**other["evidence"][-1], "sha256": one["evidence"][-1]["sha256"]}
    await accepted(desk, one)

    shown = (await accepted(desk, other))["same_matters"]

    assert [each["by"] for each in shown] == [["document"]]


async def test_lines_that_are_not_compared_ended_cases_and_cases_before_acceptance_are_not_shown(desk: Desk) -> None:
    await accepted(desk, filing("row-1", project_code="KP-1"))
    ended = await accepted(desk, of_line("5", "row-2", project_code="KP-1"))
    await desk.leave(await desk.get(ended["application_id"]))
    await desk.file(of_line("5", "row-3", project_code="KP-1"))

    told = await accepted(desk, of_line("10", "row-4", project_code="KP-1"))

    assert told["same_matters"] == []


async def test_a_correction_that_takes_what_was_shared_away_is_no_longer_shown(desk: Desk) -> None:
    first = await accepted(desk, of_line("5", "row-1", project_code="KP-1"))
    second = await accepted(desk, of_line("10", "row-2", project_code="KP-1"))
    sent = {"application_id": second["application_id"], "stage": "district", "verdict": "return", "reason": "项目编号有误"}
    await desk.decide([sent], auth=HUANCUI, officer="hc-0002")
    await desk.file(of_line("10", "row-2", project_code="KP-2"))

    (again,) = await desk.decide(
        [{"application_id": second["application_id"], "stage": "acceptance", "verdict": "approve"}], auth=HUANCUI, officer="hc-0001"
    )

    assert again["same_matters"] == []
    assert (await desk.get(first["application_id"]))["same_matters"] == []


async def test_another_district_and_the_applicants_own_channel_learn_nothing_by_it(desk: Desk) -> None:
    theirs = await accepted(desk, of_line("5", "row-1", project_code="KP-1", jurisdiction_id="wendeng"), auth=WENDENG, officer="wd-0001")
    filed = await desk.file(of_line("10", "row-2", project_code="KP-1", portal_number="N-1"), auth=PORTAL)

    (mine,) = await desk.decide(
        [{"application_id": filed["application_id"], "stage": "acceptance", "verdict": "approve"}], auth=HUANCUI, officer="hc-0001"
    )

    shown = [(await desk.get(filed["application_id"], auth=auth))["same_matters"] for auth in (HUANCUI_REVIEWER, PORTAL)]
    assert [mine["same_matters"], *shown] == [[], [], []]
    assert [each["case_number"] for each in (await desk.get(filed["application_id"], auth=OFFICER))["same_matters"]] == [theirs["case_number"]]
    assert USCC not in str((await desk.get(filed["application_id"], auth=OFFICER))["same_matters"])
