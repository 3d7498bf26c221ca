"""The state table: who may move a case where, how one leaves with money held, and what the budget's answers do."""

from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.applications.intake.rules import (
    ENDED,
    MONEY_MAY_BE_HELD,
    STATE_TITLES_ZH,
    TRANSITIONS,
    WAITING_ON_TITLES_ZH,
    Actor,
    BudgetAnswer,
    Position,
    State,
    StepNotAllowed,
    after_answer,
    check_transition,
    leave,
    next_step,
    waiting_on,
)
from services.applications.policy.catalogue import Decider, Policy
from shared.events import applications as announced
from shared.events import budget as answered
from tests.fixtures.filings import FILED_ON

HAPPY_PATH = [
    (State.FILED, Actor.FILER),
    (State.ACCEPTED, Actor.ACCEPTOR),
    (State.IN_REVIEW, Actor.REVIEWER),
    (State.IN_REVIEW, Actor.REVIEWER),
    (State.PROPOSED, Actor.CITY),
    (State.WAITING_FOR_FUNDS, Actor.BUDGET),
    (State.FUNDED, Actor.BUDGET),
    (State.ON_NOTICE, Actor.CITY),
    (State.SUSPENDED, Actor.CITY),
    (State.ON_NOTICE, Actor.CITY),
    (State.CONFIRMED, Actor.CLOCK),
    (State.PAYING, Actor.BUDGET),
    (State.PAID, Actor.BUDGET),
    (State.CONFIRMED, Actor.BUDGET),
]


def test_the_whole_way_of_a_case_is_in_the_table() -> None:
    check_transition(None, target=State.FILED, by=Actor.FILER)

    events = [check_transition(before, target=after, by=by).event for (before, _), (after, by) in pairwise(HAPPY_PATH)]

    assert events[0] == "applications.application_accepted.v1"
    assert events[-1] == "applications.payment_returned.v1"


def test_every_state_is_reached_and_every_end_is_final() -> None:
    reached, left = {each.target for each in TRANSITIONS}, {each.source for each in TRANSITIONS}

    assert reached == set(State)
    assert left == {None, *State} - ENDED - {State.CLAWED_BACK}


def test_a_step_stands_once_in_the_table() -> None:
    steps = [(each.source, each.target, each.by) for each in TRANSITIONS]

    assert len(set(steps)) == len(steps)


def test_every_announced_step_is_an_event_that_exists() -> None:
    of_cases = {event.type for event in announced.EVENTS if issubclass(event, announced.CaseEvent)}

    assert {each.event for each in TRANSITIONS} == of_cases


def test_every_answer_of_the_budget_is_an_event_that_exists() -> None:
    money = {event.type for event in answered.EVENTS if issubclass(event, answered.MoneyEvent)}

    assert {answer.value for answer in BudgetAnswer} == money


@pytest.mark.parametrize(
    ("source", "target", "by"),
    [
        (State.FILED, State.ACCEPTED, Actor.FILER),
        (State.FILED, State.IN_REVIEW, Actor.REVIEWER),
        (State.ACCEPTED, State.PROPOSED, Actor.CITY),
        (State.FUNDED, State.CONFIRMED, Actor.CLOCK),
        (State.ON_NOTICE, State.CONFIRMED, Actor.CITY),
        (State.SUSPENDED, State.CONFIRMED, Actor.CLOCK),
        (State.FUNDED, State.REFUSED, Actor.CITY),
        (State.PAID, State.RELEASING, Actor.CITY),
        (State.REFUSED, State.FILED, Actor.FILER),
    ],
)
def test_a_step_that_the_table_does_not_name_is_refused(source: State, target: State, by: Actor) -> None:
    with pytest.raises(StepNotAllowed) as refused:
        check_transition(source, target=target, by=by)

    assert (refused.value.code, refused.value.status) == ("step-not-allowed", 409)
    assert STATE_TITLES_ZH[source] in refused.value.detail_zh
    assert refused.value.facts["state"] == source.value


@pytest.mark.parametrize("state", [State.FILED, State.RETURNED, State.ACCEPTED, State.IN_REVIEW])
def test_before_money_is_asked_for_a_case_is_withdrawn_at_once(state: State) -> None:
    position, transition = leave(state, target=State.WITHDRAWN, by=Actor.FILER)

    assert position == Position(state=State.WITHDRAWN)
    assert transition.event == "applications.application_withdrawn.v1"


@pytest.mark.parametrize("state", sorted(MONEY_MAY_BE_HELD))
@pytest.mark.parametrize(("target", "by"), [(State.WITHDRAWN, Actor.FILER), (State.REFUSED, Actor.CITY)])
def test_with_money_held_every_exit_first_asks_for_its_release(state: State, target: State, by: Actor) -> None:
    position, transition = leave(state, target=target, by=by)

    assert position == Position(state=State.RELEASING, target=target, origin=state)
    assert transition.event == "applications.release_requested.v1"


@pytest.mark.parametrize(("target", "by"), [(State.REFUSED, Actor.FILER), (State.WITHDRAWN, Actor.CITY), (State.LAPSED, Actor.CITY)])
def test_with_money_held_only_the_filer_withdraws_and_only_the_city_refuses(target: State, by: Actor) -> None:
    with pytest.raises(StepNotAllowed):
        leave(State.ON_NOTICE, target=target, by=by)


@pytest.mark.parametrize("state", [State.PAYING, State.PAID, State.RELEASING, State.REFUSED])
def test_after_the_approver_signed_nobody_leaves(state: State) -> None:
    with pytest.raises(StepNotAllowed):
        leave(state, target=State.WITHDRAWN, by=Actor.FILER)


def test_a_release_ends_the_case_and_a_refused_one_puts_it_back() -> None:
    releasing = Position(state=State.RELEASING, target=State.REFUSED, origin=State.SUSPENDED)

    released = after_answer(releasing, answer=BudgetAnswer.FUNDS_RELEASED)
    undone = after_answer(releasing, answer=BudgetAnswer.RELEASE_REFUSED)

    assert released == (Position(state=State.REFUSED), check_transition(State.RELEASING, target=State.REFUSED, by=Actor.BUDGET))
    assert undone == (Position(state=State.SUSPENDED), check_transition(State.RELEASING, target=State.SUSPENDED, by=Actor.BUDGET))


def test_a_payment_that_crossed_the_release_is_where_the_case_goes_back_to() -> None:
    position, _ = leave(State.CONFIRMED, target=State.WITHDRAWN, by=Actor.FILER)

    for answer, origin in ((BudgetAnswer.PAYMENT_ORDERED, State.PAYING), (BudgetAnswer.PAYMENT_CONFIRMED, State.PAID)):
        moved = after_answer(position, answer=answer)
        assert moved == (Position(state=State.RELEASING, target=State.WITHDRAWN, origin=origin), None)
        position = moved[0]
    undone = after_answer(position, answer=BudgetAnswer.RELEASE_REFUSED)

    assert undone is not None
    assert undone[0] == Position(state=State.PAID)


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        (State.WITHDRAWN, BudgetAnswer.FUNDS_RESERVED),
        (State.REFUSED, BudgetAnswer.FUNDS_RELEASED),
        (State.ON_NOTICE, BudgetAnswer.FUNDS_RELEASED),
        (State.FUNDED, BudgetAnswer.FUNDS_WAITING),
        (State.PAYING, BudgetAnswer.RELEASE_REFUSED),
        (State.FILED, BudgetAnswer.PAYMENT_CONFIRMED),
    ],
)
def test_a_late_answer_moves_nothing(state: State, answer: BudgetAnswer) -> None:
    assert after_answer(Position(state=state), answer=answer) is None


def test_no_order_of_answers_leaves_a_releasing_case_without_an_end() -> None:
    """The last word on a release, wherever it falls among the others, takes the case out of RELEASING."""
    crossing = (BudgetAnswer.FUNDS_RESERVED, BudgetAnswer.FUNDS_WAITING, BudgetAnswer.PAYMENT_ORDERED)
    for last_word in (BudgetAnswer.FUNDS_RELEASED, BudgetAnswer.RELEASE_REFUSED):
        for order in permutations((*crossing, last_word)):
            position, _ = leave(State.PROPOSED, target=State.WITHDRAWN, by=Actor.FILER)

            for answer in order:
                moved = after_answer(position, answer=answer)
                position = moved[0] if moved else position

            assert position.state is not State.RELEASING, order


def test_a_paid_case_ends_as_clawed_back_and_nothing_else_does() -> None:
    moved = {state: after_answer(Position(state=state), answer=BudgetAnswer.PAYMENT_CLAWED_BACK) for state in State if state is not State.RELEASING}

    assert [state for state, after in moved.items() if after] == [State.PAID]
    assert moved[State.PAID] == (Position(state=State.CLAWED_BACK), check_transition(State.PAID, target=State.CLAWED_BACK, by=Actor.BUDGET))


def test_a_waiting_case_lapses_when_the_budget_gives_its_place_up() -> None:
    moved = after_answer(Position(state=State.WAITING_FOR_FUNDS), answer=BudgetAnswer.FUNDS_RELEASED)

    assert moved is not None
    assert moved[0] == Position(state=State.LAPSED)
    assert State.LAPSED in ENDED


def test_a_proposal_refused_for_another_reason_than_money_goes_back_to_review() -> None:
    moved = after_answer(Position(state=State.PROPOSED), answer=BudgetAnswer.RESERVATION_REFUSED)

    assert moved is not None
    assert (moved[0].state, moved[1] and moved[1].event) == (State.IN_REVIEW, "applications.funding_refused.v1")


@given(st.sampled_from(sorted(MONEY_MAY_BE_HELD)), st.lists(st.sampled_from(list(BudgetAnswer)), max_size=8))
def test_no_answers_in_any_number_and_order_are_more_than_a_releasing_case_can_take(state: State, answers: list[BudgetAnswer]) -> None:
    position, _ = leave(state, target=State.WITHDRAWN, by=Actor.FILER)

    for answer in answers:
        moved = after_answer(position, answer=answer)
        position = moved[0] if moved else position

    has_last_word = {BudgetAnswer.FUNDS_RELEASED, BudgetAnswer.RELEASE_REFUSED} & set(answers)
    assert (position.state is State.RELEASING) == (not has_last_word)


def test_a_reservation_refused_under_a_release_is_left_to_the_answer_to_the_release() -> None:
    position, _ = leave(State.PROPOSED, target=State.WITHDRAWN, by=Actor.FILER)

    assert after_answer(position, answer=BudgetAnswer.RESERVATION_REFUSED) is None


def test_every_open_case_waits_for_somebody_with_a_name(policy: Policy) -> None:
    acceptance = policy.acceptance_on(FILED_ON)

    for state in set(State) - ENDED - {State.PAID, State.CLAWED_BACK}:
        waited_for = waiting_on(state, acceptance=acceptance, pending=(Decider.CITY_FINANCE,))
        assert waited_for, state
        assert set(waited_for) <= WAITING_ON_TITLES_ZH.keys()
    for state in (*ENDED, State.PAID):
        assert waiting_on(state, acceptance=acceptance, pending=()) == ()


def test_a_case_in_review_waits_for_the_sides_that_have_not_decided(policy: Policy) -> None:
    acceptance = policy.acceptance_on(FILED_ON)

    assert waiting_on(State.IN_REVIEW, acceptance=acceptance, pending=(Decider.CITY_HR, Decider.CITY_FINANCE)) == ("city_hr", "city_finance")
    assert waiting_on(State.IN_REVIEW, acceptance=acceptance, pending=()) == ("city_hr",)


def test_the_next_step_is_told_in_both_languages_and_names_the_stage(policy: Policy) -> None:
    joint = policy.stages_on(FILED_ON)[-1]

    texts = {state: next_step(state, stage=joint) for state in State}

    assert "人社财政联审" in texts[State.IN_REVIEW][0]
    assert all(zh.endswith("。") and en.endswith(".") and "{" not in zh + en for zh, en in texts.values())
    assert next_step(State.IN_REVIEW, stage=None)[1] == "Approved; waits to be proposed for funding."
