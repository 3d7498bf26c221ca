"""Acceptance and review: who may decide what, what a wrong decision gets, and what each verdict does."""

from typing import Any

import pytest

from services.applications.review.rules import DECISIONS_PER_CALL_MAX
from shared.events.registry import InstitutionRecorded
from shared.ids import new_id
from tests.building import Staff, staff_token
from tests.integration.applications.callers import (
    AUDITOR,
    BOLD_DISTRICT,
    BOLD_PORTAL,
    CITY_REVIEWER,
    FINANCE,
    HUANCUI,
    HUANCUI_REVIEWER,
    JOINT_REVIEWER,
    OTHER_USCC,
    WENDENG,
    WENDENG_REVIEWER,
    award_filing,
    documents,
    filing,
)
from tests.integration.applications.desk import AMOUNT_FEN, PERMIT_FIRST_DAY, Desk


def decision(id_: str, stage: str = "acceptance", verdict: str = "approve", **more: object) -> dict[str, Any]:
    return {"application_id": id_, "stage": stage, "verdict": verdict, **more}


async def at_stage(desk: Desk, stage: str) -> str:
    """A case that waits for the decision of this stage."""
    id_ = str((await desk.file())["application_id"])
    for passed, auth, officer in (("acceptance", HUANCUI, "hc-0001"), ("district", HUANCUI, "hc-0002"), ("city", CITY_REVIEWER, None)):
        if passed == stage:
            break
        await desk.approve([id_], passed, auth=auth, officer=officer)
    return id_


async def refusals(desk: Desk, decisions: list[Any], *, auth: Any, officer: str | None = None) -> list[tuple[int, str]]:
    """Status and code of each; nothing is written but the answer."""
    before = await desk.counted()
    results = await desk.decide(decisions, auth=auth, officer=officer)
    assert [each["status"] for each in results] == ["refused"] * len(decisions), results
    assert all(each["problem"]["detail_zh"] and each["problem"]["detail"] for each in results)
    assert await desk.counted() == {**before, "answer": before["answer"] + 1}
    return [(each["problem"]["status"], each["problem"]["code"]) for each in results]


@pytest.mark.parametrize(
    ("stage", "sent", "answer"),
    [
        ("acceptance", {"stage": "district"}, (409, "step-not-allowed")),
        ("district", {"stage": "acceptance"}, (409, "step-not-allowed")),
        ("district", {"stage": "city"}, (403, "scope-missing")),
        ("district", {"stage": "moon"}, (422, "stage-unknown")),
        ("district", {"stage": "panel"}, (422, "stage-unknown")),
        ("acceptance", {"verdict": "refuse"}, (422, "reason-missing")),
        ("acceptance", {"verdict": "return", "reason": "不全"}, (422, "reason-missing")),
        ("acceptance", {"verdict": "refuse", "reason": "联系人电话13900000000"}, (422, "reason-holds-personal-data")),
        ("district", {"stage": "district", "verdict": "return", "reason": "身份证371002199001010015不清晰"}, (422, "reason-holds-personal-data")),
        ("district", {"stage": "district", "verdict": "refuse"}, (422, "reason-missing")),
        ("district", {"stage": "district", "amount_fen": 1}, (422, "amount-not-asked")),
        ("district", {"stage": "district", "verdict": "refuse", "reason": "不符合条件", "amount_fen": 1}, (422, "amount-not-asked")),
        ("acceptance", {"verdict": "maybe"}, (422, "invalid")),
        ("acceptance", {"remark": "?"}, (422, "invalid")),
        ("acceptance", {"application_id": "?"}, (422, "invalid")),
        ("acceptance", {"reason": "理" * 1_001}, (422, "invalid")),
    ],
)
async def test_a_wrong_decision_of_a_district_is_refused_by_itself(desk: Desk, stage: str, sent: dict[str, object], answer: tuple[int, str]) -> None:
    id_ = await at_stage(desk, stage)

    assert await refusals(desk, [{**decision(id_), **sent}], auth=HUANCUI, officer="hc-0009") == [answer]


@pytest.mark.parametrize(
    ("amount", "answer"),
    [
        (None, (422, "amount-missing")),
        (0, (422, "invalid")),
        (-1, (422, "invalid")),
        (10**30, (422, "invalid")),
        (1.0, (422, "invalid")),
        ("4000000", (422, "invalid")),
        (5_000_001, (422, "above-ceiling")),
    ],
)
async def test_the_joint_review_sets_a_sum_between_1_fen_and_the_ceiling(desk: Desk, amount: object, answer: tuple[int, str]) -> None:
    id_ = await at_stage(desk, "joint")

    assert await refusals(desk, [decision(id_, "joint", amount_fen=amount)], auth=FINANCE) == [answer]


@pytest.mark.parametrize("amount", [1, 5_000_000])
async def test_one_fen_and_the_ceiling_itself_may_be_given(desk: Desk, amount: int) -> None:
    id_ = await at_stage(desk, "joint")

    await desk.approve([id_], "joint", auth=FINANCE, amount_fen=amount)
    await desk.approve([id_], "joint", auth=JOINT_REVIEWER, amount_fen=amount)

    assert [(case["state"], case["amount_fen"]) for case in [await desk.get(id_)]] == [("proposed", amount)]


async def test_both_sides_of_the_joint_review_set_one_sum_and_either_may_come_round(desk: Desk) -> None:
    id_ = await at_stage(desk, "joint")
    await desk.approve([id_], "joint", auth=FINANCE, amount_fen=3_000_000)

    differing = await refusals(desk, [decision(id_, "joint", amount_fen=AMOUNT_FEN)], auth=JOINT_REVIEWER)
    await desk.approve([id_], "joint", auth=FINANCE, amount_fen=AMOUNT_FEN)
    await desk.approve([id_], "joint", auth=JOINT_REVIEWER, amount_fen=AMOUNT_FEN)

    assert differing == [(409, "amounts-differ")]
    case = await desk.get(id_)
    assert (case["state"], case["amount_fen"]) == ("proposed", AMOUNT_FEN)
    assert [(each["decider"], each["attempt"], each["amount_fen"]) for each in case["decisions"] if each["stage"] == "joint"] == [
        ("city_finance", 1, 3_000_000),
        ("city_finance", 2, AMOUNT_FEN),
        ("city_hr", 1, AMOUNT_FEN),
    ]


async def test_nobody_decides_twice_on_a_case_whatever_the_way_he_comes(desk: Desk) -> None:
    id_ = await at_stage(desk, "district")
    await desk.approve([id_], "district", auth=HUANCUI, officer="City-1")

    same_name = await refusals(desk, [decision(id_, "city")], auth=CITY_REVIEWER)
    await desk.approve([id_], "city", auth=JOINT_REVIEWER)
    same_token = await refusals(desk, [decision(id_, "joint", amount_fen=1)], auth=JOINT_REVIEWER)

    assert (same_name, same_token) == ([(409, "same-person-twice")], [(409, "same-person-twice")])


async def test_the_first_review_is_taken_anew_by_the_officer_who_took_it_and_by_no_other(desk: Desk) -> None:
    id_ = await at_stage(desk, "joint")
    await desk.approve([id_], "joint", auth=FINANCE, amount_fen=1)
    other = Staff(staff_token("finance-2", roles=["city-finance"]))

    assert await refusals(desk, [decision(id_, "joint", amount_fen=2)], auth=other) == [(409, "already-decided")]


async def test_who_has_both_roles_decides_for_the_side_that_is_still_waited_for(desk: Desk) -> None:
    id_ = await at_stage(desk, "joint")
    await desk.approve([id_], "joint", auth=JOINT_REVIEWER, amount_fen=1)

    await desk.approve([id_], "joint", auth=Staff(staff_token("deputy", roles=["city-reviewer", "city-finance"])), amount_fen=1)

    assert (await desk.get(id_))["state"] == "proposed"


async def test_a_system_names_its_officer_and_staff_name_nobody(desk: Desk) -> None:
    id_ = await at_stage(desk, "acceptance")
    body = {"decisions": [decision(id_)]}

    unnamed = await desk.client.post("/v1/reviews", json=body, auth=HUANCUI)
    odd = await desk.client.post("/v1/reviews", json={**body, "officer": "张三"}, auth=HUANCUI)
    borrowed = await desk.client.post("/v1/reviews", json={**body, "officer": "hc-0001"}, auth=HUANCUI_REVIEWER)

    assert (unnamed.status_code, unnamed.json()["code"], unnamed.json()["errors"][0]["pointer"]) == (422, "officer-missing", "/officer")
    assert (odd.status_code, odd.json()["code"]) == (422, "invalid")
    assert (borrowed.status_code, borrowed.json()["code"]) == (422, "officer-not-asked")
    assert (await desk.get(id_))["version"] == 1


async def test_a_system_decides_for_districts_only_whatever_scopes_it_was_given(desk: Desk) -> None:
    ids = [await at_stage(desk, "city")]

    for_the_city = await refusals(desk, [decision(ids[0], "city")], auth=BOLD_DISTRICT, officer="hc-0003")
    by_the_portal = await refusals(desk, [decision(ids[0], "district")], auth=BOLD_PORTAL, officer="hc-0003")

    # The portal does not see what it did not file, so for it there is no such case.
    assert (for_the_city, by_the_portal) == ([(403, "system-may-not-decide")], [(404, "not-found")])
    filed = await desk.file(filing("p-1", portal_number="SD-1"), auth=BOLD_PORTAL)
    own = await refusals(desk, [decision(filed["application_id"])], auth=BOLD_PORTAL, officer="hc-0003")
    assert own == [(403, "system-may-not-decide")]


async def test_a_case_of_another_district_is_not_there(desk: Desk) -> None:
    id_ = await at_stage(desk, "acceptance")

    assert await refusals(desk, [decision(id_), decision(str(new_id()))], auth=WENDENG, officer="wd-0001") == [(404, "not-found")] * 2
    assert await refusals(desk, [decision(id_)], auth=WENDENG_REVIEWER) == [(404, "not-found")]


async def test_who_may_not_decide_is_told_so(desk: Desk) -> None:
    id_ = await at_stage(desk, "city")
    auditor = await desk.client.post("/v1/reviews", json={"decisions": [decision(id_, "city")]}, auth=AUDITOR)

    assert (auditor.status_code, auditor.json()["code"]) == (403, "scope-missing")
    assert await refusals(desk, [decision(id_, "city")], auth=FINANCE) == [(403, "scope-missing")]


async def test_a_wrong_decision_holds_up_no_other_and_a_case_is_decided_once_a_call(desk: Desk) -> None:
    ids = [(await desk.file(filing(f"row-{n}")))["application_id"] for n in range(3)]
    sent: list[Any] = [decision(ids[0]), "?", decision(ids[0], verdict="refuse", reason="不符合条件"), decision(str(new_id())), decision(ids[1])]

    results = await desk.decide(sent, auth=HUANCUI, officer="hc-0001")

    gists = [each["problem"]["code"] if each["status"] == "refused" else each["state"] for each in results]
    assert gists == ["accepted", "invalid", "case-twice", "not-found", "accepted"]
    assert [each["index"] for each in results] == [0, 1, 2, 3, 4]
    assert results[2]["problem"]["errors"][0]["pointer"] == "/decisions/2/application_id"
    assert [(await desk.get(id_))["state"] for id_ in ids] == ["accepted", "accepted", "filed"]


@pytest.mark.parametrize(("count", "status"), [(0, 422), (DECISIONS_PER_CALL_MAX, 200), (DECISIONS_PER_CALL_MAX + 1, 422)])
async def test_a_call_takes_1_to_300_decisions(desk: Desk, count: int, status: int) -> None:
    rows = [filing(f"r-{number}") for number in range(count)]
    filed = await desk.client.post("/v1/applications:batch", json={"rows": rows}, auth=HUANCUI)
    ids = [each["filed"]["application_id"] for each in filed.json().get("results", [])]

    answer = await desk.client.post("/v1/reviews", json={"decisions": [decision(id_) for id_ in ids], "officer": "hc-0001"}, auth=HUANCUI)

    (accepted,) = await desk.rows("SELECT count(*) AS n FROM application WHERE state = 'accepted'")
    assert (answer.status_code, accepted["n"]) == (status, count if status == 200 else 0)


async def test_what_the_last_stage_passes_goes_to_the_budget_in_the_order_of_the_call(desk: Desk) -> None:
    ids = [(await desk.file(filing(f"row-{n}")))["application_id"] for n in range(3)]
    await desk.approve(ids, "acceptance", auth=HUANCUI, officer="hc-0001")
    await desk.approve(ids, "district", auth=HUANCUI, officer="hc-0002")
    await desk.approve(ids, "city", auth=CITY_REVIEWER)
    await desk.approve(ids, "joint", auth=FINANCE, amount_fen=1)

    await desk.approve([ids[2], ids[0], ids[1]], "joint", auth=JOINT_REVIEWER, amount_fen=1)

    (proposed,) = [each.body or {} for each in await desk.announced() if each.type == "applications.awards_proposed.v1"]
    assert [each["application_id"] for each in proposed["awards"]] == [ids[2], ids[0], ids[1]]
    assert {(await desk.get(id_))["proposal_id"] for id_ in ids} == {proposed["proposal_id"]}


async def test_acceptance_waits_for_the_facts_and_the_documents_and_then_takes_the_case(desk: Desk) -> None:
    id_ = (await desk.file(award_filing(applicant_uscc=OTHER_USCC, evidence=documents())))["application_id"]
    unknown = await refusals(desk, [decision(id_)], auth=HUANCUI, officer="hc-0001")
    await desk.know(OTHER_USCC, permit=False)
    incomplete = await refusals(desk, [decision(id_)], auth=HUANCUI, officer="hc-0001")
    await desk.file(award_filing(applicant_uscc=OTHER_USCC))

    await desk.approve([id_], "acceptance", auth=HUANCUI, officer="hc-0001")

    assert (unknown, incomplete) == ([(409, "applicant-unverified")], [(409, "evidence-missing")])
    assert (await desk.get(id_))["state"] == "accepted"


async def test_a_permit_counts_on_the_day_of_filing_and_not_from_the_day_of_its_end(desk: Desk) -> None:
    id_ = (await desk.file(filing(applicant_uscc=OTHER_USCC)))["application_id"]
    await desk.know(OTHER_USCC, permit=False)
    wanted = await refusals(desk, [decision(id_)], auth=HUANCUI, officer="hc-0001")
    moment = desk.live.now()
    await desk.hear(
        InstitutionRecorded(
            happened_at=moment.at,
            happened_on=moment.on,
            institution_id=new_id(),
            uscc=OTHER_USCC,
            basis="permit",
            number="P-2",
            scope=("job_placement",),
            first_day=PERMIT_FIRST_DAY,
        )
    )

    await desk.approve([id_], "acceptance", auth=HUANCUI, officer="hc-0001")

    assert wanted == [(409, "applicant-unverified")]


async def test_a_return_tells_the_reason_once_with_its_day_and_a_refusal_ends_the_case(desk: Desk) -> None:
    ids = [(await desk.file(filing(f"row-{n}")))["application_id"] for n in range(2)]
    sent = [decision(ids[0], verdict="return", reason=" 缺少费用票据 "), decision(ids[1], verdict="refuse", reason="不属于重点扶持项目")]

    await desk.decide(sent, auth=HUANCUI, officer="hc-0001")

    cases = [await desk.get(id_) for id_ in ids]
    assert [(case["state"], case["waiting_on"], case["due_on"]) for case in cases] == [
        ("returned", ["applicant"], "2025-09-28"),
        ("refused", [], None),
    ]
    asked, refused = [each.body or {} for each in (await desk.announced())[-2:]]
    assert (asked["reason"], asked["due"]) == ("缺少费用票据", {"working_days": 10, "from_day": "2025-09-15", "due_on": "2025-09-28"})
    assert (refused["reason"], refused["stage"]) == ("不属于重点扶持项目", "acceptance")


@pytest.mark.parametrize("stage", ["district", "city", "joint"])
async def test_a_return_from_any_stage_starts_the_review_anew_in_a_round_of_its_own(desk: Desk, stage: str) -> None:
    id_ = await at_stage(desk, stage)
    auth: Any = {"district": HUANCUI, "city": CITY_REVIEWER, "joint": FINANCE}[stage]
    officer = "hc-0002" if stage == "district" else None
    await desk.decide([decision(id_, stage, "return", reason="请补充服务名单")], auth=auth, officer=officer)
    await desk.file(filing(requested_fen=4_600_000))

    await desk.propose(id_)

    case = await desk.get(id_)
    assert (case["state"], case["requested_fen"]) == ("proposed", 4_600_000)
    assert {each["round"] for each in case["decisions"]} == {1, 2}
