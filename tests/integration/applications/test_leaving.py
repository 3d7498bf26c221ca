"""Leaving a case: at once while no money is asked for, by way of the budget after that; every order of answers comes to an end."""

import asyncio
from typing import Any

import httpx
import pytest

from services.applications.deadline.jobs import compute_open_deadlines
from shared.events.budget import (
    FundsReleased,
    FundsReserved,
    FundsWaiting,
    MoneyEvent,
    PaymentClawedBack,
    PaymentConfirmed,
    PaymentOrdered,
    PaymentReturned,
    ReleaseRefused,
    ReservationRefused,
)
from shared.ids import new_id
from tests.integration.applications.callers import (
    CITY_REVIEWER,
    FINANCE,
    HUANCUI,
    HUANCUI_SECOND,
    JOINT_REVIEWER,
    OFFICER,
    WENDENG,
    WENDENG_OFFICER,
    filing,
)
from tests.integration.applications.desk import AMOUNT_FEN, Desk

ORDER = {"payment_order_id": new_id(), "voucher": "支付-1"}
REFUSED = {"reason_code": "unknown-line", "reason": "没有该资金项目"}
ANSWERS: dict[str, tuple[type[MoneyEvent], dict[str, Any]]] = {
    "reserved": (FundsReserved, {"voucher": "预留-1"}),
    "waiting": (FundsWaiting, {"short_by_fen": 1}),
    "refused": (ReservationRefused, REFUSED),
    "released": (FundsReleased, {}),
    "kept": (ReleaseRefused, {"reason_code": "money-on-its-way", "reason": "款项已在支付途中"}),
    "ordered": (PaymentOrdered, ORDER),
    "confirmed": (PaymentConfirmed, {**ORDER, "paid_on": "2025-09-24"}),
    "returned": (PaymentReturned, {**ORDER, "reason": "户名不符"}),
    "recovered": (PaymentClawedBack, {**ORDER, "clawback_id": new_id(), "received_fen": 500, "ordered_fen": 500, "reason": "项目未实施"}),
}


async def proposed(desk: Desk) -> dict[str, Any]:
    filed = await desk.file()
    await desk.propose(filed["application_id"])
    return await desk.get(filed["application_id"])


async def say(desk: Desk, case: dict[str, Any], *answers: str) -> None:
    for name in answers:
        kind, more = ANSWERS[name]
        await desk.answer(kind, case, **more)


@pytest.mark.parametrize(
    ("answers", "state", "told"),
    [
        (["released"], "withdrawn", ["application_withdrawn"]),
        (["reserved", "released"], "withdrawn", ["application_withdrawn"]),
        (["waiting", "released"], "withdrawn", ["application_withdrawn"]),
        (["waiting", "reserved", "released"], "withdrawn", ["application_withdrawn"]),
        (["refused", "released"], "withdrawn", ["application_withdrawn"]),
        # Late ones change nothing.
        (["released", "reserved"], "withdrawn", ["application_withdrawn"]),
        (["released", "released"], "withdrawn", ["application_withdrawn"]),
        (["released", "refused"], "withdrawn", ["application_withdrawn"]),
    ],
)
async def test_a_case_withdrawn_while_the_budget_thinks_ends_whatever_it_answers(desk: Desk, answers: list[str], state: str, told: list[str]) -> None:
    case = await proposed(desk)
    answer = await desk.leave(case)
    asked = answer.json()

    await say(desk, case, *answers)

    ended = await desk.get(case["id"])
    assert (answer.status_code, asked["state"], asked["waiting_on"]) == (200, "releasing", ["budget"])
    assert (ended["state"], ended["waiting_on"]) == (state, [])
    assert (await desk.told(case["id"]))[-1 - len(told) :] == ["release_requested", *told]
    assert (await desk.rows("SELECT once_key, release_target, release_from, release_reason FROM application")) == [
        {"once_key": None, "release_target": None, "release_from": None, "release_reason": None}
    ]


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        (["released"], "withdrawn"),
        (["ordered", "kept"], "paying"),
        (["ordered", "confirmed", "kept"], "paid"),
        (["ordered", "kept", "confirmed"], "paid"),
        (["ordered", "returned", "released"], "withdrawn"),
        (["ordered", "returned", "kept"], "confirmed"),
        (["ordered", "confirmed", "returned", "released"], "withdrawn"),
    ],
)
async def test_a_withdrawal_and_a_payment_that_cross_come_to_one_end(desk: Desk, answers: list[str], state: str) -> None:
    case = await desk.confirmed()
    await desk.leave(case)

    await say(desk, case, *answers)

    ended = await desk.get(case["id"])
    assert ended["state"] == state
    if state == "confirmed":
        # It may still leave, and is asked for anew.
        again = await desk.leave(ended)
        assert (again.status_code, again.json()["state"]) == (200, "releasing")


async def test_after_a_refused_release_the_case_goes_on_and_says_so(desk: Desk) -> None:
    case = await desk.confirmed()
    await desk.leave(case)

    await say(desk, case, "ordered", "kept", "confirmed")

    assert (await desk.told(case["id"]))[-3:] == ["release_requested", "release_undone", "application_paid"]
    undone = [each.body or {} for each in await desk.announced()][-2]
    assert undone["state"] == "paying"


@pytest.mark.parametrize("name", sorted(ANSWERS))
async def test_an_answer_to_an_earlier_proposal_is_written_down_and_dropped(desk: Desk, name: str) -> None:
    case = await proposed(desk)
    before = await desk.counted()

    kind, more = ANSWERS[name]
    await desk.answer(kind, case, **{**more, "proposal_id": new_id()})

    after = await desk.get(case["id"])
    assert (after["state"], after["version"]) == ("proposed", case["version"])
    assert (after["history"][-1]["action"], after["history"][-1]["caller"]) == ("late_answer", "service:budget")
    assert await desk.counted() == {**before, "step": before["step"] + 1}


async def test_a_paid_case_is_clawed_back_once_all_that_was_ordered_back_is_received(desk: Desk) -> None:
    case = await desk.confirmed()
    await say(desk, case, "ordered", "confirmed")
    kind, more = ANSWERS["recovered"]

    await desk.answer(kind, case, **{**more, "received_fen": 499})
    part = await desk.get(case["id"])
    await desk.answer(kind, case, **more)
    whole = await desk.get(case["id"])

    assert (part["state"], part["history"][-1]["reason"]) == ("paid", "项目未实施：已追回4.99元，应追回5.00元")
    assert (whole["state"], whole["waiting_on"], (await desk.told(case["id"]))[-1]) == ("clawed_back", [], "application_clawed_back")


async def test_the_same_answer_delivered_twice_is_taken_once(desk: Desk) -> None:
    case = await proposed(desk)
    moment = desk.live.now()
    fields = {"application_id": case["id"], "proposal_id": case["proposal_id"], "amount_fen": AMOUNT_FEN, "fiscal_year": 2025, "voucher": "预留-1"}
    record = desk.record(FundsReserved.model_validate({"happened_at": moment.at, "happened_on": moment.on, **fields}))
    await desk.receive(record)
    before = await desk.counted()

    await desk.receive(record)

    assert await desk.counted() == before


async def test_a_proposal_refused_for_another_reason_than_money_is_reviewed_anew_by_both_sides(desk: Desk) -> None:
    case = await proposed(desk)
    await say(desk, case, "refused")
    back = await desk.get(case["id"])

    await desk.approve([case["id"]], "joint", auth=FINANCE, amount_fen=AMOUNT_FEN - 1)
    await desk.approve([case["id"]], "joint", auth=JOINT_REVIEWER, amount_fen=AMOUNT_FEN - 1)

    assert (back["state"], back["stage"], back["waiting_on"], back["amount_fen"]) == ("in_review", "joint", ["city_hr", "city_finance"], None)
    anew = await desk.get(case["id"])
    assert (anew["state"], anew["amount_fen"]) == ("proposed", AMOUNT_FEN - 1)
    assert anew["proposal_id"] != case["proposal_id"]
    assert "funding_refused" in await desk.told(case["id"])


@pytest.mark.parametrize(
    ("code", "is_beyond_review"), [("year-outside-term", True), ("unknown-line", True), ("unknown-policy", True), ("above-cap", False)]
)
async def test_after_a_refusal_that_no_review_can_change_the_officers_are_told_what_to_do(desk: Desk, code: str, is_beyond_review: bool) -> None:
    case = await proposed(desk)
    before = (await desk.get(case["id"]))["next_step_zh"]

    await desk.answer(ReservationRefused, case, reason_code=code, reason="不能安排资金")

    back = await desk.get(case["id"])
    (row,) = (await desk.client.get("/v1/applications", auth=OFFICER)).json()["rows"]
    assert (back["next_step_zh"], back["next_step_en"]) == (row["next_step_zh"], row["next_step_en"])
    assert ("不予支持" in back["next_step_zh"], "refuse" in back["next_step_en"]) == (is_beyond_review, is_beyond_review)
    assert back["next_step_zh"] != before
    assert back["history"][-1]["facts"] == {"reason_code": code}
    # The way that it names is open: the case can be brought to its end.
    (ended,) = await desk.decide([{"application_id": case["id"], "stage": "joint", "verdict": "refuse", "reason": "无资金来源"}], auth=FINANCE)
    assert ended["status"] != "refused", ended


async def test_a_case_that_the_budget_sends_back_to_review_has_a_day_by_which_it_is_reviewed(desk: Desk) -> None:
    case = await proposed(desk)

    await say(desk, case, "refused")
    await compute_open_deadlines(desk.live)

    back = await desk.get(case["id"])
    assert (back["due_working_days"], back["due_from_day"], back["due_on"]) == (10, "2025-09-15", "2025-09-28")


async def test_a_waiting_case_is_funded_or_lapses_as_the_budget_says(desk: Desk) -> None:
    case = await proposed(desk)
    await say(desk, case, "waiting")
    waiting = await desk.get(case["id"])
    await say(desk, case, "released")

    assert (waiting["state"], waiting["waiting_on"]) == ("waiting_for_funds", ["budget"])
    assert (await desk.told(case["id"]))[-2:] == ["application_waiting", "application_lapsed"]
    assert ((await desk.announced())[-1].body or {})["stage"] == "waiting_for_funds"
    assert (await desk.get(case["id"]))["state"] == "lapsed"


@pytest.mark.parametrize("name", ["reserved", "refused", "waiting"])
async def test_a_withdrawal_and_an_answer_at_the_same_moment_leave_nobody_hanging(desk: Desk, name: str) -> None:
    case = await proposed(desk)

    withdrawal, _ = await asyncio.gather(desk.leave(case), say(desk, case, name))
    if withdrawal.status_code == 412:
        withdrawal = await desk.leave(await desk.get(case["id"]))
    assert withdrawal.status_code == 200, withdrawal.text
    if withdrawal.json()["state"] == "releasing":
        await say(desk, case, "released")

    assert (await desk.get(case["id"]))["state"] == "withdrawn"
    versions = [row["case_version"] for row in await desk.rows("SELECT case_version FROM step WHERE action <> 'late_answer' ORDER BY id")]
    assert versions == list(range(1, len(versions) + 1))


async def test_a_withdrawal_and_a_payment_order_at_the_same_moment_leave_nobody_hanging(desk: Desk) -> None:
    case = await desk.confirmed()

    withdrawal, _ = await asyncio.gather(desk.leave(case), say(desk, case, "ordered"))
    if withdrawal.is_success:
        await say(desk, case, "kept")

    assert (await desk.get(case["id"]))["state"] == "paying"
    assert withdrawal.status_code in (200, 412)


async def test_before_money_is_asked_for_a_case_is_withdrawn_at_once(desk: Desk) -> None:
    filed = await desk.file()

    answer = await desk.leave(await desk.get(filed["application_id"]))

    assert (answer.status_code, answer.json()["state"], answer.headers["ETag"]) == (200, "withdrawn", '"2"')
    assert await desk.told(filed["application_id"]) == ["application_filed", "application_withdrawn"]
    assert (await desk.file(filing("row-2", project_code="KP-ROW-1")))["status"] == "created"


async def test_only_who_filed_withdraws_and_for_others_there_may_be_no_such_case(desk: Desk) -> None:
    filed = await desk.file()
    case = await desk.get(filed["application_id"])
    before = await desk.counted()

    second, wendeng, officer = [await desk.leave(case, auth=auth) for auth in (HUANCUI_SECOND, WENDENG, OFFICER)]

    assert [(each.status_code, each.json()["code"]) for each in (second, wendeng, officer)] == [
        (403, "not-your-filing"),
        (404, "not-found"),
        (403, "scope-missing"),
    ]
    assert await desk.counted() == before


async def refuse(desk: Desk, case: dict[str, Any], *, auth: httpx.Auth = OFFICER, reason: str = "经核查不符合条件") -> httpx.Response:
    return await desk.leave(case, "refuse", auth=auth, reason=reason)


async def test_the_city_refuses_a_funded_case_by_way_of_the_budget_which_is_not_told_the_reason(desk: Desk) -> None:
    case = await desk.funded()

    answer = await refuse(desk, case)
    await say(desk, case, "released")

    assert answer.json()["state"] == "releasing"
    asked, refused = [each.body or {} for each in (await desk.announced())[-2:]]
    assert (asked["target"], asked["reason"]) == ("refused", "不予支持")
    assert (refused["state"], refused["reason"], refused["stage"]) == ("refused", "经核查不符合条件", "funded")


async def test_a_refusal_needs_a_state_with_money_a_jurisdiction_and_a_reason(desk: Desk) -> None:
    filed = await desk.get((await desk.file(filing("row-0")))["application_id"])
    case = await desk.funded()
    before = await desk.counted()

    answers = [
        await refuse(desk, filed),
        await refuse(desk, case, auth=WENDENG_OFFICER),
        await refuse(desk, case, auth=CITY_REVIEWER),
        await refuse(desk, case, reason="不行"),
        await refuse(desk, case, reason="请致电13900000000"),
        await refuse(desk, {**case, "version": case["version"] - 1}),
    ]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (409, "step-not-allowed"),
        (404, "not-found"),
        (403, "scope-missing"),
        (422, "reason-missing"),
        (422, "reason-holds-personal-data"),
        (412, "version-stale"),
    ]
    assert await desk.counted() == before


@pytest.mark.parametrize("header", [None, "", '"x"', "*", '"-1"'])
async def test_leaving_names_the_version_that_was_read(desk: Desk, header: str | None) -> None:
    filed = await desk.file()
    headers = {"If-Match": header} if header is not None else {}

    answer = await desk.client.post(
        f"/v1/applications/{filed['application_id']}:withdraw", json={"reason": "主动撤回"}, headers=headers, auth=HUANCUI
    )

    assert (answer.status_code, answer.json()["code"]) == (428, "if-match-missing")
    assert (await desk.get(filed["application_id"]))["state"] == "filed"


async def test_a_withdrawal_repeated_with_its_key_gets_its_first_answer(desk: Desk) -> None:
    filed = await desk.file()
    url, sent = f"/v1/applications/{filed['application_id']}:withdraw", {"reason": "主动撤回"}
    headers = {"If-Match": '"1"', "Idempotency-Key": "k-9"}

    first = await desk.client.post(url, json=sent, headers=headers, auth=HUANCUI)
    again = await desk.client.post(url, json=sent, headers=headers, auth=HUANCUI)

    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert (await desk.get(filed["application_id"]))["version"] == 2
