"""Decisions about the end of a fiscal year: what stands in its way, what is carried, what lapses, and what a closed year refuses."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Literal

from services.budget.ledger.rules import Account, AccountName, CaseMoney, Kind, Part, Posting, Signers, case_account, case_posting, move_in_fund
from services.budget.policy.catalogue import Fund
from shared.errors import Conflict
from shared.money import yuan_text

ERRORS_SHOWN_MAX = 100


class YearClosed(Conflict):
    code = "year-closed"
    title_en = "The fiscal year is closed"
    title_zh = "该预算年度已结账"
    remedy_en = "Book it in the open year, under a document of that year."
    remedy_zh = "请依据新年度文件在未结账年度办理。"


class YearNotOver(Conflict):
    code = "year-not-over"
    title_en = "The fiscal year is not over"
    title_zh = "预算年度尚未结束"


class CloseRefused(Conflict):
    code = "close-refused"
    title_en = "The year cannot be closed yet"
    title_zh = "暂不能办理年终结账"
    remedy_en = "Settle what is listed; dry_run shows the list again."
    remedy_zh = "请逐项处理所列事项；可用 dry_run 再次查看。"


class BooksInDoubt(Conflict):
    code = "books-contradicted"
    title_en = "The journal is not the one that was signed before"
    title_zh = "账簿与此前签名的检查点不一致"
    remedy_en = "Close nothing: have the journal compared with the checkpoints that are kept outside, and find out who changed it."
    remedy_zh = "请勿结账：请将账簿与外部留存的检查点核对，查明改动原因。"


class Obstacle(StrEnum):
    """Why a year cannot be closed."""

    IN_TRANSIT = "in-transit"
    ORDER_OPEN = "payment-order-open"
    TO_REMIT = "to-remit"
    UNRECONCILED = "unreconciled"
    DRAFT_OPEN = "draft-open"
    CARRIED_UNSPENT = "carried-unspent"
    EARLIER_YEAR_OPEN = "earlier-year-open"
    UNSIGNED = "unsigned"
    CONTRADICTED = "books-contradicted"


# What to do about each, in English and Chinese.
_TO_DO = {
    Obstacle.IN_TRANSIT: ("Post the bank's answer: paid or returned.", "登记银行回执（到账或退回）。"),
    Obstacle.ORDER_OPEN: ("Approve the payment order or reject it.", "审批或退回该支付申请。"),
    Obstacle.TO_REMIT: ("Remit what was recovered.", "将追回资金上缴财政。"),
    Obstacle.UNRECONCILED: ("Settle the bank's row.", "处理该条待对账回执。"),
    Obstacle.DRAFT_OPEN: ("Approve it or reject it.", "审批或退回该事项。"),
    Obstacle.CARRIED_UNSPENT: (
        "Pay the award or release it: money carried once is not carried again (预算法 42, 实施条例 50).",
        "支付或释放该笔资金：结转资金次年末未使用的不得再结转（预算法第四十二条、实施条例第五十条）。",
    ),
    Obstacle.EARLIER_YEAR_OPEN: ("Close the earlier year first.", "请先办理上一年度结账。"),
    Obstacle.UNSIGNED: (
        "Have CHECKPOINT_KEY set for the budget's HTTP process: a year is closed only under a signed checkpoint.",
        "请运维为预算服务HTTP进程配置签名密钥CHECKPOINT_KEY：年终结账须同时生成签名检查点。",
    ),
    Obstacle.CONTRADICTED: (BooksInDoubt.remedy_en, BooksInDoubt.remedy_zh),
}


@dataclass(frozen=True, kw_only=True)
class CloseError:
    """One thing that stands in the way; `subject` is the case, order, row or year that it is about."""

    obstacle: Obstacle
    subject: str
    amount_fen: int

    @property
    def to_do_en(self) -> str:
        return _TO_DO[self.obstacle][0]

    @property
    def to_do_zh(self) -> str:
        return _TO_DO[self.obstacle][1]


@dataclass(frozen=True, kw_only=True)
class Held:
    """A reservation at the end of the year, with the pools that its money is from (none: the whole fund's own)."""

    money: CaseMoney
    parts: tuple[Part, ...] = ()

    def origins(self) -> tuple[tuple[int, int], ...]:
        """Year of origin and sum."""
        by_year: dict[int, int] = {}
        for part in self.parts:
            by_year[part.pool.origin_year] = by_year.get(part.pool.origin_year, 0) + part.amount_fen
        return tuple(by_year.items()) or ((self.money.fiscal_year, self.money.amount_fen),)


@dataclass(frozen=True, kw_only=True)
class Legs:
    """What the close writes: each inner tuple is one voucher."""

    carried_cases: tuple[tuple[Posting, ...], ...]
    carried_free: tuple[tuple[Posting, ...], ...]
    lapsed: tuple[tuple[Posting, ...], ...]

    @property
    def carried_fen(self) -> int:
        return sum(voucher[0].amount_fen for voucher in (*self.carried_cases, *self.carried_free))

    @property
    def lapsed_fen(self) -> int:
        return sum(voucher[0].amount_fen for voucher in self.lapsed)


def check_open(fiscal_year: int, *, effective_on: date, closed: Collection[int]) -> None:
    """Neither a closed year's money nor a day of a closed year (预算法 18: the fiscal year is the calendar year)."""
    for year in (fiscal_year, effective_on.year):
        if year in closed:
            raise year_closed(year, on=effective_on)


def year_closed(fiscal_year: int, *, on: date) -> YearClosed:
    return YearClosed(
        f"{fiscal_year} is closed and takes no entry, also none effective on {on}.",
        detail_zh=f"{fiscal_year}年度已结账，不再记账（生效日{on}）。",
        facts={"fiscal_year": fiscal_year, "effective_on": on.isoformat()},
    )


def year_for_proposal(fiscal_year: int, *, closed: Collection[int], late_proposal: Literal["refuse", "open_year"]) -> int:
    """A proposal of December that is heard in January, once December's year is closed: refused, or taken by the year after where data says so."""
    if fiscal_year not in closed:
        return fiscal_year
    if late_proposal == "refuse" or fiscal_year + 1 in closed:
        check_open(fiscal_year, effective_on=date(fiscal_year, 12, 31), closed=closed)
    return fiscal_year + 1


def entry_day(day: date, *, fiscal_year: int, closed: Collection[int]) -> date:
    """What happened on a day of a year that was closed before it was heard of is booked on the first day of the year that holds its money."""
    return date(fiscal_year, 1, 1) if day.year in closed and fiscal_year not in closed else day


def check_over(fiscal_year: int, *, on: date) -> None:
    if on.year <= fiscal_year:
        raise YearNotOver(
            f"{fiscal_year} ends on {fiscal_year}-12-31; today is {on}.",
            detail_zh=f"{fiscal_year}年度至12月31日止，今日为{on}。",
            pointer="/fiscal_year",
        )


def check_errors(fiscal_year: int, *, errors: Sequence[CloseError]) -> None:
    if not errors:
        return
    total_fen = sum(error.amount_fen for error in errors)
    raise CloseRefused(
        f"{len(errors)} matters of {fiscal_year} with {yuan_text(total_fen)} yuan are open.",
        detail_zh=f"{fiscal_year}年度尚有{len(errors)}项、{yuan_text(total_fen)}元未处理。",
        facts={"errors": shown_errors(errors), "error_count": len(errors)},
    )


def unsigned(fiscal_year: int) -> CloseError:
    """Nobody here can sign: a year that is shut without a signature could be shut otherwise later, and nobody would see it."""
    return CloseError(obstacle=Obstacle.UNSIGNED, subject=str(fiscal_year), amount_fen=0)


def contradicted(what: str) -> CloseError:
    """The books are not those that were signed last; `what` says where they part."""
    return CloseError(obstacle=Obstacle.CONTRADICTED, subject=what, amount_fen=0)


def list_goes_on(fund: Fund, *, next_fund: Fund | None) -> bool:
    """Who waits may go on waiting only for money of the same fund: where the next year has none of it, the list ends with this one."""
    return fund.waiting.waiting_at_year_end == "carry" and next_fund is not None and next_fund.id == fund.id


def carried_unspent(held: Iterable[Held]) -> list[CloseError]:
    """Cases whose money was carried into this year already."""
    found = []
    for each in held:
        old_fen = sum(fen for origin_year, fen in each.origins() if origin_year < each.money.fiscal_year)
        if old_fen:
            found.append(CloseError(obstacle=Obstacle.CARRIED_UNSPENT, subject=each.money.case_number, amount_fen=old_fen))
    return found


def close_legs(fiscal_year: int, *, held: Iterable[Held], free: Iterable[Part], fund: Fund, document: str, maker: str) -> Legs:
    """What every fen of the year becomes that is neither paid nor on its way. `free` are pools, also what was never allotted.

    The last entries of the year are effective on its last day.
    """
    last_day = date(fiscal_year, 12, 31)
    signers = Signers(maker=maker)

    def moved(kind: Kind, *accounts: Account, amount_fen: int) -> tuple[Posting, ...]:
        return tuple(
            move_in_fund(fund, kind=kind, dr=dr, cr=cr, amount_fen=amount_fen, document=document, effective_on=last_day, signers=signers)
            for dr, cr in pairwise(accounts)
        )

    kept: list[tuple[Posting, ...]] = []
    lapsed: list[tuple[Posting, ...]] = []
    for each in free:
        if each.pool.origin_year == fiscal_year and fund.year_end.free_money == "carry":
            target = replace(each.pool, fiscal_year=fiscal_year + 1)
            kept.append(moved(Kind.CARRY, each.pool, _aside(each.pool), target, amount_fen=each.amount_fen))
        else:
            lapsed.append(moved(Kind.LAPSE, each.pool, replace(each.pool, name=AccountName.LAPSED), amount_fen=each.amount_fen))
    cases = tuple(_carry_case(each, document=document, on=last_day, signers=signers) for each in held)
    return Legs(carried_cases=cases, carried_free=tuple(kept), lapsed=tuple(lapsed))


def _carry_case(held: Held, *, document: str, on: date, signers: Signers) -> tuple[Posting, ...]:
    """One voucher: 已预留(y)→结转, 结转→已预留(y+1, origin y). The purpose is kept: the same case, line and jurisdiction (预算法 42)."""
    money, year = held.money, held.money.fiscal_year
    ((origin_year, amount_fen),) = held.origins()
    reserved = case_account(money, name=AccountName.RESERVED, fiscal_year=year, origin_year=origin_year)
    carried = _aside(reserved)
    return tuple(
        case_posting(money, kind=Kind.CARRY, dr=dr, cr=cr, amount_fen=amount_fen, document=document, effective_on=on, signers=signers)
        for dr, cr in ((reserved, carried), (carried, replace(reserved, fiscal_year=year + 1)))
    )


def _aside(account: Account) -> Account:
    return replace(account, name=AccountName.CARRIED)


def shown_errors(errors: Sequence[CloseError]) -> list[dict[str, int | str]]:
    """As people read them, the first of them where there are very many."""
    return [
        {
            "obstacle": error.obstacle,
            "subject": error.subject,
            "amount_fen": error.amount_fen,
            "to_do": error.to_do_en,
            "to_do_zh": error.to_do_zh,
        }
        for error in errors[:ERRORS_SHOWN_MAX]
    ]
