"""Decisions about what the bank says: which row moves money, which says nothing new, and which a person must look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import TypeAlias

from services.budget.clawback.rules import may_bank_return
from services.budget.payment.rules import OrderState
from services.budget.policy.paying import ROUTE_ZH, Route
from shared.errors import Conflict, NotFound, Refusal
from shared.money import yuan_text

ROWS_PER_FILE_MAX = 1_000


class BankOutcome(StrEnum):
    PAID = "paid"
    RETURNED = "returned"


class DayInFuture(Refusal):
    """Not kept: the file itself is wrong."""

    code = "day-in-future"
    title_en = "The day is after today"
    title_zh = "日期晚于今日"


class ToReconcile(Conflict):
    """The row is kept: a person must find out what it means."""

    title_en = "Kept for reconciliation"
    title_zh = "已列入对账清单"
    code = "reconcile"


class NoSuchReference(ToReconcile):
    code = "no-such-reference"


class AmountDiffers(ToReconcile):
    code = "bank-amount-differs"


class PaymentClosed(ToReconcile):
    code = "payment-closed"


class DayDiffers(ToReconcile):
    code = "bank-day-differs"


class OtherRoute(ToReconcile):
    code = "other-route"
    title_en = "The payment goes another way"
    title_zh = "该笔资金的支付渠道不同"


class RecoveredBefore(ToReconcile):
    code = "recovered-before"


class NoSuchConfirmation(NotFound):
    code = "bank-confirmation-not-found"
    title_en = "There is no such row"
    title_zh = "未找到该银行回执"


class NotForReconciliation(Conflict):
    code = "not-for-reconciliation"
    title_en = "The row was matched; there is nothing to settle"
    title_zh = "该回执已匹配，无须对账"


class AlreadySettled(Conflict):
    code = "reconciliation-settled"
    title_en = "The row is settled already"
    title_zh = "该对账事项已办结"


class NewsOfLatePayment(Conflict):
    code = "news-of-late-payment"
    title_en = "The row says that a returned payment was paid after all"
    title_zh = "该回执报告已退回款项又已到账"
    remedy_en = (
        "Decide it under late payments (/v1/late-payments/{id}:decide, the same id): paid after all, or the bank's error; that settles the row too."
    )
    remedy_zh = "请在“退回后到账”事项中办理（/v1/late-payments/{id}:decide，标识相同）：确已到账或银行差错；办结后该回执同时办结。"


@dataclass(frozen=True, kw_only=True)
class BankRow:
    """`amount_fen` is compared where the bank's file has it. `reason` names no account."""

    bank_reference: str
    outcome: BankOutcome
    settled_on: date
    amount_fen: int | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One issue of a payment as the books have it."""

    state: OrderState
    amount_fen: int
    ordered_on: date
    paid_on: date | None
    returned_on: date | None
    route: Route
    # What was taken back of it on orders to recover.
    recovered_fen: int = 0


class Effect(StrEnum):
    PAY = "pay"
    RETURN_UNPAID = "return_unpaid"
    RETURN_PAID = "return_paid"
    NOTHING_NEW = "nothing_new"


Judged: TypeAlias = "Effect | Refusal"


def judge_rows(rows: Sequence[BankRow], *, issues: Mapping[str, Issue], said_by: Route, on: date) -> list[Judged]:
    """Each row after those before it; `issues` by bank reference. Only who has the money says what became of it: the bank, or the district."""
    now = dict(issues)
    judged: list[Judged] = []
    for row in rows:
        try:
            effect = _judge(row, issue=now.get(row.bank_reference), said_by=said_by, on=on)
        except Refusal as refusal:
            judged.append(refusal)
            continue
        judged.append(effect)
        if effect is Effect.PAY:
            now[row.bank_reference] = replace(now[row.bank_reference], state=OrderState.PAID, paid_on=row.settled_on)
        elif effect is not Effect.NOTHING_NEW:
            now[row.bank_reference] = replace(now[row.bank_reference], state=OrderState.RETURNED, returned_on=row.settled_on)
    return judged


def check_settling(*, status: str, settled_by: str | None, is_late_payment: bool) -> None:
    """Settled once, by one person: no money moves by it. What may be money that arrived after all is decided, not settled."""
    if status != "reconcile":
        raise NotForReconciliation("It was matched to its payment when it came.", detail_zh="该回执导入时已与支付匹配。")
    if settled_by is not None:
        raise AlreadySettled(f"{settled_by} settled it.", detail_zh="该对账事项已由他人办结，请查看其说明。")
    if is_late_payment:
        raise NewsOfLatePayment(
            "Until somebody has decided what it means, the case is paid to nobody; a note would leave that open.",
            detail_zh="未核实前该案件不得再支付，仅作说明不能办结。",
        )


def _judge(row: BankRow, *, issue: Issue | None, said_by: Route, on: date) -> Effect:
    if row.settled_on > on:
        raise DayInFuture(f"{row.settled_on} is after today, {on}.", detail_zh=f"日期{row.settled_on}晚于今日{on}。", pointer="/settled_on")
    if issue is None:
        raise NoSuchReference(
            f"No payment was ordered under {row.bank_reference}.",
            detail_zh=f"没有支付凭证号为{row.bank_reference}的支付。",
            pointer="/bank_reference",
        )
    # What was withdrawn was sent nowhere: whoever says something of it is heard, whatever way policy has for it by now.
    if issue.route is not said_by and issue.state is not OrderState.WITHDRAWN:
        raise OtherRoute(
            f"{row.bank_reference} is paid by way of {issue.route}, this was said by way of {said_by}.",
            detail_zh=f"{row.bank_reference}的支付渠道为{ROUTE_ZH[issue.route]}，本次回执来自{ROUTE_ZH[said_by]}。",
            pointer="/bank_reference",
        )
    if is_late_payment(row, issue=issue):
        # A return closes its bank reference: what comes later under it may be money that was paid after all.
        raise PaymentClosed(f"It was returned or withdrawn on {issue.returned_on}.", detail_zh=f"该笔已于{issue.returned_on}退回或撤回。")
    if row.amount_fen is not None and row.amount_fen != issue.amount_fen:
        raise AmountDiffers(
            f"The bank says {yuan_text(row.amount_fen)} yuan, {yuan_text(issue.amount_fen)} yuan were ordered.",
            detail_zh=f"银行金额{yuan_text(row.amount_fen)}元，支付金额{yuan_text(issue.amount_fen)}元。",
            pointer="/amount_fen",
        )
    if row.settled_on < issue.ordered_on:
        raise DayDiffers(
            f"{row.settled_on} is before the approval on {issue.ordered_on}.", detail_zh=f"日期{row.settled_on}早于审批日{issue.ordered_on}。"
        )
    return _paid(row, issue) if row.outcome is BankOutcome.PAID else _returned(row, issue)


def _paid(row: BankRow, issue: Issue) -> Effect:
    if issue.state is OrderState.IN_TRANSIT:
        return Effect.PAY
    if issue.paid_on == row.settled_on:
        return Effect.NOTHING_NEW
    raise DayDiffers(f"It was reported paid on {issue.paid_on} before.", detail_zh=f"该笔此前回执的到账日为{issue.paid_on}。")


def _returned(row: BankRow, issue: Issue) -> Effect:
    if issue.state is OrderState.IN_TRANSIT:
        return Effect.RETURN_UNPAID
    if issue.returned_on == row.settled_on and issue.state is not OrderState.WITHDRAWN:
        # Also of a payment that arrived after all: the return was an error, and saying it again does not make it true.
        return Effect.NOTHING_NEW
    if issue.state is OrderState.PAID and not may_bank_return(received_fen=issue.recovered_fen):
        raise RecoveredBefore(
            f"{yuan_text(issue.recovered_fen)} yuan of it were recovered before.", detail_zh=f"该笔此前已追回{yuan_text(issue.recovered_fen)}元。"
        )
    if issue.state is OrderState.PAID:
        _check_after_payment(row, issue=issue)
        return Effect.RETURN_PAID
    raise PaymentClosed(f"It was returned or withdrawn on {issue.returned_on} before.", detail_zh=f"该笔此前已于{issue.returned_on}退回或撤回。")


def _check_after_payment(row: BankRow, *, issue: Issue) -> None:
    """The days of one payment run forwards in the journal too."""
    if issue.paid_on is not None and row.settled_on < issue.paid_on:
        raise DayDiffers(
            f"{row.settled_on} is before the payment that it returns, {issue.paid_on}.",
            detail_zh=f"退回日{row.settled_on}早于该笔到账日{issue.paid_on}。",
            pointer="/settled_on",
        )


def is_late_payment(row: BankRow, *, issue: Issue) -> bool:
    """News that what was returned or withdrawn was paid after all; the day on which it was first paid is no news."""
    return row.outcome is BankOutcome.PAID and issue.state in (OrderState.RETURNED, OrderState.WITHDRAWN) and issue.paid_on != row.settled_on
