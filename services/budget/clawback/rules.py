"""Decisions about recovery: what may be ordered back, what may be taken in, and where it goes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.budget.ledger.rules import Account, AccountName, CaseMoney, Kind, Part, Posting, Signers, case_account, case_posting
from services.budget.payment.rules import OrderState
from services.budget.policy.catalogue import Fund
from shared.errors import Conflict, NotFound, Refusal, Stale
from shared.money import yuan_text


class ClawbackState(StrEnum):
    """`CANCELLED`: the bank returned the payment itself before anything was recovered."""

    OPEN = "open"
    RECEIVED = "received"
    CANCELLED = "cancelled"


class NoSuchClawback(NotFound):
    code = "clawback-not-found"
    title_en = "There is no such order to recover"
    title_zh = "未找到该追回事项"


class ClawbackStale(Stale):
    code = "clawback-stale"


class NothingPaid(Conflict):
    code = "nothing-paid"
    title_en = "Only what was paid is recovered"
    title_zh = "仅可追回已支付款项"
    remedy_en = "Money that is reserved is released; a payment on its way is awaited."
    remedy_zh = "预留资金请释放；在途款项请等待回执。"


class AbovePaid(Conflict):
    code = "above-paid"
    title_en = "More than was paid and not yet ordered back"
    title_zh = "超过已支付且尚未责令追回的金额"


class AboveOrdered(Conflict):
    code = "above-ordered"
    title_en = "More than is still to be recovered"
    title_zh = "超过尚未追回的金额"
    remedy_en = "Take in what was ordered; what came beyond it is returned to the payer."
    remedy_zh = "请按应追回金额登记；多缴部分应退回缴款人。"


class ClawbackOrdered(Conflict):
    code = "clawback-ordered"
    title_en = "This document orders the same payment back already"
    title_zh = "该文件已责令追回此笔款项"


class ReceiptRecorded(Conflict):
    code = "receipt-recorded"
    title_en = "A receipt under this bank reference is recorded"
    title_zh = "该银行凭证号已登记"


class ReceivedOutside(Refusal):
    code = "received-outside"
    title_en = "Received neither before the payment nor after today"
    title_zh = "收款日期应在支付日之后且不晚于今日"


class NothingToRemit(Conflict):
    code = "nothing-to-remit"
    title_en = "Nothing of it is to be remitted"
    title_zh = "没有待上缴资金"


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """An order to recover as it stands, with the payment it is about."""

    state: ClawbackState
    version: int
    ordered_fen: int
    received_fen: int
    to_remit_fen: int
    order_state: OrderState
    paid_on: date


def check_ordering(*, order_state: OrderState, paid_fen: int, ordered_fen: int, asked_fen: int) -> None:
    """A receivable beside the books: what was paid may be ordered back, once."""
    if order_state is not OrderState.PAID:
        raise NothingPaid(
            f"The payment order is {order_state}.", detail_zh=f"该支付申请状态为{order_state}，并非已支付。", facts={"state": order_state}
        )
    left_fen = paid_fen - ordered_fen
    if asked_fen > left_fen:
        raise AbovePaid(
            f"{yuan_text(paid_fen)} yuan were paid, {yuan_text(ordered_fen)} are ordered back; {yuan_text(left_fen)} are left, "
            f"{yuan_text(asked_fen)} are asked.",
            detail_zh=f"已支付{yuan_text(paid_fen)}元，已责令追回{yuan_text(ordered_fen)}元，剩余{yuan_text(left_fen)}元，本次{yuan_text(asked_fen)}元。",
            pointer="/amount_fen",
            facts={"paid_fen": paid_fen, "ordered_fen": ordered_fen, "asked_fen": asked_fen},
        )


def check_receiving(recovery: Recovery, *, amount_fen: int, received_on: date, version: int, on: date) -> None:
    """Partial receipts as they come, together never more than was ordered."""
    _check_version(recovery, version=version)
    # Also where it arrived after all: an order that ended with the return is not taken up again, a new one is made.
    if recovery.order_state is not OrderState.PAID or recovery.state is ClawbackState.CANCELLED:
        raise NothingPaid("The bank returned the payment itself.", detail_zh="该笔款项已由银行退回。", facts={"state": recovery.order_state})
    left_fen = recovery.ordered_fen - recovery.received_fen
    if amount_fen > left_fen:
        raise AboveOrdered(
            f"{yuan_text(recovery.ordered_fen)} yuan are ordered, {yuan_text(recovery.received_fen)} received; {yuan_text(left_fen)} are left.",
            detail_zh=f"应追回{yuan_text(recovery.ordered_fen)}元，已收{yuan_text(recovery.received_fen)}元，尚余{yuan_text(left_fen)}元。",
            pointer="/amount_fen",
            facts={"ordered_fen": recovery.ordered_fen, "received_fen": recovery.received_fen, "asked_fen": amount_fen},
        )
    if not recovery.paid_on <= received_on <= on:
        raise ReceivedOutside(
            f"Paid on {recovery.paid_on}, today is {on}; {received_on} lies outside.",
            detail_zh=f"支付日{recovery.paid_on}，今日{on}，所填{received_on}不在其间。",
            pointer="/received_on",
        )


def check_remitting(recovery: Recovery, *, version: int) -> None:
    _check_version(recovery, version=version)
    if recovery.to_remit_fen == 0:
        raise NothingToRemit("All that was received is remitted.", detail_zh="已收款项均已上缴。")


def may_bank_return(*, received_fen: int) -> bool:
    """Once something was recovered, a bank return of the same payment would be the money twice: a person must look at it."""
    return received_fen == 0


def booking_day(day: date, *, closed: Collection[int], on: date) -> date:
    """What became known only after the close is booked in the open year, on the day it is entered."""
    return on if day.year in closed else day


def received(
    case: CaseMoney,
    *,
    parts: Sequence[Part],
    before_fen: int,
    amount_fen: int,
    booked_on: date,
    document: str,
    fund: Fund,
    signers: Signers,
) -> tuple[Posting, ...]:
    """One voucher. In the year of the payment the money waits to be remitted (or is free where policy data says so); later it goes to the treasury.

    `before_fen` was received before: years of origin are given back in the order they were drawn.
    """
    is_same_year = booked_on.year == case.fiscal_year
    legs = []
    for origin_year, fen in _shares(case, parts=parts, skip_fen=before_fen, amount_fen=amount_fen):
        source, target = _same_year(case, origin_year=origin_year, fund=fund) if is_same_year else _later(case, year=booked_on.year)
        legs.append(
            case_posting(case, kind=Kind.CLAWBACK, dr=source, cr=target, amount_fen=fen, document=document, effective_on=booked_on, signers=signers)
        )
    return tuple(legs)


def remitted(
    case: CaseMoney, *, waiting: Sequence[tuple[int, int]], amount_fen: int, on: date, document: str, signers: Signers
) -> tuple[Posting, ...]:
    """上缴待缴→上缴财政, in the books of the year of the payment; `waiting` are years of origin with what waits of them."""
    return tuple(
        case_posting(
            case,
            kind=Kind.REMIT,
            dr=case_account(case, name=AccountName.TO_REMIT, fiscal_year=case.fiscal_year, origin_year=origin_year),
            cr=case_account(case, name=AccountName.REMITTED, fiscal_year=case.fiscal_year, origin_year=origin_year),
            amount_fen=fen,
            document=document,
            effective_on=on,
            signers=signers,
        )
        for origin_year, fen in _taken(waiting, skip_fen=0, amount_fen=amount_fen)
    )


def waits_to_be_remitted(postings: Sequence[Posting]) -> bool:
    return any(posting.cr.name is AccountName.TO_REMIT for posting in postings)


def _same_year(case: CaseMoney, *, origin_year: int, fund: Fund) -> tuple[Account, Account]:
    paid = case_account(case, name=AccountName.PAID, fiscal_year=case.fiscal_year, origin_year=origin_year)
    name = AccountName.TO_REMIT if fund.clawback.same_year == "to_remit" else AccountName.AVAILABLE
    return paid, case_account(case, name=name, fiscal_year=case.fiscal_year, origin_year=origin_year)


def _later(case: CaseMoney, *, year: int) -> tuple[Account, Account]:
    return (
        case_account(case, name=AccountName.RECOVERED_LATE, fiscal_year=year, origin_year=case.fiscal_year),
        case_account(case, name=AccountName.REMITTED, fiscal_year=year, origin_year=case.fiscal_year),
    )


def _shares(case: CaseMoney, *, parts: Sequence[Part], skip_fen: int, amount_fen: int) -> list[tuple[int, int]]:
    """Which years of origin this sum is of, once what came before is left out."""
    origins = [(part.pool.origin_year, part.amount_fen) for part in parts] or [(case.fiscal_year, case.amount_fen)]
    return _taken(origins, skip_fen=skip_fen, amount_fen=amount_fen)


def _taken(origins: Sequence[tuple[int, int]], *, skip_fen: int, amount_fen: int) -> list[tuple[int, int]]:
    shares: dict[int, int] = {}
    for origin_year, fen in origins:
        skipped_fen = min(fen, skip_fen)
        skip_fen -= skipped_fen
        taken_fen = min(fen - skipped_fen, amount_fen)
        amount_fen -= taken_fen
        if taken_fen:
            shares[origin_year] = shares.get(origin_year, 0) + taken_fen
    assert amount_fen == 0, "more comes back than was paid"
    return list(shares.items())


def _check_version(recovery: Recovery, *, version: int) -> None:
    if recovery.version != version:
        raise ClawbackStale(
            f"You sent version {version}; it is at version {recovery.version}.", detail_zh=f"您提交的版本为{version}，当前版本为{recovery.version}。"
        )
