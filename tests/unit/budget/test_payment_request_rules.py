"""Requests for payment: which payments fit, what the sheet says, and every difference of the one that comes back."""

import uuid
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from services.budget.bank.rules import BankOutcome
from services.budget.payment.rules import OrderState
from services.budget.payment_request import rules
from services.budget.payment_request.rules import Candidate, DifferenceKind, Expected, Payment, Read, Unfit
from services.budget.policy.paying import BankCodes, Route
from shared.errors import Invalid

OPTIONAL_CODES = BankCodes(required=False)
FIT = Candidate(
    state=OrderState.IN_TRANSIT,
    fiscal_year=2025,
    route=Route.TREASURY,
    bank_name="示例银行",
    bank_code=None,
    is_requested=False,
    is_stopped=False,
)
PAYMENT = Payment(
    bank_reference="PO-2025-000001",
    quota_document="财社指〔2025〕12号",
    project_code="P-1",
    functional_code="2080199",
    economic_code="31204",
    payee="示例有限公司",
    account_number="6200000000000000001",
    bank_name="示例银行",
    bank_code=None,
    amount_fen=3_000_001,
    purpose="2023-15/2 C-1",
)
EXPECTED = {
    reference: Expected(bank_reference=reference, payee="示例（甲）有限公司", amount_fen=100, state=OrderState.IN_TRANSIT)
    for reference in ("PO-1", "PO-2")
}
HEADINGS = ["支付凭证号", "支付日期", "状态", "原因", "金额", "收款人"]
ROW = ["PO-1", "2025-09-15", "已支付", "", "1.00", "示例(甲)有限公司"]


def read(*rows: list[str], headings: list[str] = HEADINGS) -> list[Read]:
    return rules.read_rows([headings, *rows])


@pytest.mark.parametrize(
    ("candidate", "why"),
    [
        (FIT, None),
        (None, Unfit.UNKNOWN),
        (replace(FIT, state=OrderState.CHECKED), Unfit.NOT_ON_ITS_WAY),
        (replace(FIT, state=OrderState.PAID), Unfit.NOT_ON_ITS_WAY),
        (replace(FIT, fiscal_year=2024), Unfit.OTHER_YEAR),
        (replace(FIT, route=Route.QUOTA), Unfit.OTHER_ROUTE),
        (replace(FIT, is_requested=True), Unfit.REQUESTED),
        (replace(FIT, is_stopped=True), Unfit.STOPPED),
    ],
)
def test_what_fits_into_a_request(candidate: Candidate | None, why: Unfit | None) -> None:
    assert rules.unfit(candidate, fiscal_year=2025, bank_codes=OPTIONAL_CODES) == why


def test_a_bank_elsewhere_needs_a_code_where_policy_wants_one() -> None:
    wanted = BankCodes(required=True, local_banks=("本地银行",))

    judged = [
        rules.unfit(each, fiscal_year=2025, bank_codes=wanted)
        for each in (FIT, replace(FIT, bank_code="100000000000"), replace(FIT, bank_name="本地银行一支行"))
    ]

    assert judged == [Unfit.BANK_CODE_MISSING, None, None]


def test_each_payment_that_does_not_fit_is_named() -> None:
    order_id = uuid.uuid4()

    with pytest.raises(rules.OrdersUnfit) as refused:
        rules.refuse_unfit({order_id: Unfit.REQUESTED})

    assert refused.value.facts["orders"] == [{"payment_order_id": str(order_id), "code": "already-requested"}]


def test_the_sheet_has_the_whole_number_and_the_exact_amount() -> None:
    headings, row = rules.sheet_of([PAYMENT])

    assert headings == list(rules.EXPORTED)
    assert row[6:10] == ["6200000000000000001", "示例银行", "", Decimal("30000.01")]


def test_a_warning_is_told_and_a_refusal_names_the_lines() -> None:
    assert rules.warnings_about({"a/2": "warn", "a/1": "warn", "a/3": "allow"}) == ["a/1", "a/2"]
    with pytest.raises(rules.SelfEvaluationMissing, match="a/2"):
        rules.warnings_about({"a/1": "warn", "a/2": "refuse"})


def test_a_row_is_read_with_all_that_it_has() -> None:
    paid, returned = read(ROW, ["PO-2", "2025/09/16", "退回", "户名不符"])

    assert paid == Read(
        row=2, bank_reference="PO-1", outcome=BankOutcome.PAID, settled_on=date(2025, 9, 15), reason=None, amount_fen=100, payee="示例(甲)有限公司"
    )
    assert (returned.row, returned.outcome, returned.settled_on, returned.reason) == (3, BankOutcome.RETURNED, date(2025, 9, 16), "户名不符")
    assert (returned.amount_fen, returned.payee) == (None, None)


def test_columns_may_stand_in_any_order_and_others_are_left_alone() -> None:
    (row,) = read(["已支付", "x", "20250915", "PO-1"], headings=["状态", "备注", "支付日期", "支付凭证号"])

    assert (row.bank_reference, row.settled_on) == ("PO-1", date(2025, 9, 15))


@pytest.mark.parametrize("headings", [[], ["支付凭证号", "状态"], [*HEADINGS, "金额"]], ids=["none", "missing", "twice"])
def test_wrong_headings_are_refused(headings: list[str]) -> None:
    with pytest.raises(rules.HeadingsWrong):
        read(ROW, headings=headings)


@pytest.mark.parametrize(
    ("place", "written"),
    [(0, ""), (0, "x" * 61), (1, "15.9.2025"), (1, "2025-02-30"), (2, "支付中"), (3, "多余的原因"), (4, "0"), (4, "1.001"), (4, "1e3"), (4, "一元")],
)
def test_a_wrong_cell_refuses_the_sheet_and_names_its_place(place: int, written: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(ROW, [*ROW[:place], written, *ROW[place + 1 :]])

    (told,) = refused.value.problems
    assert told.detail_en.startswith(f"Row 3, {HEADINGS[place]}")


def test_a_return_without_a_reason_is_refused_and_a_sheet_without_rows_too() -> None:
    with pytest.raises(Invalid):
        read(["PO-1", "2025-09-15", "退回", ""])
    with pytest.raises(Invalid):
        read(["", "", ""])


@pytest.mark.parametrize(("written", "fen"), [("0.01", 1), ("30,000.5", 3_000_050), ("¥20", 2_000), ("9999999999999.99", 999_999_999_999_999)])
def test_amounts_are_whole_fen(written: str, fen: int) -> None:
    assert read([*ROW[:4], written])[0].amount_fen == fen


def test_a_sheet_that_says_what_was_asked_for_has_no_difference() -> None:
    rows = read(ROW, ["PO-2", *ROW[1:]])

    assert rules.compare(rows, expected=EXPECTED) == []
    assert rules.to_book(rows, differences=[]) == rows


def test_every_difference_is_told_with_its_row() -> None:
    rows = read(ROW, ROW, ["PO-9", *ROW[1:]])

    found = rules.compare(rows, expected=EXPECTED)

    assert [(each.kind, each.row, each.bank_reference) for each in found] == [
        (DifferenceKind.REPEATED, 3, "PO-1"),
        (DifferenceKind.EXTRA, 4, "PO-9"),
        (DifferenceKind.MISSING, None, "PO-2"),
    ]
    assert [row.row for row in rules.to_book(rows, differences=found)] == [2]


def test_another_payee_is_not_booked_and_another_amount_is_left_to_reconciliation() -> None:
    rows = read([*ROW[:4], "1.01", ROW[5]], ["PO-2", *ROW[1:5], "别家公司6200000000000000001"])

    found = rules.compare(rows, expected=EXPECTED)

    assert [(each.kind, each.expected, each.found) for each in found] == [
        (DifferenceKind.OTHER_AMOUNT, "1.00", "1.01"),
        (DifferenceKind.OTHER_PAYEE, "示例（甲）有限公司", "别家公司****0001"),
    ]
    assert [row.bank_reference for row in rules.to_book(rows, differences=found)] == ["PO-1"]


def test_a_payment_and_its_return_are_no_repetition_and_what_is_settled_is_not_missing() -> None:
    rows = read(ROW, ["PO-1", "2025-09-16", "退回", "户名不符"])
    expected = EXPECTED | {"PO-2": replace(EXPECTED["PO-2"], state=OrderState.PAID)}

    assert rules.compare(rows, expected=expected) == []
