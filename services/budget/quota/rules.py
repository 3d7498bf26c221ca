"""Decisions about quota documents: what may be handed down to a district, and what its reports say. Handed down is not paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from services.budget.bank.rules import BankOutcome, BankRow
from services.budget.payee.rules import without_numbers
from services.budget.payment.rules import OrderState
from services.budget.policy.paying import Route
from shared.errors import Conflict, NotFound, Refusal, Stale

PAYMENTS_PER_DOCUMENT_MAX = 1_000


class QuotaState(StrEnum):
    """`HANDED_DOWN`: the district holds the money and nobody has been paid."""

    HANDED_DOWN = "handed_down"
    PAID = "paid"
    RETURNED = "returned"


class NoSuchDocument(NotFound):
    code = "quota-document-not-found"
    title_en = "There is no such quota document"
    title_zh = "未找到该指标文件"


class DocumentExists(Conflict):
    code = "quota-document-exists"
    title_en = "A quota document of the year has this number"
    title_zh = "本年度已有该文号的指标文件"


class DocumentStale(Stale):
    code = "quota-document-stale"


class DayOutside(Refusal):
    code = "handed-down-day"
    title_en = "The day does not fit"
    title_zh = "下达日期不符"


class PaymentsUnfit(Conflict):
    code = "quota-payments-unfit"
    title_en = "Some payments cannot be handed down by this document"
    title_zh = "部分支付申请不能列入本指标文件"
    remedy_en = "Leave out those that `orders` names."
    remedy_zh = "请剔除 orders 中列出的支付申请。"


class NotInDocument(NotFound):
    code = "not-in-quota-document"
    title_en = "The document does not hand this payment down"
    title_zh = "该指标文件未列此笔支付"


class PaidBeforeHandedDown(Refusal):
    code = "paid-before-handed-down"
    title_en = "The day is before the document"
    title_zh = "日期早于指标下达日"


class VoucherUsed(Conflict):
    code = "district-voucher-used"
    title_en = "The voucher was reported for another payment"
    title_zh = "该支付凭证号已用于另一笔支付"


class Unfit(StrEnum):
    UNKNOWN = "payment-order-not-found"
    NAMED_TWICE = "named-twice"
    NOT_ON_ITS_WAY = "not-in-transit"
    OTHER_YEAR = "other-fiscal-year"
    OTHER_JURISDICTION = "other-jurisdiction"
    OTHER_ROUTE = "other-route"
    HANDED_DOWN = "already-handed-down"
    STOPPED = "frozen"


@dataclass(frozen=True, kw_only=True)
class Document:
    fiscal_year: int
    jurisdiction_id: str
    handed_down_on: date


@dataclass(frozen=True, kw_only=True)
class Candidate:
    state: OrderState
    fiscal_year: int
    jurisdiction_id: str
    route: Route
    ordered_on: date | None
    is_handed_down: bool
    is_stopped: bool


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What a district says of one payment; `voucher` is its 支付凭证号, of a payment alone."""

    payment_order_id: UUID
    outcome: BankOutcome
    settled_on: date
    voucher: str | None
    amount_fen: int | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Held:
    """One payment of a document as it stands."""

    bank_reference: str
    voucher: str | None


def check_day(document: Document, *, on: date) -> None:
    if document.handed_down_on > on:
        raise DayOutside(
            f"{document.handed_down_on} is after today, {on}.",
            detail_zh=f"下达日期{document.handed_down_on}晚于今日{on}。",
            pointer="/handed_down_on",
        )


def unfit(candidate: Candidate | None, *, document: Document) -> Unfit | None:
    """None when the payment may be handed down."""
    if candidate is None:
        return Unfit.UNKNOWN
    if candidate.state is not OrderState.IN_TRANSIT or candidate.ordered_on is None or candidate.ordered_on > document.handed_down_on:
        return Unfit.NOT_ON_ITS_WAY
    if candidate.fiscal_year != document.fiscal_year:
        return Unfit.OTHER_YEAR
    if candidate.jurisdiction_id != document.jurisdiction_id:
        return Unfit.OTHER_JURISDICTION
    if candidate.route is not Route.QUOTA:
        return Unfit.OTHER_ROUTE
    if candidate.is_handed_down:
        return Unfit.HANDED_DOWN
    # 处罚处分条例 24: the money of whom an order to stop is about leaves the city no more.
    return Unfit.STOPPED if candidate.is_stopped else None


def refuse_unfit(found: Mapping[UUID, Unfit]) -> None:
    if found:
        raise PaymentsUnfit(
            f"{len(found)} payment(s) cannot be handed down.",
            detail_zh=f"有{len(found)}笔支付申请不能下达。",
            facts={"orders": [{"payment_order_id": str(order_id), "code": why} for order_id, why in found.items()]},
        )


def check_version(current: int, *, expected: int) -> None:
    if current != expected:
        raise DocumentStale(f"You sent version {expected}; it is at version {current}.", detail_zh=f"您提交的版本为{expected}，当前版本为{current}。")


def judge_reports(rows: Sequence[Reported], *, held: Mapping[UUID, Held], handed_down_on: date) -> list[BankRow | Refusal]:
    """Each row as one of the bank's, or why it is not taken; `held` by payment order."""
    payment_of = {each.voucher: order_id for order_id, each in held.items() if each.voucher is not None}
    judged: list[BankRow | Refusal] = []
    for row in rows:
        try:
            judged.append(_judge(row, held=held.get(row.payment_order_id), payment_of=payment_of, handed_down_on=handed_down_on))
        except Refusal as refusal:
            judged.append(refusal)
        else:
            if row.voucher is not None:
                payment_of[row.voucher] = row.payment_order_id
    return judged


def state_of(order: OrderState) -> QuotaState:
    if order is OrderState.IN_TRANSIT:
        return QuotaState.HANDED_DOWN
    return QuotaState.PAID if order is OrderState.PAID else QuotaState.RETURNED


def days_held(handed_down_on: date, *, on: date) -> int:
    """Whole days since the money went down; 0 on the day itself."""
    return max(0, (on - handed_down_on).days)


def _judge(row: Reported, *, held: Held | None, payment_of: Mapping[str, UUID], handed_down_on: date) -> BankRow:
    if held is None:
        raise NotInDocument(
            f"{row.payment_order_id} is not in it.", detail_zh=f"指标文件中没有支付申请{row.payment_order_id}。", pointer="/payment_order_id"
        )
    if row.settled_on < handed_down_on:
        raise PaidBeforeHandedDown(
            f"{row.settled_on} is before {handed_down_on}.", detail_zh=f"日期{row.settled_on}早于下达日{handed_down_on}。", pointer="/settled_on"
        )
    if row.voucher is not None and payment_of.get(row.voucher, row.payment_order_id) != row.payment_order_id:
        raise VoucherUsed(f"{row.voucher} was reported before.", detail_zh=f"支付凭证号{row.voucher}此前已报告。", pointer="/voucher")
    return BankRow(
        bank_reference=held.bank_reference,
        outcome=row.outcome,
        settled_on=row.settled_on,
        amount_fen=row.amount_fen,
        reason=None if row.reason is None else without_numbers(row.reason),
    )
