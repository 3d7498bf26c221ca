"""Decisions about payment orders: what may be paid, by whom, and each step once."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.budget.ledger.rules import CaseMoney
from services.budget.payee.rules import CURRENT, AccountNotCurrent, PayeeState
from services.budget.policy.paying import Caution
from services.budget.waiting.rules import ReservationState
from shared.errors import Conflict, Forbidden, NotFound, Refusal, Stale
from shared.money import yuan_text

ORDERS_PER_CALL_MAX = 300


class OrderState(StrEnum):
    """One issue of a payment.

    `REJECTED` by checker or approver, `WITHDRAWN` after its approval and before anybody was asked to pay it, `CANCELLED` with the money it was
    for; all leave the case payable or not at all.
    """

    MADE = "made"
    CHECKED = "checked"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    RETURNED = "returned"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"


OPEN = frozenset({OrderState.MADE, OrderState.CHECKED, OrderState.IN_TRANSIT, OrderState.PAID})
_STATE_ZH = {
    OrderState.MADE: "待复核",
    OrderState.CHECKED: "待审批",
    OrderState.IN_TRANSIT: "支付在途",
    OrderState.PAID: "已支付",
    OrderState.RETURNED: "银行退回",
    OrderState.REJECTED: "已退回经办",
    OrderState.WITHDRAWN: "审批已撤回",
    OrderState.CANCELLED: "已取消",
}


class NoMoneyHeld(NotFound):
    code = "no-money-held"
    title_en = "No money is held for this case"
    title_zh = "该案件没有预留资金"


class NotPayable(Conflict):
    code = "not-payable"
    title_en = "The award may not be paid yet"
    title_zh = "该资金尚不能支付"
    remedy_en = "Wait until the public notice has ended and the award is confirmed."
    remedy_zh = "请待公示结束、资助确认后办理。"


class AwardDiffers(Conflict):
    code = "award-differs"
    title_en = "The confirmed award is not the sum that is reserved"
    title_zh = "确认金额与预留金额不一致"


class OrderOpen(Conflict):
    code = "payment-order-open"
    title_en = "There is a payment order for this case"
    title_zh = "该案件已有支付申请"


class AccountMissing(Conflict):
    code = "payee-account-missing"
    title_en = "No account to pay to"
    title_zh = "缺少收款账户"
    remedy_en = "Enter the payee's account; after a bank return it is entered anew, even if the number is the same."
    remedy_zh = "请录入收款账户；银行退回后须重新录入，账号不变亦同。"


class LatePaymentOpen(Conflict):
    code = "late-payment-open"
    title_en = "The bank may have paid this case after all"
    title_zh = "该案件可能已由银行支付"
    remedy_en = "Decide the late payment first: whether the money arrived, or the bank erred."
    remedy_zh = "请先核实并办结迟到的到账信息：确已到账，或银行差错。"


class AcknowledgementMissing(Conflict):
    code = "acknowledgement-missing"
    title_en = "The payment is approved only with a reason"
    title_zh = "审批该笔支付须说明依据"
    remedy_en = "Approve it with an acknowledgement that says on what ground it may be paid, or reject it."
    remedy_zh = "请在审批时填写依据（acknowledgement），或退回该支付申请。"


class NoSuchOrder(NotFound):
    code = "payment-order-not-found"
    title_en = "There is no such payment order"
    title_zh = "未找到该支付申请"


class OrderStale(Stale):
    code = "payment-order-stale"


class StepNotAllowed(Conflict):
    code = "step-not-allowed"
    title_en = "The payment order is at another step"
    title_zh = "支付申请所处环节不允许此操作"


class SamePersonTwice(Forbidden):
    code = "same-person-twice"
    title_en = "Maker, checker and approver are three people"
    title_zh = "经办、复核、审批须为不同人员"
    remedy_en = "Let a colleague take this step."
    remedy_zh = "请由其他人员办理此环节。"


class PaymentUnderWay(Conflict):
    code = "payment-under-way"
    title_en = "Somebody was asked to pay it"
    title_zh = "该笔支付已送出"
    remedy_en = "Ask the treasury or the district not to pay it; its return is booked when they report it."
    remedy_zh = "请联系国库或区市财政停止支付，待其报回退回结果后入账。"


class PaymentReported(Conflict):
    code = "payment-reported"
    title_en = "The bank says that it is paid"
    title_zh = "银行已报告该笔到账"
    remedy_en = "Find out with the bank and settle its row on the reconciliation list first (/v1/bank-confirmations/{id}:settle)."
    remedy_zh = "请先与银行核实，并办结对账清单中的该条回执（/v1/bank-confirmations/{id}:settle）。"


class NamedTwice(Refusal):
    code = "named-twice"
    title_en = "It is named twice in this call"
    title_zh = "同一请求中重复"


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """What is known of a case that is to be paid."""

    state: ReservationState
    amount_fen: int
    # What applications confirmed; None before the award is confirmed.
    awarded_fen: int | None
    has_open_order: bool
    account_entered_at: datetime | None
    # When the order that the bank sent back was made; None when none was.
    returned_order_made_at: datetime | None
    # The bank said that a payment it had sent back was paid after all, and nobody has decided yet whether that is so.
    has_late_payment: bool


@dataclass(frozen=True, kw_only=True)
class Order:
    id: UUID
    state: OrderState
    version: int
    maker: str
    checker: str | None
    account_state: PayeeState
    account_entered_by: str
    has_late_payment: bool


@dataclass(frozen=True, kw_only=True)
class Approvable:
    """An order with the money that its approval sends on its way."""

    order: Order
    money: CaseMoney
    notice_number: str


def check_making(case: Reserved) -> None:
    if case.has_open_order:
        raise OrderOpen("Look at the order that is open or paid.", detail_zh="请查看已有的支付申请。")
    if case.state is not ReservationState.RESERVED:
        raise NotPayable(f"The money is {case.state}, not reserved.", detail_zh="该案件的资金尚未预留。")
    check_no_late_payment(has_late_payment=case.has_late_payment)
    if case.awarded_fen is None:
        raise NotPayable("The award is not confirmed.", detail_zh="该资助尚未确认。")
    if case.awarded_fen != case.amount_fen:
        raise AwardDiffers(
            f"{yuan_text(case.awarded_fen)} yuan were confirmed, {yuan_text(case.amount_fen)} yuan are reserved.",
            detail_zh=f"确认金额{yuan_text(case.awarded_fen)}元，预留金额{yuan_text(case.amount_fen)}元。",
        )
    if case.account_entered_at is None:
        raise AccountMissing("There is no current account of the case or its organisation.", detail_zh="该案件及其单位均无有效收款账户。")
    if case.returned_order_made_at is not None and case.account_entered_at <= case.returned_order_made_at:
        raise AccountMissing(
            "The bank sent a payment back; the account was entered before that payment.",
            detail_zh="银行曾退回该案件款项，现有账户为退回前录入。",
        )


def check_acknowledged(caution: Caution | None, *, acknowledgement: str | None) -> None:
    """What policy cautions about is approved only by somebody who says on what ground."""
    if caution is not None and acknowledgement is None:
        raise AcknowledgementMissing(caution.text_en, detail_zh=caution.text_zh, pointer="/acknowledgement", facts={"caution": caution.code})


def check_no_late_payment(*, has_late_payment: bool) -> None:
    """预算法 57: nothing is paid twice; while it is not known whether a returned payment arrived, there is no next issue."""
    if has_late_payment:
        raise LatePaymentOpen(
            "The bank reported a returned payment of this case as paid; that is not decided yet.",
            detail_zh="银行报告该案件一笔已退回的款项又已到账，尚未核实办结。",
        )


def check_checking(order: Order, *, version: int, checker: str) -> None:
    """Before the numbers are compared: the right step, the right person, an account that is still the current one."""
    _check_step(order, version=version, expected=OrderState.MADE)
    if checker in (order.maker, order.account_entered_by):
        raise _same_person()
    check_no_late_payment(has_late_payment=order.has_late_payment)
    if order.account_state not in CURRENT:
        raise _account_not_current()


def check_approving(order: Order, *, version: int, approver: str) -> None:
    """The last moment at which the money could still be had back: by nobody who chose what is paid, or to where."""
    _check_step(order, version=version, expected=OrderState.CHECKED)
    if approver in (order.maker, order.checker, order.account_entered_by):
        raise _same_person()
    check_no_late_payment(has_late_payment=order.has_late_payment)
    if order.account_state is not PayeeState.CONFIRMED:
        raise _account_not_current()


def check_rejecting(order: Order, *, version: int, rejected_by: str) -> None:
    """Back to the maker, who does not do this alone."""
    _check_version(order, version=version)
    if order.state not in (OrderState.MADE, OrderState.CHECKED):
        raise _not_allowed(order)
    if rejected_by == order.maker:
        raise _same_person()


def check_withdrawing(order: Order, *, version: int, is_sent_on: bool, is_reported_paid: bool, withdrawn_by: str) -> None:
    """Only while nobody was asked to pay it nor says that it is paid; by somebody who may have approved it, and neither made nor checked it."""
    _check_step(order, version=version, expected=OrderState.IN_TRANSIT)
    if is_sent_on:
        raise PaymentUnderWay("It was handed down to a district or asked of the treasury.", detail_zh="该笔支付已随指标文件下达或已向国库请款。")
    if is_reported_paid:
        # It did not fit (another sum, another day) and nobody has found out why: reserved again, it might be paid twice.
        raise PaymentReported("The bank's row is open for reconciliation.", detail_zh="银行的到账回执尚在对账清单中，未办结。")
    if withdrawn_by in (order.maker, order.checker):
        raise _same_person()


def _check_step(order: Order, *, version: int, expected: OrderState) -> None:
    if order.state is not expected:
        raise _not_allowed(order)
    _check_version(order, version=version)


def _check_version(order: Order, *, version: int) -> None:
    if order.version != version:
        raise OrderStale(
            f"You sent version {version}; the order is at version {order.version}.", detail_zh=f"您提交的版本为{version}，当前版本为{order.version}。"
        )


def _not_allowed(order: Order) -> StepNotAllowed:
    return StepNotAllowed(f"The order is {order.state}.", detail_zh=f"该支付申请的状态为{_STATE_ZH[order.state]}。", facts={"state": order.state})


def _same_person() -> SamePersonTwice:
    return SamePersonTwice("You took an earlier step of this payment.", detail_zh="您已办理该笔支付的前一环节。")


def _account_not_current() -> AccountNotCurrent:
    return AccountNotCurrent(
        "It was replaced, perhaps by one of the case's own, or the bank sent a payment to it back.",
        detail_zh="该账户已被替换（或案件已另行录入账户），或曾被银行退回。",
    )
