"""Review: stages in order, nobody twice, two bureaus and one sum."""

from collections.abc import Sequence

import pytest

from services.applications.claim.rules import AboveCeiling, AmountNotPositive
from services.applications.intake.rules import State, StepNotAllowed
from services.applications.policy.catalogue import Decider, Item, Policy
from services.applications.review.rules import (
    REASON_CHARS_MAX,
    AlreadyDecided,
    AmountMissing,
    AmountNotAsked,
    AmountsDiffer,
    Decision,
    NotYourTurn,
    OfficerMissing,
    OfficerNotAsked,
    Outcome,
    ReasonHoldsPersonalData,
    ReasonMissing,
    ReasonTooLong,
    SamePersonTwice,
    StageUnknown,
    SystemMayNotDecide,
    Verdict,
    check_may_decide,
    check_reason,
    check_told_reason,
    decide,
    decider_for,
    is_same_person,
    officer_of,
)
from shared.caller import Caller, CallerKind, ScopeMissing
from tests.fixtures.filings import FILED_ON

CAP_FEN = 3_000_000
REASON = "材料与条款不符"


@pytest.fixture
def item(policy: Policy) -> Item:
    (found,) = (item for item in policy.items if item.id == "2023-15/2")
    assert found.cap_fen == CAP_FEN
    return found


def decision(
    stage: str,
    decider: Decider,
    *,
    officer: str,
    verdict: Verdict = Verdict.APPROVE,
    reason: str | None = None,
    amount_fen: int | None = None,
    round_: int = 1,
) -> Decision:
    return Decision(round=round_, stage=stage, decider=decider, officer=officer, verdict=verdict, reason=reason, amount_fen=amount_fen)


DISTRICT = decision("district", Decider.DISTRICT_HR, officer="a|1")
CITY = decision("city", Decider.CITY_HR, officer="a|2")
JOINT_HR = decision("joint", Decider.CITY_HR, officer="a|3", amount_fen=CAP_FEN)
JOINT_FINANCE = decision("joint", Decider.CITY_FINANCE, officer="b|1", amount_fen=CAP_FEN)


def decided(policy: Policy, item: Item, *, taken: Decision, earlier: Sequence[Decision], state: State = State.IN_REVIEW) -> Outcome:
    return decide(item=item, stages=policy.stages_on(FILED_ON), state=state, stage=taken.stage, earlier=earlier, decision=taken)


def test_the_stages_follow_one_another_to_the_sum(policy: Policy, item: Item) -> None:
    outcomes = [
        decided(policy, item, taken=DISTRICT, earlier=[], state=State.ACCEPTED),
        decided(policy, item, taken=CITY, earlier=[DISTRICT]),
        decided(policy, item, taken=JOINT_HR, earlier=[DISTRICT, CITY]),
        decided(policy, item, taken=JOINT_FINANCE, earlier=[DISTRICT, CITY, JOINT_HR]),
    ]

    assert outcomes == [
        Outcome(state=State.IN_REVIEW, stage="city", pending=(Decider.CITY_HR,), stage_passed=True),
        Outcome(state=State.IN_REVIEW, stage="joint", pending=(Decider.CITY_HR, Decider.CITY_FINANCE), stage_passed=True),
        Outcome(state=State.IN_REVIEW, stage="joint", pending=(Decider.CITY_FINANCE,)),
        Outcome(state=State.IN_REVIEW, stage=None, amount_fen=CAP_FEN, stage_passed=True),
    ]


def test_either_bureau_may_begin_the_joint_review(policy: Policy, item: Item) -> None:
    outcome = decided(policy, item, taken=JOINT_FINANCE, earlier=[DISTRICT, CITY])

    assert outcome.pending == (Decider.CITY_HR,)


@pytest.mark.parametrize(("verdict", "state"), [(Verdict.REFUSE, State.REFUSED), (Verdict.RETURN, State.RETURNED)])
def test_one_refusal_or_return_with_a_reason_is_enough(policy: Policy, item: Item, verdict: Verdict, state: State) -> None:
    taken = decision("joint", Decider.CITY_FINANCE, officer="b|1", verdict=verdict, reason=REASON)

    assert decided(policy, item, taken=taken, earlier=[DISTRICT, CITY, JOINT_HR]) == Outcome(state=state, stage=None)


@pytest.mark.parametrize("verdict", [Verdict.REFUSE, Verdict.RETURN])
@pytest.mark.parametrize("reason", [None, "", "   ", "不符合"])
def test_without_a_reason_nothing_is_refused_or_returned(policy: Policy, item: Item, verdict: Verdict, reason: str | None) -> None:
    taken = decision("city", Decider.CITY_HR, officer="a|2", verdict=verdict, reason=reason)

    with pytest.raises(ReasonMissing):
        decided(policy, item, taken=taken, earlier=[DISTRICT])


@pytest.mark.parametrize("reason", ["\u200b\u200b\u200b\u200b", "\u3164\u3164\u3164\u3164", "不\u2060符\u2060"])
def test_a_reason_that_nobody_can_see_is_none(reason: str) -> None:
    with pytest.raises(ReasonMissing):
        check_reason(reason, pointer="/reason")


def test_a_reason_of_1000_characters_is_taken_and_1001_are_not() -> None:
    assert check_reason(f" {'因' * REASON_CHARS_MAX} ", pointer="/reason") == "因" * REASON_CHARS_MAX
    with pytest.raises(ReasonTooLong):
        check_reason("因" * (REASON_CHARS_MAX + 1), pointer="/reason")


@pytest.mark.parametrize(
    ("taken", "earlier"),
    [
        (decision("city", Decider.CITY_HR, officer="a|1"), [DISTRICT]),
        (decision("joint", Decider.CITY_HR, officer="a|2", amount_fen=1), [DISTRICT, CITY]),
        (decision("joint", Decider.CITY_FINANCE, officer="a|3", amount_fen=CAP_FEN), [DISTRICT, CITY, JOINT_HR]),
        (decision("city", Decider.CITY_HR, officer="a|1", round_=2), [DISTRICT]),
    ],
)
def test_nobody_decides_at_two_places_of_one_case(policy: Policy, item: Item, taken: Decision, earlier: list[Decision]) -> None:
    with pytest.raises(SamePersonTwice):
        decided(policy, item, taken=taken, earlier=earlier)


def test_the_same_subject_of_another_issuer_is_another_person(policy: Policy, item: Item) -> None:
    outcome = decided(policy, item, taken=decision("city", Decider.CITY_HR, officer="other|1"), earlier=[DISTRICT])

    assert outcome.stage == "joint"


def test_the_same_officer_decides_again_at_the_same_stage_when_a_case_comes_back(policy: Policy, item: Item) -> None:
    again = decision("district", Decider.DISTRICT_HR, officer="a|1", round_=2)

    outcome = decided(policy, item, taken=again, earlier=[DISTRICT, CITY], state=State.ACCEPTED)

    assert (outcome.stage, outcome.replaces) == ("city", False)


@pytest.mark.parametrize(
    "taken", [decision("joint", Decider.CITY_HR, officer="a|3", amount_fen=1), decision("city", Decider.CITY_FINANCE, officer="b|1")]
)
def test_out_of_turn_is_refused_with_whose_turn_it_is(policy: Policy, item: Item, taken: Decision) -> None:
    with pytest.raises(NotYourTurn) as refused:
        decide(item=item, stages=policy.stages_on(FILED_ON), state=State.IN_REVIEW, stage="city", earlier=[DISTRICT], decision=taken)

    assert refused.value.facts == {"stage": "city", "deciders": ["city_hr"]}


@pytest.mark.parametrize("state", sorted(set(State) - {State.ACCEPTED, State.IN_REVIEW}))
def test_there_is_nothing_to_review_in_any_other_state(policy: Policy, item: Item, state: State) -> None:
    with pytest.raises(StepNotAllowed):
        decided(policy, item, taken=DISTRICT, earlier=[], state=state)


def test_a_second_officer_of_a_side_that_has_decided_is_refused(policy: Policy, item: Item) -> None:
    second = decision("joint", Decider.CITY_HR, officer="a|9", amount_fen=CAP_FEN)

    with pytest.raises(AlreadyDecided):
        decided(policy, item, taken=second, earlier=[DISTRICT, CITY, JOINT_HR])


@pytest.mark.parametrize("amount_fen", [1, CAP_FEN])
def test_the_joint_review_sets_a_sum_from_one_fen_to_the_ceiling(policy: Policy, item: Item, amount_fen: int) -> None:
    taken = decision("joint", Decider.CITY_HR, officer="a|3", amount_fen=amount_fen)

    assert decided(policy, item, taken=taken, earlier=[DISTRICT, CITY]).pending == (Decider.CITY_FINANCE,)


@pytest.mark.parametrize(("amount_fen", "refusal"), [(0, AmountNotPositive), (CAP_FEN + 1, AboveCeiling), (None, AmountMissing)])
def test_no_other_sum_is_set(policy: Policy, item: Item, amount_fen: int | None, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        decided(policy, item, taken=decision("joint", Decider.CITY_HR, officer="a|3", amount_fen=amount_fen), earlier=[DISTRICT, CITY])


def test_no_other_stage_sets_a_sum(policy: Policy, item: Item) -> None:
    with pytest.raises(AmountNotAsked):
        decided(policy, item, taken=decision("city", Decider.CITY_HR, officer="a|2", amount_fen=1), earlier=[DISTRICT])


def test_two_sums_one_fen_apart_are_refused_and_both_are_told(policy: Policy, item: Item) -> None:
    taken = decision("joint", Decider.CITY_FINANCE, officer="b|1", amount_fen=CAP_FEN - 1)

    with pytest.raises(AmountsDiffer) as refused:
        decided(policy, item, taken=taken, earlier=[DISTRICT, CITY, JOINT_HR])

    assert refused.value.facts == {"amounts_fen": {"city_hr": CAP_FEN, "city_finance": CAP_FEN - 1}}
    assert "30,000.00" in refused.value.detail_zh
    assert "29,999.99" in refused.value.detail_zh


def test_an_officer_may_decide_anew_while_the_other_side_is_open(policy: Policy, item: Item) -> None:
    anew = decision("joint", Decider.CITY_HR, officer="a|3", amount_fen=CAP_FEN - 1)

    outcome = decided(policy, item, taken=anew, earlier=[DISTRICT, CITY, JOINT_HR])

    assert (outcome.replaces, outcome.pending) == (True, (Decider.CITY_FINANCE,))


def test_a_sum_agreed_in_an_earlier_round_does_not_bind_the_next(policy: Policy, item: Item) -> None:
    anew = decision("joint", Decider.CITY_FINANCE, officer="b|1", amount_fen=1, round_=2)

    assert decided(policy, item, taken=anew, earlier=[DISTRICT, CITY, JOINT_HR, JOINT_FINANCE]).pending == (Decider.CITY_HR,)


def caller(*deciders: Decider, kind: CallerKind = "staff", channel: str = "window") -> Caller:
    scopes = frozenset(f"reviews:decide-{decider}" for decider in deciders)
    return Caller(id=f"{kind}:a|1" if kind == "staff" else "system:district-1", kind=kind, channel=channel, scopes=scopes, jurisdictions=None)


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        ("staff:iss|a", "staff:iss|a", True),
        ("staff:iss|a", "staff:iss|b", False),
        ("staff:iss-1|a", "staff:iss-2|a", False),
        ("system:d#hc-0012", "system:d#hc-0012", True),
        ("system:d#hc-0012", "system:d#HC-0012", True),
        ("system:d#hc-0012", "system:d#hc-0013", False),
        ("system:d#hc-0012", "staff:iss|hc-0012", True),
        ("staff:iss|HC-0012", "system:d#hc-0012", True),
        ("system:d-1#hc-0012", "system:d-2#hc-0012", True),
    ],
)
def test_when_in_doubt_a_name_given_by_a_system_is_the_same_person(one: str, other: str, is_one: bool) -> None:
    assert is_same_person(one, other) is is_one


def test_a_system_names_its_officer_and_staff_are_known_by_their_token() -> None:
    system, staff = caller(kind="system", channel="district"), caller()

    assert officer_of(system, named="hc-0012") == "system:district-1#hc-0012"
    assert officer_of(staff, named=None) == "staff:a|1"
    with pytest.raises(OfficerMissing):
        officer_of(system, named=None)
    with pytest.raises(OfficerNotAsked):
        officer_of(staff, named="hc-0012")


@pytest.mark.parametrize(
    ("decider", "kind", "channel", "is_allowed"),
    [
        (Decider.DISTRICT_HR, "system", "district", True),
        (Decider.CITY_HR, "system", "district", False),
        (Decider.CITY_FINANCE, "system", "district", False),
        (Decider.DISTRICT_HR, "system", "portal", False),
        (Decider.CITY_HR, "staff", "window", True),
    ],
)
def test_a_system_decides_for_a_district_only_whatever_its_scopes(decider: Decider, kind: CallerKind, channel: str, is_allowed: bool) -> None:
    someone = caller(decider, kind=kind, channel=channel)

    if is_allowed:
        check_may_decide(someone, decider)
    else:
        with pytest.raises(SystemMayNotDecide):
            check_may_decide(someone, decider)


def test_the_caller_decides_for_the_side_that_its_scope_names_and_first_for_the_one_waited_for(policy: Policy) -> None:
    stages = policy.stages_on(FILED_ON)
    both = caller(Decider.CITY_HR, Decider.CITY_FINANCE)

    assert decider_for(both, stage_id="joint", stages=stages, waiting_on=["city_hr", "city_finance"]) is Decider.CITY_HR
    assert decider_for(both, stage_id="joint", stages=stages, waiting_on=["city_finance"]) is Decider.CITY_FINANCE
    with pytest.raises(ScopeMissing):
        decider_for(caller(Decider.DISTRICT_HR), stage_id="joint", stages=stages, waiting_on=[])
    with pytest.raises(StageUnknown) as unknown:
        decider_for(both, stage_id="moon", stages=stages, waiting_on=[])
    assert unknown.value.facts["known"] == ["acceptance", "district", "city", "joint"]


@pytest.mark.parametrize(
    "reason",
    [
        "请联系13900000000补充",
        "请联系１３９００００００００补充",
        "身份证371002199001010015不清晰",
        "身份证37100219900101001x不清晰",
        "账号6222021614000123456有误",
        "账号6222 0216 1400 0123 456有误",
        "账号6222-0216-1400-0123有误",
        "账号6222  0216  1400  0123  456有误",
        "账号6222\u200b0216\u200b1400\u200b0123有误",
        "电话139 0000 0000",
        "电话139-0000-0000",
        "tel13900000000",
        "身份证371002 19900101 001x不清晰",
        "身份证371002-19900101-0015不清晰",
    ],
)
def test_a_reason_that_is_told_holds_no_telephone_identity_or_account_number(reason: str) -> None:
    check_reason(reason, pointer="/reason")

    with pytest.raises(ReasonHoldsPersonalData) as refused:
        check_told_reason(reason, pointer="/reason")

    assert not any(character.isdigit() for character in refused.value.detail_zh)


@pytest.mark.parametrize(
    "reason",
    [
        "办件WH-2025-371002-000123材料不全",
        "单位913710007628687892未获评",
        "金额4500000元与票据不符",
        "威人社发〔2023〕15号第二条",
        "2025-09-10至2025-10-10期间",
        "2025-09-10 2025-10-10 2025-11-10",
        "2023 2024 2025三个年度",
        "办件WH-2025-371002-0000001234材料不全",
    ],
)
def test_case_numbers_credit_codes_sums_and_days_may_stand_in_a_reason(reason: str) -> None:
    assert check_told_reason(reason, pointer="/reason") == reason
