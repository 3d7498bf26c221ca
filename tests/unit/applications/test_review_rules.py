"""Review: stages in order, nobody twice, two bureaus and one sum."""

from collections.abc import Sequence

import pytest

from services.applications.claim.rules import AboveCeiling, AmountNotPositive
from services.applications.intake.rules import State, StepNotAllowed
from services.applications.policy.catalogue import Decider, Item, Policy
from services.applications.review.rules import (
    DECISIONS_PER_CALL_MAX,
    REASON_CHARS_MAX,
    AlreadyDecided,
    AmountMissing,
    AmountNotAsked,
    AmountsDiffer,
    Decision,
    NotYourTurn,
    Outcome,
    ReasonMissing,
    ReasonTooLong,
    SamePersonTwice,
    TooManyDecisions,
    Verdict,
    check_count,
    check_reason,
    decide,
    pending_deciders,
)
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


def test_pending_are_the_sides_that_have_not_decided_in_this_round(policy: Policy) -> None:
    joint = policy.stages_on(FILED_ON)[-1]

    assert pending_deciders(joint, round_=1, earlier=[JOINT_HR]) == (Decider.CITY_FINANCE,)
    assert pending_deciders(joint, round_=2, earlier=[JOINT_HR]) == (Decider.CITY_HR, Decider.CITY_FINANCE)


def test_300_decisions_are_taken_in_one_call_and_301_are_not() -> None:
    check_count(DECISIONS_PER_CALL_MAX)

    with pytest.raises(TooManyDecisions):
        check_count(DECISIONS_PER_CALL_MAX + 1)
