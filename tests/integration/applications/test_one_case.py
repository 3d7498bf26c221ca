"""One case from its filing to the money paid: rows, history, events and what people are shown at each step."""

from datetime import date
from itertools import pairwise
from typing import Any

from shared.events.budget import PaymentConfirmed, PaymentOrdered
from shared.ids import new_id
from tests.integration.applications.callers import CITY_REVIEWER, FINANCE, HUANCUI, JOINT_REVIEWER, USCC
from tests.integration.applications.desk import AMOUNT_FEN, Desk

ISSUER = "staff:https://staff.example.invalid|"
SYSTEM = "system:district-huancui"
PROCEDURE, ITEM, CITY, JOINT = (f"威人社发〔2023〕15号 {place}" for place in ("印发通知", "二(二)4", "三(一)", "三(二)"))
FUND, BUDGET_LAW = JOINT, "预算法 57"

# Filed on Monday 2025-09-15, closing on Tuesday 2025-09-23; Sunday 2025-09-28 is worked for National Day.
SHOWN = [
    ("filed", None, ["district_hr"], "2025-09-22", "等待受理审查。"),
    ("accepted", "district", ["district_hr"], "2025-09-28", "等待区市初审。"),
    ("in_review", "city", ["city_hr"], "2025-09-28", "正在进行市级复核。"),
    ("in_review", "joint", ["city_hr", "city_finance"], "2025-09-28", "正在进行人社财政联审。"),
    ("in_review", "joint", ["city_finance"], "2025-09-28", "正在进行人社财政联审。"),
    ("proposed", None, ["budget"], None, "等待资金安排结果。"),
    ("funded", None, ["city_hr"], None, "等待公示。"),
    ("on_notice", None, ["public"], "2025-09-23", "公示期满无异议的，确认支持。"),
    ("confirmed", None, ["budget"], None, "等待资金拨付。"),
    ("paying", None, ["budget"], None, "等待银行到账确认。"),
    ("paid", None, [], None, "请按规定用途使用资金并接受监督。"),
]
# Version, action, state after it, caller, officer, business date, clause, version of the rule.
HISTORY = [
    (1, "file", "filed", SYSTEM, None, date(2025, 9, 15), ITEM, "2023-15/items/4a@2023-06-12"),
    (2, "accept", "accepted", SYSTEM, f"{SYSTEM}#hc-0001", date(2025, 9, 15), PROCEDURE, "2023-15/acceptances/acceptance@2023-06-12"),
    (3, "approve", "in_review", SYSTEM, f"{SYSTEM}#hc-0002", date(2025, 9, 15), PROCEDURE, "2023-15/stages/district@2023-06-12"),
    (4, "approve", "in_review", f"{ISSUER}city-1", f"{ISSUER}city-1", date(2025, 9, 15), CITY, "2023-15/stages/city@2023-06-12"),
    (5, "approve", "in_review", f"{ISSUER}city-2", f"{ISSUER}city-2", date(2025, 9, 15), JOINT, "2023-15/stages/joint@2023-06-12"),
    (6, "propose", "proposed", f"{ISSUER}finance-1", f"{ISSUER}finance-1", date(2025, 9, 15), JOINT, "2023-15/stages/joint@2023-06-12"),
    (7, "funds_reserved", "funded", "service:budget", None, date(2025, 9, 15), FUND, "2023-15/money_steps/funds_reserved@2023-06-12"),
    (8, "open_notice", "on_notice", f"{ISSUER}officer-1", None, date(2025, 9, 15), JOINT, "2023-15/notice_rules/notice@2023-06-12"),
    (9, "confirm", "confirmed", "service:applications", None, date(2025, 9, 23), JOINT, "2023-15/notice_rules/notice@2023-06-12"),
    (10, "payment_ordered", "paying", "service:budget", None, date(2025, 9, 23), BUDGET_LAW, "2023-15/money_steps/payment_ordered@2023-06-12"),
    (11, "payment_confirmed", "paid", "service:budget", None, date(2025, 9, 23), BUDGET_LAW, "2023-15/money_steps/payment_confirmed@2023-06-12"),
]
# The fifth version, an approval that finance still has to join, is nobody's news.
STORY = [
    (1, "application_filed", "filed"),
    (2, "application_accepted", "accepted"),
    (3, "review_decided", "in_review"),
    (4, "review_decided", "in_review"),
    (6, "review_decided", "proposed"),
    (6, "application_proposed", "proposed"),
    (7, "application_funded", "funded"),
    (8, "notice_opened", "on_notice"),
    (9, "award_confirmed", "confirmed"),
    (10, "payment_started", "paying"),
    (11, "application_paid", "paid"),
]


async def walk(desk: Desk) -> tuple[str, list[tuple[Any, ...]]]:
    """The id of a case that was paid, and what was shown after each step."""
    id_ = (await desk.file())["application_id"]
    views = [shown(await desk.get(id_))]
    for stage, auth, officer, more in (
        ("acceptance", HUANCUI, "hc-0001", {}),
        ("district", HUANCUI, "hc-0002", {}),
        ("city", CITY_REVIEWER, None, {}),
        ("joint", JOINT_REVIEWER, None, {"amount_fen": AMOUNT_FEN}),
        ("joint", FINANCE, None, {"amount_fen": AMOUNT_FEN}),
    ):
        await desk.approve([id_], stage, auth=auth, officer=officer, **more)
        views.append(shown(await desk.get(id_)))
    views.append(shown(await desk.fund(id_)))
    opened = await desk.open_notice(id_)
    views.append(shown(await desk.get(id_)))
    desk.move_clock(f"{opened['closes_on']}T12:00:00+08:00")
    await desk.close_notices()
    case = await desk.get(id_)
    views.append(shown(case))
    order = {"payment_order_id": new_id(), "voucher": "支付-1"}
    await desk.answer(PaymentOrdered, case, **order)
    views.append(shown(await desk.get(id_)))
    await desk.answer(PaymentConfirmed, case, **order, paid_on=desk.live.now().on)
    views.append(shown(await desk.get(id_)))
    return id_, views


def shown(case: dict[str, Any]) -> tuple[Any, ...]:
    return case["state"], case["stage"], case["waiting_on"], case["due_on"], case["next_step_zh"]


async def test_people_are_shown_at_each_step_who_has_to_act_by_when_and_what_comes_next(desk: Desk) -> None:
    _, views = await walk(desk)

    assert views == SHOWN


async def test_the_history_says_of_each_step_who_when_by_which_clause_and_which_version_of_the_rule(desk: Desk) -> None:
    id_, _ = await walk(desk)

    steps = await desk.rows("SELECT * FROM step WHERE application_id = $1 ORDER BY id", id_)
    names = ("case_version", "action", "to_state", "caller", "officer", "on", "clause", "rule_version")
    assert [tuple(step[name] for name in names) for step in steps] == HISTORY
    assert all(before["to_state"] == after["from_state"] and before["at"] < after["at"] for before, after in pairwise(steps))
    told = (await desk.get(id_))["history"]
    assert [(each["case_version"], each["clause"], each["rule_version"]) for each in told] == [(row[0], row[6], row[7]) for row in HISTORY]


async def test_every_step_is_announced_in_order_under_the_key_of_the_case(desk: Desk) -> None:
    id_, _ = await walk(desk)

    events = [each for each in await desk.announced() if each.key == id_]
    bodies = [each.body or {} for each in events]
    short = [each.type.split(".")[1] for each in events]
    assert [each.seq for each in events] == list(range(1, len(STORY) + 1))
    assert [(body["case_version"], name, body["state"]) for body, name in zip(bodies, short, strict=True)] == STORY
    constant = {(body["case_number"], body["applicant_uscc"], body["item_id"], body["jurisdiction_id"]) for body in bodies}
    assert constant == {((await desk.get(id_))["case_number"], USCC, "2023-15/4a", "huancui")}


async def test_the_budget_is_sent_one_order_to_reserve_and_one_to_pay(desk: Desk) -> None:
    id_, _ = await walk(desk)

    case = await desk.get(id_)
    orders = {each.type: each for each in await desk.announced() if each.type.split(".")[1] in ("awards_proposed", "award_confirmed")}
    proposed, confirmed = orders["applications.awards_proposed.v1"], orders["applications.award_confirmed.v1"]
    assert proposed.body is not None
    assert confirmed.body is not None
    assert (proposed.key, proposed.body["fiscal_year"], proposed.body["policy_id"]) == (case["proposal_id"], 2025, "2023-15")
    assert proposed.body["awards"] == [
        {
            "application_id": id_,
            "case_number": case["case_number"],
            "applicant_uscc": USCC,
            "line_id": "2023-15/4a",
            "jurisdiction_id": "huancui",
            "amount_fen": AMOUNT_FEN,
        }
    ]
    assert (confirmed.body["proposal_id"], confirmed.body["amount_fen"]) == (case["proposal_id"], AMOUNT_FEN)
    (notice,) = await desk.rows("SELECT number FROM notice")
    assert (confirmed.body["confirmed_on"], confirmed.body["notice_number"]) == ("2025-09-23", notice["number"])


async def test_no_event_holds_a_name_a_document_or_a_remark_on_an_approval(desk: Desk) -> None:
    remark = "项目负责人材料已当面核对"
    id_ = (await desk.file())["application_id"]
    await desk.approve([id_], "acceptance", auth=HUANCUI, officer="hc-0001", reason=remark)

    bodies = str([each.body for each in await desk.announced()])
    assert remark not in bodies
    assert "稳岗扩岗专项" not in bodies
    assert "application_form" not in bodies
    assert "hc-0001" not in bodies
    assert (await desk.get(id_))["history"][-1]["reason"] == remark
