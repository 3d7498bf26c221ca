"""Three people, each step once, and an account that is still good."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.budget.payee.rules import AccountNotCurrent, PayeeState
from services.budget.payment import rules
from services.budget.payment.rules import Order, OrderState, Reserved
from services.budget.policy import paying
from services.budget.waiting.rules import ReservationState

MADE_AT = datetime(2025, 9, 15, 2, tzinfo=UTC)
ORDER = Order(
    id=uuid.uuid4(),
    state=OrderState.MADE,
    version=1,
    maker="maker",
    checker=None,
    account_state=PayeeState.ENTERED,
    account_entered_by="clerk",
    has_late_payment=False,
)
CHECKED = replace(ORDER, state=OrderState.CHECKED, version=2, checker="checker", account_state=PayeeState.CONFIRMED)
CASE = Reserved(
    state=ReservationState.RESERVED,
    amount_fen=100,
    awarded_fen=100,
    has_open_order=False,
    account_entered_at=MADE_AT,
    returned_order_made_at=None,
    has_late_payment=False,
)


def test_a_confirmed_award_with_money_and_account_may_be_ordered() -> None:
    rules.check_making(CASE)


@pytest.mark.parametrize(
    ("case", "refusal"),
    [
        (replace(CASE, has_open_order=True), rules.OrderOpen),
        (replace(CASE, state=ReservationState.WAITING), rules.NotPayable),
        (replace(CASE, awarded_fen=None), rules.NotPayable),
        (replace(CASE, awarded_fen=99), rules.AwardDiffers),
        (replace(CASE, awarded_fen=101), rules.AwardDiffers),
        (replace(CASE, account_entered_at=None), rules.AccountMissing),
        (replace(CASE, returned_order_made_at=MADE_AT), rules.AccountMissing),
    ],
)
def test_anything_missing_refuses_the_order(case: Reserved, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        rules.check_making(case)


def test_an_account_entered_after_the_returned_order_is_good_again() -> None:
    rules.check_making(replace(CASE, returned_order_made_at=MADE_AT - timedelta(microseconds=1)))


@pytest.mark.parametrize("checker", ["maker", "clerk"])
def test_the_checker_neither_made_the_order_nor_entered_the_account(checker: str) -> None:
    with pytest.raises(rules.SamePersonTwice):
        rules.check_checking(ORDER, version=1, checker=checker)

    rules.check_checking(ORDER, version=1, checker="checker")


@pytest.mark.parametrize("approver", ["maker", "checker", "clerk"])
def test_the_approver_neither_made_nor_checked_it_nor_entered_the_account(approver: str) -> None:
    with pytest.raises(rules.SamePersonTwice):
        rules.check_approving(CHECKED, version=2, approver=approver)

    rules.check_approving(CHECKED, version=2, approver="approver")


@pytest.mark.parametrize("state", OrderState)
def test_each_step_is_taken_from_one_state_only(state: OrderState) -> None:
    allowed = {
        "check": _allows(lambda: rules.check_checking(replace(ORDER, state=state), version=1, checker="checker")),
        "approve": _allows(lambda: rules.check_approving(replace(CHECKED, state=state), version=2, approver="approver")),
        "reject": _allows(lambda: rules.check_rejecting(replace(CHECKED, state=state), version=2, rejected_by="approver")),
    }

    assert allowed == {
        "check": state is OrderState.MADE,
        "approve": state is OrderState.CHECKED,
        "reject": state in (OrderState.MADE, OrderState.CHECKED),
    }


@pytest.mark.parametrize("state", PayeeState)
def test_only_a_current_account_is_checked_and_only_a_confirmed_one_is_paid_to(state: PayeeState) -> None:
    may_check = _allows(lambda: rules.check_checking(replace(ORDER, account_state=state), version=1, checker="checker"))
    may_approve = _allows(lambda: rules.check_approving(replace(CHECKED, account_state=state), version=2, approver="approver"))

    assert may_check is (state in (PayeeState.ENTERED, PayeeState.CONFIRMED))
    assert may_approve is (state is PayeeState.CONFIRMED)


@pytest.mark.parametrize("version", [1, 3])
def test_another_version_than_the_present_one_is_stale(version: int) -> None:
    with pytest.raises(rules.OrderStale):
        rules.check_approving(CHECKED, version=version, approver="approver")
    with pytest.raises(rules.OrderStale):
        rules.check_rejecting(CHECKED, version=version, rejected_by="approver")


def test_the_maker_does_not_reject_his_own_order() -> None:
    with pytest.raises(rules.SamePersonTwice):
        rules.check_rejecting(ORDER, version=1, rejected_by="maker")


def _allows(step: object) -> bool:
    assert callable(step)
    try:
        step()
    except (rules.StepNotAllowed, AccountNotCurrent):
        return False
    return True


def test_no_step_of_a_payment_is_taken_while_a_late_payment_is_undecided() -> None:
    with pytest.raises(rules.LatePaymentOpen):
        rules.check_making(replace(CASE, has_late_payment=True))
    with pytest.raises(rules.LatePaymentOpen):
        rules.check_checking(replace(ORDER, has_late_payment=True), version=1, checker="checker")
    with pytest.raises(rules.LatePaymentOpen):
        rules.check_approving(replace(CHECKED, has_late_payment=True), version=2, approver="approver")


def test_what_policy_cautions_about_is_approved_only_with_a_ground() -> None:
    caution = paying.current()["2023-15"].caution

    rules.check_acknowledged(caution, acknowledgement="有批复")
    rules.check_acknowledged(None, acknowledgement=None)
    with pytest.raises(rules.AcknowledgementMissing) as refused:
        rules.check_acknowledged(caution, acknowledgement=None)

    assert refused.value.facts == {"caution": "construction-spending"}
