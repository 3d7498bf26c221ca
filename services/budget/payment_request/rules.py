"""Decisions about requests for payment (请款): which payments go into one, what the sheet says, and how it comes back."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from services.budget.bank.rules import BankOutcome, BankRow
from services.budget.payee.rules import without_numbers
from services.budget.payment.rules import OrderState
from services.budget.policy.paying import BankCodes, Route
from shared.errors import Conflict, FieldProblem, Invalid, NotFound, Refusal, Stale
from shared.money import FEN_MAX, FEN_PER_YUAN, yuan_text

ORDERS_PER_REQUEST_MAX = 1_000
PROBLEMS_TOLD_MAX = 100

REFERENCE, PAID_ON, STATUS, REASON, AMOUNT, PAYEE = "支付凭证号", "支付日期", "状态", "原因", "金额", "收款人"
EXPORTED = (REFERENCE, "指标文号", "项目代码", "功能分类", "经济分类", PAYEE, "账号", "开户行", "联行号", AMOUNT, "用途")
REQUIRED = (REFERENCE, PAID_ON, STATUS)
OPTIONAL = (REASON, AMOUNT, PAYEE)
_STATUSES: Mapping[str, BankOutcome] = {
    "已支付": BankOutcome.PAID,
    "支付成功": BankOutcome.PAID,
    "paid": BankOutcome.PAID,
    "已退回": BankOutcome.RETURNED,
    "退回": BankOutcome.RETURNED,
    "returned": BankOutcome.RETURNED,
}
_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?")


class NoSuchRequest(NotFound):
    code = "payment-request-not-found"
    title_en = "There is no such request for payment"
    title_zh = "未找到该请款单"


class RequestStale(Stale):
    code = "payment-request-stale"


class OrdersUnfit(Conflict):
    code = "payment-orders-unfit"
    title_en = "Some payments cannot go into this request"
    title_zh = "部分支付申请不能列入本次请款"
    remedy_en = "Leave out those that `orders` names, or put them right."
    remedy_zh = "请剔除 orders 中列出的支付申请，或先行更正。"


class SelfEvaluationMissing(Conflict):
    code = "self-evaluation-missing"
    title_en = "A line was paid out last year and never evaluated"
    title_zh = "上年度已支付项目尚未开展绩效自评"
    remedy_en = "Record the self-evaluation of each target of those lines first."
    remedy_zh = "请先录入相关项目各项绩效目标的自评结果。"


class Unfit(StrEnum):
    """Why a payment is not in a request."""

    UNKNOWN = "payment-order-not-found"
    NAMED_TWICE = "named-twice"
    NOT_ON_ITS_WAY = "not-in-transit"
    OTHER_YEAR = "other-fiscal-year"
    OTHER_ROUTE = "other-route"
    BANK_CODE_MISSING = "bank-code-missing"
    REQUESTED = "already-requested"
    STOPPED = "frozen"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    state: OrderState
    fiscal_year: int
    route: Route
    bank_name: str
    bank_code: str | None
    is_requested: bool
    is_stopped: bool


@dataclass(frozen=True, kw_only=True)
class Payment:
    """One row of a request with all that the treasury must know."""

    bank_reference: str
    quota_document: str
    project_code: str
    functional_code: str
    economic_code: str
    payee: str
    account_number: str
    bank_name: str
    bank_code: str | None
    amount_fen: int
    purpose: str


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One payment of the request, as its confirmation is compared with it."""

    bank_reference: str
    payee: str
    amount_fen: int
    state: OrderState


@dataclass(frozen=True, kw_only=True)
class Read:
    """One row of the treasury's sheet; `row` is its number there, the headings being 1."""

    row: int
    bank_reference: str
    outcome: BankOutcome
    settled_on: date
    reason: str | None
    amount_fen: int | None
    payee: str | None


class DifferenceKind(StrEnum):
    """`MISSING` may still come with the next sheet; the others are for a person to look at."""

    MISSING = "missing"
    EXTRA = "extra"
    OTHER_AMOUNT = "other_amount"
    OTHER_PAYEE = "other_payee"
    REPEATED = "repeated"


@dataclass(frozen=True, kw_only=True)
class Difference:
    kind: DifferenceKind
    row: int | None
    bank_reference: str
    expected: str | None
    found: str | None


def check_version(current: int, *, expected: int) -> None:
    if current != expected:
        raise RequestStale(f"You sent version {expected}; it is at version {current}.", detail_zh=f"您提交的版本为{expected}，当前版本为{current}。")


def changed_meanwhile() -> RequestStale:
    return RequestStale("Another sheet was taken at the same moment.", detail_zh="他人刚导入了该请款单的支付结果。")


def unfit(candidate: Candidate | None, *, fiscal_year: int, bank_codes: BankCodes) -> Unfit | None:
    """None when the payment may be requested."""
    if candidate is None:
        return Unfit.UNKNOWN
    if candidate.state is not OrderState.IN_TRANSIT:
        return Unfit.NOT_ON_ITS_WAY
    if candidate.fiscal_year != fiscal_year:
        return Unfit.OTHER_YEAR
    if candidate.route is not Route.TREASURY:
        return Unfit.OTHER_ROUTE
    if bank_codes.is_missing(bank_name=candidate.bank_name, bank_code=candidate.bank_code):
        return Unfit.BANK_CODE_MISSING
    if candidate.is_requested:
        return Unfit.REQUESTED
    # 处罚处分条例 24: the treasury is not asked for money that an order to stop is about.
    return Unfit.STOPPED if candidate.is_stopped else None


def refuse_unfit(found: Mapping[UUID, Unfit]) -> None:
    if found:
        raise OrdersUnfit(
            f"{len(found)} payment(s) cannot be requested.",
            detail_zh=f"有{len(found)}笔支付申请不能请款。",
            facts={"orders": [{"payment_order_id": str(order_id), "code": why} for order_id, why in found.items()]},
        )


def warnings_about(not_evaluated: Mapping[str, str]) -> list[str]:
    """Of lines whose last year was paid out and not evaluated (预算法 57), with what policy wants of each: the line ids to warn about."""
    if refused := sorted(line_id for line_id, wanted in not_evaluated.items() if wanted == "refuse"):
        raise SelfEvaluationMissing(
            f"Not evaluated last year: {', '.join(refused)}.", detail_zh=f"上年度未自评：{'、'.join(refused)}。", facts={"lines": refused}
        )
    return sorted(line_id for line_id, wanted in not_evaluated.items() if wanted == "warn")


def sheet_of(payments: Sequence[Payment]) -> list[list[str | Decimal]]:
    """Headings and rows of the sheet that goes to the treasury: the only place that the whole account number leaves by."""
    return [list(EXPORTED), *(_exported(payment) for payment in payments)]


def read_rows(cells: Sequence[Sequence[str]]) -> list[Read]:
    """The rows below the headings; what is wrong anywhere refuses the whole sheet and names each place. Raises Invalid."""
    places = _places(cells[0] if cells else [])
    rows: list[Read] = []
    problems: list[FieldProblem] = []
    for number, row in enumerate(cells[1:], start=2):
        named = {name: row[place] if place < len(row) else "" for name, place in places.items()}
        if not any(named.values()):
            continue
        try:
            rows.append(_read(named, row=number))
        except ValueError as wrong:
            heading, en, zh = wrong.args
            problems.append(
                FieldProblem(pointer="/content_base64", detail_en=f"Row {number}, {heading}: {en}", detail_zh=f"第{number}行“{heading}”：{zh}")
            )
    if not rows and not problems:
        problems.append(FieldProblem(pointer="/content_base64", detail_en="There is no row below the headings.", detail_zh="表头以下没有数据。"))
    if problems:
        raise Invalid(problems[:PROBLEMS_TOLD_MAX])
    return rows


def compare(rows: Sequence[Read], *, expected: Mapping[str, Expected]) -> list[Difference]:
    """Row by row, then what is missing."""
    found = list(_differences(rows, expected=expected))
    said = {row.bank_reference for row in rows}
    found += [
        Difference(kind=DifferenceKind.MISSING, row=None, bank_reference=each.bank_reference, expected=yuan_text(each.amount_fen), found=None)
        for each in expected.values()
        if each.state is OrderState.IN_TRANSIT and each.bank_reference not in said
    ]
    return found


def to_book(rows: Sequence[Read], *, differences: Sequence[Difference]) -> list[Read]:
    """Other amounts go to the reconciliation list like those of any bank row; the remaining differences are not of this request."""
    left_out = {each.row for each in differences if each.kind in (DifferenceKind.EXTRA, DifferenceKind.OTHER_PAYEE, DifferenceKind.REPEATED)}
    return [row for row in rows if row.row not in left_out]


def bank_row(row: Read) -> BankRow:
    return BankRow(
        bank_reference=row.bank_reference,
        outcome=row.outcome,
        settled_on=row.settled_on,
        amount_fen=row.amount_fen,
        reason=None if row.reason is None else without_numbers(row.reason),
    )


def _differences(rows: Sequence[Read], *, expected: Mapping[str, Expected]) -> Iterator[Difference]:
    seen: set[tuple[str, BankOutcome]] = set()
    for row in rows:
        known = expected.get(row.bank_reference)
        if known is None:
            yield Difference(kind=DifferenceKind.EXTRA, row=row.row, bank_reference=row.bank_reference, expected=None, found=row.bank_reference)
            continue
        if (row.bank_reference, row.outcome) in seen:
            yield Difference(kind=DifferenceKind.REPEATED, row=row.row, bank_reference=row.bank_reference, expected=None, found=row.outcome)
            continue
        seen.add((row.bank_reference, row.outcome))
        if row.amount_fen is not None and row.amount_fen != known.amount_fen:
            amounts = {"expected": yuan_text(known.amount_fen), "found": yuan_text(row.amount_fen)}
            yield Difference(kind=DifferenceKind.OTHER_AMOUNT, row=row.row, bank_reference=row.bank_reference, **amounts)
        if row.payee is not None and row.payee != unicodedata.normalize("NFKC", known.payee):
            payees = {"expected": known.payee, "found": without_numbers(row.payee)}
            yield Difference(kind=DifferenceKind.OTHER_PAYEE, row=row.row, bank_reference=row.bank_reference, **payees)


def _exported(payment: Payment) -> list[str | Decimal]:
    return [
        payment.bank_reference,
        payment.quota_document,
        payment.project_code,
        payment.functional_code,
        payment.economic_code,
        payment.payee,
        payment.account_number,
        payment.bank_name,
        payment.bank_code or "",
        Decimal(payment.amount_fen).scaleb(-2),
        payment.purpose,
    ]


def _places(headings: Sequence[str]) -> dict[str, int]:
    named = [heading for heading in headings if heading]
    repeated = sorted({name for name in named if named.count(name) > 1 and name in (*REQUIRED, *OPTIONAL)})
    missing = [name for name in REQUIRED if name not in named]
    if missing or repeated:
        raise HeadingsWrong(
            f"Missing: {'、'.join(missing) or 'none'}; twice: {'、'.join(repeated) or 'none'}.",
            detail_zh=f"缺少：{'、'.join(missing) or '无'}；重复：{'、'.join(repeated) or '无'}。",
            pointer="/content_base64",
        )
    return {name: list(headings).index(name) for name in (*REQUIRED, *OPTIONAL) if name in named}


class HeadingsWrong(Refusal):
    code = "sheet-headings"
    title_en = "The headings are not those of a confirmation"
    title_zh = "表头不符合要求"
    remedy_en = f"The first row has {'、'.join(REQUIRED)}, and may have {'、'.join(OPTIONAL)}."
    remedy_zh = f"首行须有{'、'.join(REQUIRED)}，可有{'、'.join(OPTIONAL)}。"


def _read(named: Mapping[str, str], *, row: int) -> Read:
    """ValueError names the heading and what is wrong, in English and in Chinese."""
    if not 1 <= len(named[REFERENCE]) <= 60:
        raise ValueError(REFERENCE, "1 to 60 characters.", "应为1至60个字符。")
    outcome = _STATUSES.get(named[STATUS].lower())
    if outcome is None:
        raise ValueError(STATUS, "已支付 (paid) or 已退回 (returned).", "只能填写已支付或已退回。")
    reason = named.get(REASON) or None
    if (outcome is BankOutcome.RETURNED) != (reason is not None):
        raise ValueError(REASON, "a return has a reason, a payment has none.", "退回须填写原因，已支付不填。")
    return Read(
        row=row,
        bank_reference=named[REFERENCE],
        outcome=outcome,
        settled_on=_day(named[PAID_ON]),
        reason=reason,
        amount_fen=_fen(named.get(AMOUNT, "")),
        payee=named.get(PAYEE) or None,
    )


def _day(written: str) -> date:
    try:
        return date.fromisoformat(written.replace("/", "-").replace(".", "-"))
    except ValueError as error:
        raise ValueError(PAID_ON, "a day as YYYY-MM-DD.", "日期格式应为YYYY-MM-DD。") from error


def _fen(written: str) -> int | None:
    if not written:
        return None
    digits = written.removeprefix("¥").replace(",", "")
    if not _AMOUNT.fullmatch(digits) or not 0 < (fen := int(Decimal(digits) * FEN_PER_YUAN)) <= FEN_MAX:
        raise ValueError(AMOUNT, "yuan with at most two decimals, above 0.", "金额以元为单位，最多两位小数，须大于0。")
    return fen
