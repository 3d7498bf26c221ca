"""Decisions about payments that the bank sent back and then reported as paid: nothing is paid twice (预算法 57)."""

from dataclasses import dataclass
from enum import StrEnum

from services.budget.bank.rules import AmountDiffers
from services.budget.waiting.rules import ReservationState
from shared.errors import Conflict, Forbidden, NotFound, Stale
from shared.money import yuan_text


class LateOutcome(StrEnum):
    """What was found out about a payment that the bank returned and then reported as paid."""

    PAID_AFTER_ALL = "paid_after_all"
    BANK_ERROR = "bank_error"


class NoSuchLatePayment(NotFound):
    code = "late-payment-not-found"
    title_en = "There is no such late payment"
    title_zh = "未找到该迟到到账信息"


class LateStale(Stale):
    code = "late-payment-stale"


class LatePaymentDecided(Conflict):
    code = "late-payment-decided"
    title_en = "The late payment is decided already"
    title_zh = "该迟到到账信息已办结"


class DecidedAlone(Forbidden):
    code = "late-payment-second-person"
    title_en = "A late payment is decided by somebody who had no part in it"
    title_zh = "迟到到账须由未经手人员核实"
    remedy_en = "Let a colleague decide who neither made nor checked the order, nor entered its payee's account, nor brought in the bank's file."
    remedy_zh = "请由未经办、未复核该笔支付，未录入其收款账户且未导入该回执的人员办理。"


class MoneyNotReserved(Conflict):
    code = "late-payment-money-moved"
    title_en = "The money of the case is no longer reserved"
    title_zh = "该案件资金已不在预留状态"
    remedy_en = "The case would be paid twice: have the other payment sent back by the bank first, then decide."
    remedy_zh = "该案件将重复支付：请先由银行退回另一笔款项，再办理。"


@dataclass(frozen=True, kw_only=True)
class Late:
    """A payment that was returned and then reported as paid. `said_fen` is the bank's amount where its row had one."""

    outcome: LateOutcome | None
    version: int
    received_by: str
    maker: str
    checker: str
    account_entered_by: str
    held_as: ReservationState
    amount_fen: int
    said_fen: int | None


def check_deciding(late: Late, *, version: int, outcome: LateOutcome, decider: str) -> None:
    """Once, by somebody who had no part in it; paid after all only what is still held for the case, and in full."""
    if late.outcome is not None:
        raise LatePaymentDecided(f"It was decided: {late.outcome}.", detail_zh="该事项已由他人办结，请查看其说明。")
    if late.version != version:
        raise LateStale(
            f"You sent version {version}; it is at version {late.version}.", detail_zh=f"您提交的版本为{version}，当前版本为{late.version}。"
        )
    if decider in (late.received_by, late.maker, late.checker, late.account_entered_by):
        raise DecidedAlone(
            "You made or checked the order, entered its payee's account, or brought in the bank's file.",
            detail_zh="您曾经办、复核该笔支付，录入其收款账户，或导入该回执。",
        )
    if outcome is LateOutcome.BANK_ERROR:
        return
    if late.said_fen is not None and late.said_fen != late.amount_fen:
        raise AmountDiffers(
            f"The bank says {yuan_text(late.said_fen)} yuan, {yuan_text(late.amount_fen)} yuan were ordered.",
            detail_zh=f"银行金额{yuan_text(late.said_fen)}元，支付金额{yuan_text(late.amount_fen)}元。",
        )
    if late.held_as is not ReservationState.RESERVED:
        raise MoneyNotReserved(f"It is {late.held_as}.", detail_zh="该案件的资金已重新支付或已释放。", facts={"state": late.held_as})
