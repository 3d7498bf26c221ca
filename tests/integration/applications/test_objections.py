"""Objections to what is on notice: counted by their receipt, decided step by step, and what they hold back or end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from services.applications.notice.jobs import close_notices
from shared.events.budget import FundsReleased, MoneyEvent, PaymentConfirmed, PaymentOrdered
from shared.ids import new_id
from tests.integration.applications.callers import (
    AUDITOR,
    CITY_REVIEWER,
    HUANCUI,
    HUANCUI_OFFICER,
    OFFICER,
    WENDENG_OFFICER,
    filing,
)
from tests.integration.applications.desk import Desk

GROUNDS = "该单位的张三（13900000000）称项目重复"
ORDER: dict[str, object] = {"payment_order_id": str(new_id()), "voucher": "支付-1"}


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
    desk.move_clock(f"{notice['closes_on']}T12:00:00+08:00")
    assert await desk.close_notices() == 0
    held = await desk.get(case["id"])

    await judge(desk, objection, "not_admitted")
    await desk.close_notices()

    assert held["state"] == "on_notice"
    assert (await desk.get(case["id"]))["state"] == "confirmed"


async def test_an_admitted_objection_suspends_and_a_dismissed_one_lets_the_case_go_on(desk: Desk) -> None:
    case, notice, objection = await objected(desk, "admitted")
    suspended = await desk.get(case["id"])
    desk.move_clock(f"{notice['closes_on']}T12:00:00+08:00")
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
    full = (await desk.client.get("/v1/objections", params={"limit": 1}, auth=AUDITOR)).json()
    assert (len(full["rows"]), full["next_cursor"]) == (1, None)
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
    desk.move_clock(f"{notice['closes_on']}T12:00:00+08:00")
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
        assert ("award_confirmed" in told) == entered.json()["entered_late"]
    assert after["state"] in ({"releasing"} if left.is_success else {"confirmed", "on_notice"})
    moves = [step["case_version"] for step in after["history"] if step["action"] != "objection_entered_late"]
    assert moves == list(range(1, after["version"] + 1))


async def entered_late(desk: Desk, *answers: tuple[type[MoneyEvent], dict[str, object]]) -> tuple[dict[str, Any], httpx.Response]:
    """A case that was confirmed, and what the budget said of it, before the objection of the last evening was entered."""
    case, notice = await desk.on_notice()
    desk.move_clock(f"{notice['closes_on']}T12:00:00+08:00")
    await desk.close_notices()
    for kind, facts in answers:
        await desk.answer(kind, case, **facts)
    entered = await enter(desk, case, notice, received_at=f"{notice['last_day']}T23:59:59+08:00")
    return await desk.get(case["id"]), entered


async def test_an_objection_of_the_last_evening_that_is_entered_after_the_close_is_kept_and_can_still_end_the_award(desk: Desk) -> None:
    case, entered = await entered_late(desk)
    objection = (await judge(desk, entered.json(), "admitted")).json()
    held = (await desk.get(case["id"]))["state"]

    upheld = (await judge(desk, objection, "upheld")).json()
    await desk.answer(FundsReleased, case)

    assert (entered.status_code, entered.json()["entered_late"], entered.json()["case_state"]) == (201, True, "confirmed")
    assert "暂缓支付" in entered.json()["next_step_zh"]
    assert [(step["action"], step["to_state"]) for step in case["history"]][-1] == ("objection_entered_late", "confirmed")
    assert (held, upheld["case_state"]) == ("confirmed", "releasing")
    assert (await desk.get(case["id"]))["state"] == "refused"
    assert (await desk.told(case["id"]))[-3:] == ["award_confirmed", "release_requested", "application_refused"]


@pytest.mark.parametrize("decision", ["upheld", "dismissed"])
async def test_an_objection_entered_when_the_money_is_paid_is_kept_and_moves_nothing_by_itself(desk: Desk, decision: str) -> None:
    paid_on = {"paid_on": "2025-09-23"}
    case, entered = await entered_late(desk, (PaymentOrdered, ORDER), (PaymentConfirmed, {**ORDER, **paid_on}))
    objection = (await judge(desk, entered.json(), "admitted")).json()
    before = await desk.told(case["id"])

    decided = (await judge(desk, objection, decision)).json()

    assert (entered.status_code, entered.json()["case_state"], decided["case_state"]) == (201, "paid", "paid")
    assert ("追回" in decided["next_step_zh"]) == (decision == "upheld")
    assert await desk.told(case["id"]) == before
    assert len((await desk.client.get("/v1/objections", params={"state": decision}, auth=OFFICER)).json()["rows"]) == 1


async def test_an_objection_to_an_award_that_its_applicant_gave_up_is_not_entered(desk: Desk) -> None:
    case, notice = await desk.on_notice()
    await desk.leave(case)
    before = await desk.counted()

    answer = await enter(desk, case, notice)

    assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (409, "step-not-allowed", "releasing")
    assert await desk.counted() == before


async def test_an_objection_entered_in_time_is_not_marked_as_late(desk: Desk) -> None:
    _, _, objection = await objected(desk)

    assert (objection["entered_late"], objection["next_step_zh"]) == (False, "请决定是否受理该异议。")
