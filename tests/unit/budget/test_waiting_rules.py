"""Whom the money suffices for, what a proposal is answered, and what a release finds."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.budget import policy
from services.budget.ledger.rules import CaseMoney
from services.budget.policy.catalogue import WaitingRule
from services.budget.waiting import rules
from services.budget.waiting.rules import Award, Known, Proposal, Release, ReservationState
from tests.unit.budget.money import award, money

(FUND,) = policy.current().funds
LISTS = st.lists(st.integers(min_value=1, max_value=1_000).map(money), max_size=30)
AVAILABLE_FEN = st.integers(min_value=0, max_value=5_000)


@given(waiting=LISTS, available_fen=AVAILABLE_FEN, rule=st.sampled_from(WaitingRule))
def test_what_is_served_never_needs_more_than_is_available(waiting: list[CaseMoney], available_fen: int, rule: WaitingRule) -> None:
    served = rules.choose_served(waiting, available_fen=available_fen, rule=rule)

    assert sum(each.amount_fen for each in served) <= available_fen


@given(waiting=LISTS, available_fen=AVAILABLE_FEN, rule=st.sampled_from(WaitingRule))
def test_the_served_keep_their_order_and_each_is_served_once(waiting: list[CaseMoney], available_fen: int, rule: WaitingRule) -> None:
    served = rules.choose_served(waiting, available_fen=available_fen, rule=rule)

    places = [waiting.index(each) for each in served]
    assert places == sorted(set(places))


@given(waiting=LISTS, available_fen=AVAILABLE_FEN)
def test_first_that_fits_leaves_nobody_whom_the_rest_would_have_sufficed_for(waiting: list[CaseMoney], available_fen: int) -> None:
    served = rules.choose_served(waiting, available_fen=available_fen, rule=WaitingRule.FIRST_THAT_FITS)

    left_fen = available_fen - sum(each.amount_fen for each in served)
    assert all(each.amount_fen > left_fen for each in waiting if each not in served)


@given(waiting=LISTS, available_fen=AVAILABLE_FEN)
def test_strict_serves_a_head_of_the_list_and_no_longer_one_would_do(waiting: list[CaseMoney], available_fen: int) -> None:
    served = rules.choose_served(waiting, available_fen=available_fen, rule=WaitingRule.STRICT)

    assert served == waiting[: len(served)]
    one_more = waiting[: len(served) + 1]
    assert one_more == served or sum(each.amount_fen for each in one_more) > available_fen


@given(waiting=LISTS, available_fen=AVAILABLE_FEN, rule=st.sampled_from(WaitingRule))
def test_serving_what_is_left_with_what_is_left_serves_nobody(waiting: list[CaseMoney], available_fen: int, rule: WaitingRule) -> None:
    served = rules.choose_served(waiting, available_fen=available_fen, rule=rule)
    left = [each for each in waiting if each not in served]

    again = rules.choose_served(left, available_fen=available_fen - sum(each.amount_fen for each in served), rule=rule)

    assert again == []


@given(waiting=LISTS, available_fen=AVAILABLE_FEN, rule=st.sampled_from(WaitingRule))
def test_the_sum_a_case_is_told_to_be_short_by_is_exactly_what_funds_it(waiting: list[CaseMoney], available_fen: int, rule: WaitingRule) -> None:
    served = rules.choose_served(waiting, available_fen=available_fen, rule=rule)
    left_fen = available_fen - sum(each.amount_fen for each in served)
    left = [each for each in waiting if each not in served]

    short = rules.short_by_fen(left, ahead_fen=0, available_fen=left_fen, rule=rule)

    for index, (each, by_fen) in enumerate(zip(left, short, strict=True)):
        # Under first_that_fits those before it are passed over; alone it shows its own need.
        queue = left[: index + 1] if rule is WaitingRule.STRICT else [each]
        assert each in rules.choose_served(queue, available_fen=left_fen + by_fen, rule=rule)
        assert each not in rules.choose_served(queue, available_fen=left_fen + by_fen - 1, rule=rule)


def test_those_ahead_count_under_the_strict_rule_only() -> None:
    waiting = [money(10)]

    assert rules.short_by_fen(waiting, ahead_fen=90, available_fen=5, rule=WaitingRule.STRICT) == [95]
    assert rules.short_by_fen(waiting, ahead_fen=90, available_fen=5, rule=WaitingRule.FIRST_THAT_FITS) == [5]


@pytest.mark.parametrize("line", FUND.lines, ids=lambda line: line.id)
def test_the_cap_of_each_line_is_listed_and_one_fen_more_is_refused(line: policy.catalogue.Line) -> None:
    judged = judge([award(line.cap_fen, line_id=line.id), award(line.cap_fen + 1, line_id=line.id)])

    (listed,) = judged.listed
    ((_, refusal),) = judged.refused
    assert (listed.amount_fen, listed.expenditure_category) == (line.cap_fen, line.expenditure_category)
    assert isinstance(refusal, rules.AboveCap)
    assert line.clause in refusal.detail_zh


@pytest.mark.parametrize(("fiscal_year", "is_listed"), [(2022, False), (2023, True), (2025, True), (2026, False)])
def test_only_the_fiscal_years_of_the_term_are_listed(fiscal_year: int, is_listed: bool) -> None:
    judged = judge([award()], fiscal_year=fiscal_year)

    assert (len(judged.listed) == 1) is is_listed
    assert all(isinstance(refusal, rules.YearOutsideTerm) for _, refusal in judged.refused)


@pytest.mark.parametrize("state", ReservationState)
def test_a_case_with_another_live_proposal_is_refused_and_any_other_is_listed(state: ReservationState) -> None:
    one = award()

    judged = judge([one], known={one.application_id: [Known(proposal_id=uuid.uuid4(), state=state)]})

    assert bool(judged.refused) is (state in rules.LIVE)
    assert bool(judged.listed) is (state not in rules.LIVE)


def test_a_tombstone_is_answered_once_and_everything_else_that_is_known_is_a_repeat() -> None:
    proposal_id = uuid.uuid4()
    awards = [award() for _ in ReservationState]
    known = {each.application_id: [Known(proposal_id, state)] for each, state in zip(awards, ReservationState, strict=True)}

    judged = judge([*awards, *awards], known=known, proposal_id=proposal_id)

    early = list(ReservationState).index(ReservationState.RELEASED_EARLY)
    assert judged.released_early == [awards[early]]
    assert len(judged.repeated) == 2 * len(awards) - 1
    assert (judged.listed, judged.refused) == ([], [])


def test_without_a_fund_every_award_is_refused() -> None:
    judged = rules.judge_proposal(proposal([award(), award()]), fund=None, known={})

    assert [type(refusal) for _, refusal in judged.refused] == [rules.UnknownPolicy] * 2


@given(st.lists(st.sampled_from([award(), award(4_000_000), award(line_id="2023-15/99")]), max_size=8))
def test_every_award_of_a_list_is_in_exactly_one_answer(awards: list[Award]) -> None:
    judged = judge(awards)

    assert len(judged.listed) + len(judged.refused) + len(judged.released_early) + len(judged.repeated) == len(awards)


def test_what_a_release_finds_follows_from_the_state() -> None:
    found = {state: release(state) for state in ReservationState}

    assert found == {
        ReservationState.WAITING: Release.LEAVE_LIST,
        ReservationState.RESERVED: Release.FREE_MONEY,
        ReservationState.IN_TRANSIT: rules.MoneyOnItsWay,
        ReservationState.PAID: rules.AlreadyPaid,
        ReservationState.RELEASED: Release.REPEATED,
        ReservationState.RELEASED_EARLY: Release.REPEATED,
        ReservationState.REFUSED: Release.NEVER_HELD,
    }


def release(state: ReservationState) -> object:
    try:
        return rules.judge_release(state, money_fen=1)
    except (rules.MoneyOnItsWay, rules.AlreadyPaid) as refusal:
        return type(refusal)


def judge(
    awards: list[Award],
    *,
    known: dict[uuid.UUID, list[Known]] | None = None,
    fiscal_year: int = 2025,
    proposal_id: uuid.UUID | None = None,
) -> rules.Judged:
    return rules.judge_proposal(proposal(awards, fiscal_year=fiscal_year, proposal_id=proposal_id), fund=FUND, known=known or {})


def proposal(awards: list[Award], *, fiscal_year: int = 2025, proposal_id: uuid.UUID | None = None) -> Proposal:
    return Proposal(proposal_id=proposal_id or uuid.uuid4(), fiscal_year=fiscal_year, policy_id="2023-15", awards=tuple(awards))
