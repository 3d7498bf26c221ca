"""What may be handed down to a district, and how long it holds it."""

import uuid
from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.budget.bank.rules import BankOutcome, BankRow
from services.budget.payment.rules import OrderState
from services.budget.policy.paying import Route
from services.budget.quota import rules
from services.budget.quota.rules import Candidate, Document, Held, QuotaState, Reported, Unfit

DAY = date(2025, 9, 15)
DOCUMENT = Document(fiscal_year=2025, jurisdiction_id="north", handed_down_on=DAY)
FIT = Candidate(
    state=OrderState.IN_TRANSIT,
    fiscal_year=2025,
    jurisdiction_id="north",
    route=Route.QUOTA,
    ordered_on=DAY,
    is_handed_down=False,
    is_stopped=False,
)
ORDER = uuid.uuid4()
PAID = Reported(payment_order_id=ORDER, outcome=BankOutcome.PAID, settled_on=DAY, voucher="ZF-1", amount_fen=None, reason=None)


@pytest.mark.parametrize(
    ("candidate", "why"),
    [
        (FIT, None),
        (None, Unfit.UNKNOWN),
        (replace(FIT, state=OrderState.PAID), Unfit.NOT_ON_ITS_WAY),
        (replace(FIT, ordered_on=DAY + timedelta(days=1)), Unfit.NOT_ON_ITS_WAY),
        (replace(FIT, fiscal_year=2024), Unfit.OTHER_YEAR),
        (replace(FIT, jurisdiction_id="south"), Unfit.OTHER_JURISDICTION),
        (replace(FIT, route=Route.TREASURY), Unfit.OTHER_ROUTE),
        (replace(FIT, is_handed_down=True), Unfit.HANDED_DOWN),
        (replace(FIT, is_stopped=True), Unfit.STOPPED),
    ],
)
def test_what_may_be_handed_down(candidate: Candidate | None, why: Unfit | None) -> None:
    assert rules.unfit(candidate, document=DOCUMENT) == why


def test_a_document_is_not_of_tomorrow() -> None:
    rules.check_day(DOCUMENT, on=DAY)
    with pytest.raises(rules.DayOutside):
        rules.check_day(DOCUMENT, on=DAY - timedelta(days=1))


def test_days_are_counted_from_the_day_of_the_document() -> None:
    assert [rules.days_held(DAY, on=DAY + timedelta(days=days)) for days in (0, 1, 30)] == [0, 1, 30]


def test_an_order_on_its_way_is_handed_down_and_not_paid() -> None:
    assert [rules.state_of(each) for each in (OrderState.IN_TRANSIT, OrderState.PAID, OrderState.RETURNED)] == list(QuotaState)


def test_a_report_is_judged_as_a_row_of_the_bank_from_the_day_of_the_document_on() -> None:
    held = {ORDER: Held(bank_reference="PO-1", voucher=None)}

    on_the_day, before = (
        rules.judge_reports([replace(PAID, settled_on=day)], held=held, handed_down_on=DAY)[0] for day in (DAY, DAY - timedelta(days=1))
    )

    assert on_the_day == BankRow(bank_reference="PO-1", outcome=BankOutcome.PAID, settled_on=DAY, amount_fen=None, reason=None)
    assert isinstance(before, rules.PaidBeforeHandedDown)


def test_a_voucher_is_of_one_payment_and_may_be_said_again() -> None:
    other = uuid.uuid4()
    held = {ORDER: Held(bank_reference="PO-1", voucher="ZF-1"), other: Held(bank_reference="PO-2", voucher=None)}

    again, used, unknown = rules.judge_reports(
        [PAID, replace(PAID, payment_order_id=other), replace(PAID, payment_order_id=uuid.uuid4())], held=held, handed_down_on=DAY
    )

    assert isinstance(again, BankRow)
    assert (type(used), type(unknown)) == (rules.VoucherUsed, rules.NotInDocument)


def test_an_account_number_in_a_reason_is_cut_down() -> None:
    row = replace(PAID, outcome=BankOutcome.RETURNED, voucher=None, reason="账号6200000000000000001不存在")

    (judged,) = rules.judge_reports([row], held={ORDER: Held(bank_reference="PO-1", voucher=None)}, handed_down_on=DAY)

    assert isinstance(judged, BankRow)
    assert judged.reason == "账号****0001不存在"
