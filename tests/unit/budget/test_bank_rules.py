"""What the bank's rows do to a payment, in any order and however often they come."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.budget.bank import rules
from services.budget.bank.rules import BankOutcome, BankRow, Effect, Issue
from services.budget.payment.rules import OrderState
from services.budget.policy.paying import Route

TODAY = date(2025, 9, 15)
ORDERED = date(2025, 9, 10)
DAYS = st.sampled_from([ORDERED - timedelta(days=1), ORDERED, TODAY, TODAY + timedelta(days=1)])


def row(outcome: BankOutcome, *, settled_on: date = TODAY, reference: str = "PO-1", amount_fen: int | None = None) -> BankRow:
    reason = "户名不符" if outcome is BankOutcome.RETURNED else None
    return BankRow(bank_reference=reference, outcome=outcome, settled_on=settled_on, amount_fen=amount_fen, reason=reason)


def issue(route: Route = Route.TREASURY) -> Issue:
    return Issue(state=OrderState.IN_TRANSIT, amount_fen=100, ordered_on=ORDERED, paid_on=None, returned_on=None, route=route)


def judge(*rows: BankRow) -> list[object]:
    judged = rules.judge_rows(rows, issues={"PO-1": issue()}, said_by=Route.TREASURY, on=TODAY)
    return [each if isinstance(each, Effect) else type(each) for each in judged]


PAID, RETURNED = row(BankOutcome.PAID), row(BankOutcome.RETURNED)


def test_paid_then_returned_moves_money_twice_and_closes_the_reference() -> None:
    judged = judge(PAID, PAID, RETURNED, RETURNED, PAID, row(BankOutcome.PAID, settled_on=ORDERED))

    assert judged == [Effect.PAY, Effect.NOTHING_NEW, Effect.RETURN_PAID, Effect.NOTHING_NEW, Effect.NOTHING_NEW, rules.PaymentClosed]


def test_what_comes_after_a_return_is_for_a_person_to_look_at() -> None:
    judged = judge(RETURNED, PAID, row(BankOutcome.RETURNED, settled_on=ORDERED))

    assert judged == [Effect.RETURN_UNPAID, rules.PaymentClosed, rules.PaymentClosed]


def test_another_day_for_the_same_payment_is_for_a_person_to_look_at() -> None:
    assert judge(PAID, row(BankOutcome.PAID, settled_on=ORDERED)) == [Effect.PAY, rules.DayDiffers]


@pytest.mark.parametrize(("days_after", "judged"), [(-1, rules.DayDiffers), (0, Effect.RETURN_PAID), (1, Effect.RETURN_PAID)])
def test_what_was_paid_is_not_sent_back_before_that_day(days_after: int, judged: object) -> None:
    paid_on = TODAY - timedelta(days=1)
    paid = replace(issue(), state=OrderState.PAID, paid_on=paid_on)
    sent_back = row(BankOutcome.RETURNED, settled_on=paid_on + timedelta(days=days_after))

    (later,) = rules.judge_rows([sent_back], issues={"PO-1": paid}, said_by=Route.TREASURY, on=TODAY)
    of_one_file = judge(row(BankOutcome.PAID, settled_on=paid_on), sent_back)[1]

    assert (later if isinstance(later, Effect) else type(later), of_one_file) == (judged, judged)


def test_the_day_lies_between_the_approval_and_today() -> None:
    days = [ORDERED - timedelta(days=1), ORDERED, TODAY, TODAY + timedelta(days=1)]

    judged = [judge(row(BankOutcome.PAID, settled_on=day))[0] for day in days]

    assert judged == [rules.DayDiffers, Effect.PAY, Effect.PAY, rules.DayInFuture]


def test_an_amount_in_the_file_is_compared() -> None:
    judged = [judge(row(BankOutcome.PAID, amount_fen=amount_fen))[0] for amount_fen in (None, 99, 100, 101)]

    assert judged == [Effect.PAY, rules.AmountDiffers, Effect.PAY, rules.AmountDiffers]


def test_an_unknown_reference_is_for_a_person_to_look_at() -> None:
    assert judge(row(BankOutcome.PAID, reference="PO-2"), PAID) == [rules.NoSuchReference, Effect.PAY]


@given(st.lists(st.builds(row, st.sampled_from(BankOutcome), settled_on=DAYS), max_size=12))
def test_money_leaves_at_most_once_and_comes_back_at_most_once(rows: list[BankRow]) -> None:
    judged = judge(*rows)

    moved = [each for each in judged if isinstance(each, Effect) and each is not Effect.NOTHING_NEW]
    assert moved in ([], [Effect.PAY], [Effect.RETURN_UNPAID], [Effect.PAY, Effect.RETURN_PAID])


@given(st.lists(st.builds(row, st.sampled_from(BankOutcome), settled_on=st.just(TODAY)), max_size=6))
def test_a_file_that_comes_again_moves_nothing(rows: list[BankRow]) -> None:
    judged = judge(*rows, *rows)[len(rows) :]

    assert all(each in (Effect.NOTHING_NEW, rules.PaymentClosed) for each in judged)


def test_a_return_that_was_found_wrong_is_not_taken_again_when_the_file_comes_again() -> None:
    arrived = replace(issue(), state=OrderState.PAID, paid_on=TODAY, returned_on=ORDERED)

    judged = rules.judge_rows(
        [row(BankOutcome.RETURNED, settled_on=ORDERED), PAID, RETURNED], issues={"PO-1": arrived}, said_by=Route.TREASURY, on=TODAY
    )

    assert judged == [Effect.NOTHING_NEW, Effect.NOTHING_NEW, Effect.RETURN_PAID]


def test_news_of_a_late_payment_is_that_whatever_its_amount() -> None:
    assert judge(RETURNED, row(BankOutcome.PAID, amount_fen=99))[1] is rules.PaymentClosed


@pytest.mark.parametrize(("route", "said_by"), [(Route.QUOTA, Route.TREASURY), (Route.TREASURY, Route.QUOTA)])
def test_only_who_has_the_money_says_what_became_of_it(route: Route, said_by: Route) -> None:
    (other,) = rules.judge_rows([PAID], issues={"PO-1": issue(route)}, said_by=said_by, on=TODAY)
    (own,) = rules.judge_rows([PAID], issues={"PO-1": issue(route)}, said_by=route, on=TODAY)

    assert (type(other), own) == (rules.OtherRoute, Effect.PAY)
