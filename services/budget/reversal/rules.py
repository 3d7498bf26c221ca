"""Decisions about corrections: which row of the journal may be taken back, how much of it, and onto which accounts."""

from dataclasses import dataclass

from services.budget.ledger.rules import Account, AccountName, Kind
from services.budget.policy.catalogue import Fund
from shared.errors import Conflict, NotFound, Refusal
from shared.money import yuan_text


class NoSuchEntry(NotFound):
    code = "entry-not-found"
    title_en = "There is no such entry"
    title_zh = "未找到该分录"


class NoSuchReversal(NotFound):
    code = "reversal-not-found"
    title_en = "There is no such reversal"
    title_zh = "未找到该冲正事项"


class NotReversible(Refusal):
    code = "not-reversible"
    title_en = "An entry of this kind is not taken back by a reversal"
    title_zh = "此类分录不能冲正"
    remedy_en = "Money of a case goes back by release, rejection, bank return or recovery."
    remedy_zh = "案件资金通过释放、退回、银行退票或追回处理。"


class AboveOriginal(Conflict):
    code = "above-original"
    title_en = "More than is left of the original"
    title_zh = "超过原分录剩余金额"


@dataclass(frozen=True, kw_only=True)
class Original:
    """A row that is to be taken back. `reversed_fen` was taken back of it before."""

    seq: int
    outcome: str
    kind: Kind
    voucher: str | None
    dr: str | None
    cr: str | None
    amount_fen: int
    reversed_fen: int


def check_reversal(original: Original, *, amount_fen: int, fund: Fund) -> None:
    """All that is left of the original may be taken back, in one part or several; nothing is taken back twice."""
    if original.outcome != "posted" or original.kind not in fund.reversal.kinds:
        kinds = "、".join(fund.reversal.kinds)
        raise NotReversible(
            f"Entry {original.seq} is {original.kind}, {original.outcome}; reversals are for posted {', '.join(fund.reversal.kinds)}.",
            detail_zh=f"第{original.seq}号分录类型为{original.kind}（{original.outcome}），可冲正的类型为{kinds}。",
            pointer="/reverses_seq",
            facts={"kind": original.kind, "reversible": list(fund.reversal.kinds)},
        )
    left_fen = original.amount_fen - original.reversed_fen
    if amount_fen > left_fen:
        raise AboveOriginal(
            f"Entry {original.seq} ({original.voucher}) moved {yuan_text(original.amount_fen)} yuan, {yuan_text(original.reversed_fen)} "
            f"were taken back; {yuan_text(left_fen)} are left, {yuan_text(amount_fen)} are asked.",
            detail_zh=f"第{original.seq}号分录（{original.voucher}）金额{yuan_text(original.amount_fen)}元，已冲正{yuan_text(original.reversed_fen)}元，"
            f"剩余{yuan_text(left_fen)}元，本次{yuan_text(amount_fen)}元。",
            pointer="/amount_fen",
            facts={"amount_fen": original.amount_fen, "reversed_fen": original.reversed_fen, "asked_fen": amount_fen},
        )


def account_of(*, name: str, fiscal_year: int, origin_year: int, line_id: str | None, jurisdiction_id: str | None) -> Account:
    """An account as its balance row has it."""
    return Account(name=AccountName(name), fiscal_year=fiscal_year, origin_year=origin_year, line_id=line_id, jurisdiction_id=jurisdiction_id)
