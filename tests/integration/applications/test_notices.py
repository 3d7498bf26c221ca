"""Public notices: opened for funded cases, closed on their day."""

import asyncio
from typing import Any

import httpx
import pytest

from services.applications.intake.commands import Ground
from services.applications.notice import commands
from services.applications.policy.in_use import catalogue
from shared.events.budget import FundsReleased
from shared.ids import new_id
from shared.paging import write_cursor
from tests.building import holding, until_waiting
from tests.integration.applications.callers import (
    CITY_REVIEWER,
    HUANCUI,
    OFFICER,
    WENDENG,
    WENDENG_OFFICER,
    filing,
)
from tests.integration.applications.desk import Desk


async def open_notice(desk: Desk, ids: list[Any], *, auth: httpx.Auth = OFFICER) -> httpx.Response:
    return await desk.client.post("/v1/notices", json={"applications": ids}, auth=auth)


async def supersede(desk: Desk, notice: dict[str, Any], *, auth: httpx.Auth = OFFICER) -> httpx.Response:
    return await desk.client.post(f"/v1/notices/{notice['id']}:supersede", json={"reason": "公示内容更正"}, auth=auth)


async def test_a_notice_shows_its_days_and_its_cases_to_everyone(desk: Desk) -> None:
    desk.move_clock("2025-09-26T10:00:00+08:00")
    case, opened = await desk.on_notice()

    (shown,) = (await desk.client.get("/v1/notices")).json()["rows"]

    # Over National Day: 28 September and 11 October are worked, 1 to 8 October are not.
    assert (opened["first_day"], opened["last_day"], opened["closes_on"]) == ("2025-09-26", "2025-10-10", "2025-10-11")
    assert {name: shown[name] for name in opened} == opened
    assert shown["cases"] == [
        {
            "application_id": case["id"],
            "applicant_uscc": case["applicant_uscc"],
            "applicant_name": "环翠测试人力资源有限公司",
            "item_id": "2023-15/4a",
            "amount_fen": case["amount_fen"],
            "state": "listed",
        }
    ]


async def test_each_notice_shows_its_own_cases_and_marks_those_that_have_ended(desk: Desk) -> None:
    cases = [await desk.funded(f"row-{n}") for n in range(3)]
    first = await desk.open_notice(cases[0]["id"], cases[1]["id"])
    second = await desk.open_notice(cases[2]["id"])
    await desk.leave(await desk.get(cases[0]["id"]), auth=HUANCUI)

    asked = await listed(desk)
    await desk.answer(FundsReleased, cases[0])
    ended = await listed(desk)

    assert asked == {
        first["id"]: {cases[0]["id"]: "listed", cases[1]["id"]: "listed"},
        second["id"]: {cases[2]["id"]: "listed"},
    }
    assert ended == {
        first["id"]: {cases[0]["id"]: "ended", cases[1]["id"]: "listed"},
        second["id"]: {cases[2]["id"]: "listed"},
    }


async def listed(desk: Desk) -> dict[str, dict[str, str]]:
    """By notice, its cases as anybody sees them."""
    rows = (await desk.client.get("/v1/notices")).json()["rows"]
    return {row["id"]: {case["application_id"]: case["state"] for case in row["cases"]} for row in rows}


async def test_notices_are_paged_newest_first(desk: Desk) -> None:
    numbers = [(await desk.on_notice(f"row-{n}"))[1]["number"] for n in range(3)]

    first = (await desk.client.get("/v1/notices", params={"limit": 2})).json()
    second = (await desk.client.get("/v1/notices", params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [each["number"] for each in (*first["rows"], *second["rows"])] == numbers[::-1]
    assert second["next_cursor"] is None


async def test_a_page_of_notices_that_is_full_and_the_last_has_no_cursor(desk: Desk) -> None:
    await desk.on_notice("row-1")

    page = (await desk.client.get("/v1/notices", params={"limit": 1})).json()

    assert (len(page["rows"]), page["next_cursor"]) == (1, None)


@pytest.mark.parametrize("cursor", ["?", write_cursor("2025-13-01", "00000000-0000-7000-8000-000000000000"), write_cursor("2025-09-15", "?")])
async def test_a_cursor_of_notices_that_is_not_ours_is_refused(desk: Desk, cursor: str) -> None:
    answer = await desk.client.get("/v1/notices", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "cursor-unreadable")


async def test_nothing_is_announced_that_is_not_funded_or_not_there(desk: Desk) -> None:
    funded = await desk.funded("row-1")
    filed = await desk.file(filing("row-2"))
    before = await desk.counted()

    answers = [
        await open_notice(desk, [funded["id"], filed["application_id"]]),
        await open_notice(desk, [funded["id"], str(new_id())]),
        await open_notice(desk, [funded["id"], funded["id"]]),
        await open_notice(desk, []),
        await open_notice(desk, ["?"]),
        await open_notice(desk, [funded["id"]], auth=CITY_REVIEWER),
        await open_notice(desk, [funded["id"]], auth=WENDENG_OFFICER),
    ]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (409, "not-funded"),
        (404, "not-found"),
        (422, "case-listed-twice"),
        (422, "invalid"),
        (422, "invalid"),
        (403, "scope-missing"),
        (404, "not-found"),
    ]
    assert answers[1].json()["errors"][0]["pointer"] == "/applications/1"
    assert await desk.counted() == before


async def test_an_award_is_confirmed_at_noon_of_the_closing_day_and_not_before(desk: Desk) -> None:
    case, opened = await desk.on_notice()
    desk.move_clock(f"{opened['closes_on']}T11:59:30+08:00")
    early = await desk.close_notices()
    state_before = (await desk.get(case["id"]))["state"]
    desk.move_clock(f"{opened['closes_on']}T12:00:00+08:00")

    await desk.close_notices()

    assert (early, state_before) == (0, "on_notice")
    assert (await desk.get(case["id"]))["state"] == "confirmed"
    assert (await desk.client.get("/v1/notices")).json()["rows"][0]["state"] == "closed"
    assert await desk.close_notices() == 0


async def test_a_superseding_notice_counts_anew_and_the_old_closing_day_confirms_nothing(desk: Desk) -> None:
    case, first = await desk.on_notice()
    desk.move_clock("2025-09-18T10:00:00+08:00")
    second = (await supersede(desk, first)).json()
    desk.move_clock(f"{first['closes_on']}T12:00:00+08:00")
    await desk.close_notices()
    waiting = await desk.get(case["id"])
    desk.move_clock(f"{second['closes_on']}T12:00:00+08:00")

    await desk.close_notices()

    assert (waiting["state"], waiting["due_on"]) == ("on_notice", second["closes_on"])
    assert second["closes_on"] > first["closes_on"]
    assert (await desk.get(case["id"]))["state"] == "confirmed"
    states = {each["number"]: each["state"] for each in (await desk.client.get("/v1/notices")).json()["rows"]}
    assert states == {first["number"]: "superseded", second["number"]: "closed"}


async def test_a_notice_is_superseded_once_while_it_is_open_and_by_who_sees_its_cases(desk: Desk) -> None:
    _, first = await desk.on_notice()
    elsewhere = await supersede(desk, first, auth=WENDENG_OFFICER)
    missing = await supersede(desk, {"id": str(new_id())})
    await supersede(desk, first)
    before = await desk.counted()

    again = await supersede(desk, first)

    assert [(each.status_code, each.json()["code"]) for each in (elsewhere, missing, again)] == [
        (404, "not-found"),
        (404, "not-found"),
        (409, "notice-not-open"),
    ]
    assert await desk.counted() == before


async def test_a_notice_that_is_superseded_while_the_job_looks_at_it_confirms_nothing(desk: Desk) -> None:
    case, first = await desk.on_notice()
    ground = Ground(catalogue=catalogue(), calendar=desk.live.calendar, city=desk.live.city)
    desk.move_clock("2025-09-16T09:00:00+08:00")
    await supersede(desk, first)
    desk.move_clock(f"{first['closes_on']}T12:00:00+08:00")

    async with desk.live.transaction() as tx:
        closed = await commands.close_notice(tx, notice_id=first["id"], ground=ground, moment=desk.live.now())

    assert closed == 0
    assert (await desk.get(case["id"]))["state"] == "on_notice"


async def test_a_notice_that_has_to_wait_for_a_case_does_not_hold_the_cases_of_another(desk: Desk) -> None:
    (first, _), (second, opened) = [await desk.on_notice(f"row-{n}") for n in range(2)]
    desk.move_clock(f"{opened['closes_on']}T12:00:00+08:00")

    async with holding(desk.database, "SELECT FROM application WHERE id = $1 FOR UPDATE", second["id"], service="applications"):
        closing = asyncio.create_task(desk.close_notices())
        await until_waiting(desk.database, sessions=1)
        states = [(await desk.get(each["id"]))["state"] for each in (first, second)]
    await closing

    assert states == ["confirmed", "on_notice"]
    assert (await desk.get(second["id"]))["state"] == "confirmed"


async def test_past_the_published_calendar_no_notice_opens_and_nothing_is_written(desk: Desk) -> None:
    case = await desk.funded()
    desk.move_clock("2026-12-28T10:00:00+08:00")
    before = await desk.counted()

    answer = await open_notice(desk, [case["id"]])

    assert (answer.status_code, answer.json()["code"], answer.json()["published_until"]) == (422, "calendar-not-published", "2026-12-31")
    assert answer.json()["remedy_zh"]
    assert await desk.counted() == before


async def test_the_last_notice_that_the_published_calendar_carries_is_opened(desk: Desk) -> None:
    case = await desk.funded()
    desk.move_clock("2026-12-23T10:00:00+08:00")

    answer = await open_notice(desk, [case["id"]])

    assert (answer.status_code, answer.json()["last_day"], answer.json()["closes_on"]) == (201, "2026-12-30", "2026-12-31")


async def test_a_withdrawn_case_leaves_its_notice_and_the_others_are_confirmed(desk: Desk) -> None:
    cases = [await desk.funded(f"row-{n}") for n in range(2)]
    opened = await desk.open_notice(*(case["id"] for case in cases))
    await desk.leave(await desk.get(cases[0]["id"]), auth=HUANCUI)
    desk.move_clock(f"{opened['closes_on']}T12:00:00+08:00")

    await desk.close_notices()

    assert [(await desk.get(case["id"]))["state"] for case in cases] == ["releasing", "confirmed"]
    assert (await desk.client.get("/v1/notices", auth=WENDENG)).json()["rows"][0]["state"] == "closed"
