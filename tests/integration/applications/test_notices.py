"""Public notices and objections: opened for funded cases, closed on their day, held by what was objected in time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from services.applications.intake.commands import Ground
from services.applications.notice import commands
from services.applications.notice.jobs import close_notices
from services.applications.policy.in_use import catalogue
from shared.events.budget import FundsReleased
from shared.ids import new_id
from shared.paging import write_cursor
from tests.integration.applications.callers import (
    AUDITOR,
    CITY_REVIEWER,
    HUANCUI,
    HUANCUI_OFFICER,
    OFFICER,
    WENDENG,
    WENDENG_OFFICER,
    filing,
)
from tests.integration.applications.desk import Desk

GROUNDS = "该单位的张三（13900000000）称项目重复"


async def open_notice(desk: Desk, ids: list[Any], *, auth: httpx.Auth = OFFICER) -> httpx.Response:
    return await desk.client.post("/v1/notices", json={"applications": ids}, auth=auth)


async def supersede(desk: Desk, notice: dict[str, Any], *, auth: httpx.Auth = OFFICER) -> httpx.Response:
    return await desk.client.post(f"/v1/notices/{notice['id']}:supersede", json={"reason": "公示内容更正"}, auth=auth)


async def enter(
    desk: Desk, case: dict[str, Any], notice: dict[str, Any], *, received_at: str | None = None, auth: httpx.Auth = OFFICER
) -> httpx.Response:
    sent = {
        "notice_id": notice["id"],
        "application_id": case["id"],
        "grounds": GROUNDS,
        "received_at": received_at or desk.live.now().at.isoformat(),
    }
    return await desk.client.post("/v1/objections", json=sent, auth=auth)


async def judge(
    desk: Desk, objection: dict[str, Any], decision: str, *, reason: str = "经向李四核实情况属实", auth: httpx.Auth = OFFICER
) -> httpx.Response:
    return await desk.client.post(
        f"/v1/objections/{objection['id']}:decide",
        json={"decision": decision, "reason": reason},
        headers={"If-Match": f'"{objection["version"]}"'},
        auth=auth,
    )


async def objected(desk: Desk, *decisions: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A case, its notice, and an objection to it after these decisions."""
    case, notice = await desk.on_notice()
    objection = (await enter(desk, case, notice)).json()
    for decision in decisions:
        objection = (await judge(desk, objection, decision)).json()
    return case, notice, objection


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
        }
    ]


async def test_notices_are_paged_newest_first(desk: Desk) -> None:
    numbers = [(await desk.on_notice(f"row-{n}"))[1]["number"] for n in range(3)]

    first = (await desk.client.get("/v1/notices", params={"limit": 2})).json()
    second = (await desk.client.get("/v1/notices", params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [each["number"] for each in (*first["rows"], *second["rows"])] == numbers[::-1]


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


async def test_an_award_is_confirmed_at_the_first_moment_of_the_closing_day_and_not_before(desk: Desk) -> None:
    case, opened = await desk.on_notice()
    desk.move_clock("2025-09-22T23:59:30+08:00")
    early = await desk.close_notices()
    state_before = (await desk.get(case["id"]))["state"]
    desk.move_clock(f"{opened['closes_on']}T00:00:00+08:00")

    await desk.close_notices()

    assert (early, state_before) == (0, "on_notice")
    assert (await desk.get(case["id"]))["state"] == "confirmed"
    assert (await desk.client.get("/v1/notices")).json()["rows"][0]["state"] == "closed"
    assert await desk.close_notices() == 0


async def test_a_superseding_notice_counts_anew_and_the_old_closing_day_confirms_nothing(desk: Desk) -> None:
    case, first = await desk.on_notice()
    desk.move_clock("2025-09-18T10:00:00+08:00")
    second = (await supersede(desk, first)).json()
    desk.move_clock(f"{first['closes_on']}T09:00:00+08:00")
    await desk.close_notices()
    waiting = await desk.get(case["id"])
    desk.move_clock(f"{second['closes_on']}T09:00:00+08:00")

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
    desk.move_clock(f"{first['closes_on']}T09:00:00+08:00")

    async with desk.live.transaction() as tx:
        closed = await commands.close_notice(tx, notice_id=first["id"], ground=ground, moment=desk.live.now())

    assert closed == 0
    assert (await desk.get(case["id"]))["state"] == "on_notice"


@pytest.mark.parametrize(
    ("received_at", "entered_at", "answer"),
    [
        ("2025-09-15T09:59:59+08:00", "2025-09-22T10:00:00+08:00", (422, "objection-too-early")),
        ("2025-09-22T23:59:59.999999+08:00", "2025-09-23T08:00:00+08:00", (201, None)),
        ("2025-09-22T15:59:59+00:00", "2025-09-23T08:00:00+08:00", (201, None)),
        ("2025-09-23T00:00:00+08:00", "2025-09-23T08:00:00+08:00", (422, "objection-too-late")),
        ("2025-09-22T16:00:00+00:00", "2025-09-23T08:00:00+08:00", (422, "objection-too-late")),
        ("2025-09-22T10:05:00+08:00", "2025-09-22T10:00:00+08:00", (422, "objection-from-the-future")),
    ],
)
async def test_an_objection_counts_by_the_instant_of_its_receipt(
    desk: Desk, received_at: str, entered_at: str, answer: tuple[int, str | None]
) -> None:
    case, notice = await desk.on_notice()
    desk.move_clock(entered_at)

    told = await enter(desk, case, notice, received_at=received_at)

    assert (told.status_code, told.json().get("code")) == answer
    assert (await desk.counted())["objection"] == (1 if told.is_success else 0)


async def test_an_objection_names_a_case_on_the_notice_and_an_instant_with_its_zone(desk: Desk) -> None:
    case, notice = await desk.on_notice()
    other = await desk.get((await desk.file(filing("row-2")))["application_id"])

    answers = [
        await enter(desk, other, notice),
        await enter(desk, case, {"id": str(new_id())}),
        await enter(desk, case, notice, received_at="2025-09-16T10:00:00"),
        await enter(desk, case, notice, auth=WENDENG_OFFICER),
        await enter(desk, case, notice, auth=CITY_REVIEWER),
    ]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (404, "not-found"),
        (404, "not-found"),
        (422, "invalid"),
        (404, "not-found"),
        (403, "scope-missing"),
    ]
    assert (await desk.counted())["objection"] == 0


async def test_an_undecided_objection_holds_the_award_back_until_it_is_decided(desk: Desk) -> None:
    case, notice, objection = await objected(desk)
    desk.move_clock(f"{notice['closes_on']}T09:00:00+08:00")
    assert await desk.close_notices() == 0
    held = await desk.get(case["id"])

    await judge(desk, objection, "not_admitted")
    await desk.close_notices()

    assert held["state"] == "on_notice"
    assert (await desk.get(case["id"]))["state"] == "confirmed"


async def test_an_admitted_objection_suspends_and_a_dismissed_one_lets_the_case_go_on(desk: Desk) -> None:
    case, notice, objection = await objected(desk, "admitted")
    suspended = await desk.get(case["id"])
    desk.move_clock(f"{notice['closes_on']}T09:00:00+08:00")
    await desk.close_notices()

    dismissed = await judge(desk, objection, "dismissed")
    await desk.close_notices()

    assert (suspended["state"], suspended["waiting_on"]) == ("suspended", ["city_hr"])
    assert (dismissed.json()["state"], dismissed.json()["case_state"]) == ("dismissed", "on_notice")
    assert (await desk.told(case["id"]))[-3:] == ["case_suspended", "case_resumed", "award_confirmed"]


async def test_an_upheld_objection_gives_the_money_back_and_refuses_the_case(desk: Desk) -> None:
    case, _, objection = await objected(desk, "admitted")

    upheld = await judge(desk, objection, "upheld")
    await desk.answer(FundsReleased, case)

    assert upheld.json()["case_state"] == "releasing"
    assert (await desk.get(case["id"]))["state"] == "refused"
    assert (await desk.told(case["id"]))[-3:] == ["case_suspended", "release_requested", "application_refused"]


async def test_what_was_objected_and_found_is_read_by_the_officers_and_goes_nowhere_else(desk: Desk) -> None:
    case, _, objection = await objected(desk, "admitted", "upheld")
    await desk.answer(FundsReleased, case)

    (listed,) = (await desk.client.get("/v1/objections", params={"state": "upheld"}, auth=HUANCUI_OFFICER)).json()["rows"]

    assert (listed["grounds"], listed["reason"], listed["case_state"]) == (GROUNDS, "经向李四核实情况属实", "refused")
    elsewhere = [str([each.body for each in await desk.announced()]), str(await desk.get(case["id"])), str(await desk.rows("SELECT * FROM step"))]
    assert not any(name in text for name in ("张三", "李四", "13900000000") for text in elsewhere)
    assert (await desk.client.get("/v1/objections", auth=WENDENG_OFFICER)).json()["rows"] == []
    assert len((await desk.client.get("/v1/objections", auth=AUDITOR)).json()["rows"]) == 1
    assert (await desk.client.get("/v1/objections", auth=HUANCUI)).status_code == 403
    assert objection["version"] == 3


async def test_an_objection_is_decided_step_by_step_on_the_version_that_was_read(desk: Desk) -> None:
    _, _, objection = await objected(desk)
    before = await desk.counted()

    answers = [
        await judge(desk, objection, "upheld"),
        await judge(desk, objection, "maybe"),
        await judge(desk, objection, "admitted", reason="是"),
        await judge(desk, {**objection, "version": 7}, "admitted"),
        await judge(desk, {**objection, "id": str(new_id())}, "admitted"),
        await judge(desk, objection, "admitted", auth=WENDENG_OFFICER),
    ]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (409, "objection-decided"),
        (422, "invalid"),
        (422, "reason-missing"),
        (412, "version-stale"),
        (404, "not-found"),
        (404, "not-found"),
    ]
    assert await desk.counted() == before


async def test_a_case_suspended_by_two_objections_goes_on_when_both_are_dismissed(desk: Desk) -> None:
    case, notice = await desk.on_notice()
    first, second = [(await enter(desk, case, notice)).json() for _ in range(2)]
    first, second = [(await judge(desk, each, "admitted")).json() for each in (first, second)]

    one = (await judge(desk, first, "dismissed")).json()
    other = (await judge(desk, second, "dismissed")).json()

    assert (one["case_state"], other["case_state"]) == ("suspended", "on_notice")


@pytest.mark.parametrize("again", range(3))
async def test_a_closing_an_objection_and_a_withdrawal_at_once_come_to_one_state_and_no_award_over_an_objection(desk: Desk, again: int) -> None:
    case, notice = await desk.on_notice()
    desk.move_clock(f"{notice['closes_on']}T00:00:00+08:00")
    received_at = f"{notice['last_day']}T17:00:00+08:00"
    acts: list[Callable[[], Awaitable[Any]]] = [
        lambda: close_notices(desk.live),
        lambda: enter(desk, case, notice, received_at=received_at),
        lambda: desk.leave(case),
    ]

    results: list[Any] = await asyncio.gather(*(acts[(place + again) % 3]() for place in range(3)))

    entered, left = (results[[(place + again) % 3 for place in range(3)].index(act)] for act in (1, 2))
    assert entered.status_code in (201, 409)
    assert left.status_code in (200, 412)
    after = await desk.get(case["id"])
    told = await desk.told(case["id"])
    if entered.status_code == 201:
        assert "award_confirmed" not in told
    assert after["state"] in ({"releasing"} if left.is_success else {"confirmed", "on_notice"})
    assert [step["case_version"] for step in after["history"]] == list(range(1, after["version"] + 1))


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
    desk.move_clock(f"{opened['closes_on']}T09:00:00+08:00")

    await desk.close_notices()

    assert [(await desk.get(case["id"]))["state"] for case in cases] == ["releasing", "confirmed"]
    assert (await desk.client.get("/v1/notices", auth=WENDENG)).json()["rows"][0]["state"] == "closed"
