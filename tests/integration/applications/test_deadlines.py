"""Terms in working days: computed when the calendar is there, kept as a number of days when it is not, and what their end brings about."""

import asyncio
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from services.applications.deadline import commands
from services.applications.deadline.jobs import compute_open_deadlines, lapse_uncorrected
from shared import workdays
from tests.building import holding, until_waiting
from tests.integration.applications.callers import HUANCUI, filing
from tests.integration.applications.desk import Desk

TERM = ("due_working_days", "due_from_day", "due_on")


@pytest.fixture
def coming_year(tmp_path: Path) -> Path:
    """The published tables, and one for the year after as its notice might bring it: a synthetic one."""
    folder = tmp_path / "workdays"
    copytree(Path(workdays.__file__).parent, folder, ignore=lambda _, names: [name for name in names if not name.endswith(".toml")])
    (folder / "2027.toml").write_text(
        """
year = 2027
revision = 1
[[notice]]
number = "test"
issued_on = 2026-11-20
title_zh = "test"
[[holiday]]
name_zh = "元旦"
first_day = 2027-01-01
last_day = 2027-01-03
""",
        encoding="utf-8",
    )
    return folder


def term(case: dict[str, Any]) -> tuple[object, ...]:
    return tuple(case[name] for name in TERM)


async def returned(desk: Desk) -> dict[str, Any]:
    id_ = (await desk.file())["application_id"]
    sent = {"application_id": id_, "stage": "acceptance", "verdict": "return", "reason": "缺少业绩证明材料"}
    await desk.decide([sent], auth=HUANCUI, officer="hc-0001")
    return await desk.get(id_)


async def test_a_decision_past_the_published_calendar_is_taken_and_its_term_stays_a_number_of_days(desk: Desk) -> None:
    filed = await desk.file()
    desk.move_clock("2026-12-20T10:00:00+08:00")

    await desk.approve([filed["application_id"]], "acceptance", auth=HUANCUI, officer="hc-0001")

    case = await desk.get(filed["application_id"])
    assert (case["state"], term(case)) == ("accepted", (10, "2026-12-20", None))
    assert await compute_open_deadlines(desk.live) == 0


async def test_a_return_past_the_published_calendar_tells_the_number_of_days_and_nothing_lapses(desk: Desk) -> None:
    desk.move_clock("2025-12-31T10:00:00+08:00")
    await desk.file(filing(filed_on="2025-12-31"))
    desk.move_clock("2026-12-20T10:00:00+08:00")

    case = await returned(desk)

    assert term(case) == (10, "2026-12-20", None)
    asked = (await desk.announced())[-1].body or {}
    assert asked["due"] == {"working_days": 10, "from_day": "2026-12-20"}
    desk.move_clock("2027-12-20T10:00:00+08:00")
    assert await lapse_uncorrected(desk.live) == 0


async def test_a_term_gets_its_day_when_the_calendar_is_loaded_and_another_when_it_is_revised(desk: Desk, coming_year: Path) -> None:
    filed = await desk.file()
    desk.move_clock("2026-12-20T10:00:00+08:00")
    await desk.approve([filed["application_id"]], "acceptance", auth=HUANCUI, officer="hc-0001")
    place = (await desk.client.get("/v1/applications", params={"changed_after": ""}, auth=HUANCUI)).json()["changed_after"]

    loaded = await compute(desk, coming_year)
    with_day = await desk.get(filed["application_id"])
    again = await compute(desk, coming_year)
    table = coming_year / "2027.toml"
    table.write_text(table.read_text(encoding="utf-8").replace("last_day = 2027-01-03", "last_day = 2027-01-05"), encoding="utf-8")
    revised = await compute(desk, coming_year)

    assert (loaded, again, revised) == (1, 0, 1)
    # Monday 21 to Thursday 31 December are nine days; the tenth is the Monday after the holiday.
    assert (term(with_day), with_day["version"]) == ((10, "2026-12-20", "2027-01-04"), 2)
    assert term(await desk.get(filed["application_id"])) == (10, "2026-12-20", "2027-01-06")
    changed = (await desk.client.get("/v1/applications", params={"changed_after": place}, auth=HUANCUI)).json()["rows"]
    assert [row["due_on"] for row in changed] == ["2027-01-06"]


async def test_a_case_that_a_stage_of_the_review_sent_back_lapses_at_that_stage(desk: Desk) -> None:
    id_ = (await desk.file())["application_id"]
    await desk.approve([id_], "acceptance", auth=HUANCUI, officer="hc-0001")
    sent = {"application_id": id_, "stage": "district", "verdict": "return", "reason": "缺少业绩证明材料"}
    await desk.decide([sent], auth=HUANCUI, officer="hc-0002")
    desk.move_clock("2025-10-31T10:00:00+08:00")

    await lapse_uncorrected(desk.live)

    assert ((await desk.announced())[-1].body or {})["stage"] == "district"


async def test_new_days_for_open_terms_are_written_in_the_one_order_in_which_cases_are_locked(desk: Desk, coming_year: Path) -> None:
    ids = sorted([(await desk.file(filing(f"row-{n}")))["application_id"] for n in range(2)])
    desk.move_clock("2026-12-20T10:00:00+08:00")
    # The last to be written lies behind the others on the page.
    for id_ in reversed(ids):
        await desk.approve([id_], "acceptance", auth=HUANCUI, officer="hc-0001")
    lock = "SELECT FROM application WHERE id = $1 FOR UPDATE NOWAIT"

    async with holding(desk.database, lock, ids[0], service="applications"):
        computing = asyncio.create_task(compute(desk, coming_year))
        await until_waiting(desk.database, sessions=1)
        await desk.rows(lock, ids[1])

    assert await computing == 2


async def compute(desk: Desk, folder: Path) -> int:
    async with desk.live.transaction() as tx:
        return await commands.compute_open_deadlines(tx, calendar=workdays.load(folder))


async def test_a_published_closing_date_does_not_follow_the_calendar(desk: Desk, coming_year: Path) -> None:
    case, notice = await desk.on_notice()
    table = coming_year / "2025.toml"
    assert "2025-09-28" in table.read_text(encoding="utf-8")

    computed = await compute(desk, coming_year)

    assert computed == 0
    assert (await desk.get(case["id"]))["due_on"] == notice["closes_on"]


@pytest.mark.parametrize(("now", "lapsed"), [("2025-09-28T23:59:30+08:00", 0), ("2025-09-29T00:00:00+08:00", 1)])
async def test_a_case_lapses_the_day_after_its_correction_was_due_and_may_be_filed_anew(desk: Desk, now: str, lapsed: int) -> None:
    case = await returned(desk)
    desk.move_clock(now)

    done = await lapse_uncorrected(desk.live)

    after = await desk.get(case["id"])
    assert (case["due_on"], done) == ("2025-09-28", lapsed)
    assert (after["state"], after["waiting_on"]) == (("lapsed", []) if lapsed else ("returned", ["applicant"]))
    if lapsed:
        assert (after["history"][-1]["caller"], after["history"][-1]["reason"]) == ("service:applications", "逾期未补正，申报失效")
        assert (await desk.told(case["id"]))[-1] == "application_lapsed"
        assert ((await desk.announced())[-1].body or {})["stage"] == "acceptance"
        assert (await desk.file(filing("row-2", project_code="KP-ROW-1")))["status"] == "created"
        assert await lapse_uncorrected(desk.live) == 0
