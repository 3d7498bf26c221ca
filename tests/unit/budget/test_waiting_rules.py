"""Whom the money suffices for, and what a release finds."""

from hypothesis import given
from hypothesis import strategies as st

from services.budget.ledger.rules import CaseMoney
from services.budget.policy.catalogue import WaitingRule
from services.budget.waiting import rules
from services.budget.waiting.rules import Purse, Release, ReservationState
from tests.unit.budget.money import money, purse

LISTS = st.lists(st.integers(min_value=1, max_value=1_000).map(money), max_size=30)
AVAILABLE_FEN = st.integers(min_value=0, max_value=5_000)


@given(waiting=LISTS, available_fen=AVAILABLE_FEN, rule=st.sampled_from(WaitingRule))
def test_what_is_served_never_needs_more_than_is_available(waiting: list[CaseMoney], available_fen: int, rule: WaitingRule) -> None:
    served = serve(waiting, purse(available_fen, rule=rule))

    assert sum(each.amount_fen for each in served) <= available_fen


@given(waiting=LISTS, available_fen=AVAILABLE_FEN, rule=st.sampled_from(WaitingRule))
def test_the_served_keep_their_order_and_each_is_served_once(waiting: list[CaseMoney], available_fen: int, rule: WaitingRule) -> None:
    served = serve(waiting, purse(available_fen, rule=rule))

    places = [waiting.index(each) for each in served]
    assert places == sorted(set(places))


@given(waiting=LISTS, available_fen=AVAILABLE_FEN)
def test_first_that_fits_leaves_nobody_whom_the_rest_would_have_sufficed_for(waiting: list[CaseMoney], available_fen: int) -> None:
    served = serve(waiting, purse(available_fen))

    left_fen = available_fen - sum(each.amount_fen for each in served)
    assert all(each.amount_fen > left_fen for each in waiting if each not in served)


@given(waiting=LISTS, available_fen=AVAILABLE_FEN)
def test_strict_serves_a_head_of_the_list_and_no_longer_one_would_do(waiting: list[CaseMoney], available_fen: int) -> None:
    served = serve(waiting, purse(available_fen, rule=WaitingRule.STRICT))

    assert served == waiting[: len(served)]
    one_more = waiting[: len(served) + 1]
    assert one_more == served or sum(each.amount_fen for each in one_more) > available_fen


@given(waiting=LISTS, available_fen=AVAILABLE_FEN, rule=st.sampled_from(WaitingRule))
def test_serving_what_is_left_with_what_is_left_serves_nobody(waiting: list[CaseMoney], available_fen: int, rule: WaitingRule) -> None:
    served = serve(waiting, purse(available_fen, rule=rule))
    left = [each for each in waiting if each not in served]

    again = serve(left, purse(available_fen - sum(each.amount_fen for each in served), rule=rule))

    assert again == []


@given(waiting=LISTS, available_fen=AVAILABLE_FEN, rule=st.sampled_from(WaitingRule))
def test_the_sum_a_case_is_told_to_be_short_by_is_exactly_what_funds_it(waiting: list[CaseMoney], available_fen: int, rule: WaitingRule) -> None:
    served = serve(waiting, purse(available_fen, rule=rule))
    left_fen = available_fen - sum(each.amount_fen for each in served)
    left = [each for each in waiting if each not in served]

    short = rules.short_by_fen(left, ahead_fen=0, purse=purse(left_fen, rule=rule))

    for index, (each, by_fen) in enumerate(zip(left, short, strict=True)):
        # Under first_that_fits those before it are passed over; alone it shows its own need.
        queue = left[: index + 1] if rule is WaitingRule.STRICT else [each]
        assert each in serve(queue, purse(left_fen + by_fen, rule=rule))
        assert each not in serve(queue, purse(left_fen + by_fen - 1, rule=rule))


def test_those_ahead_count_under_the_strict_rule_only() -> None:
    waiting = [money(10)]

    assert rules.short_by_fen(waiting, ahead_fen=90, purse=purse(5, rule=WaitingRule.STRICT)) == [95]
    assert rules.short_by_fen(waiting, ahead_fen=90, purse=purse(5)) == [5]


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


def serve(waiting: list[CaseMoney], purse: Purse) -> list[CaseMoney]:
    return [money for money, _ in rules.choose_served(waiting, purse=purse)]


def release(state: ReservationState) -> object:
    try:
        return rules.judge_release(state, money_fen=1)
    except (rules.MoneyOnItsWay, rules.AlreadyPaid) as refusal:
        return type(refusal)
