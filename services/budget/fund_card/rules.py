"""The card of a year's fund: what came in, where each fen of it is now, and the equation of the two."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from services.budget.ledger.rules import Account, AccountName, Kind
from services.budget.snapshot.rules import Movement, balances_of

# Line and jurisdiction; None is money that is not narrowed.
Place: TypeAlias = "tuple[str | None, str | None]"


class Figure(StrEnum):
    """One column of the card, in fen."""

    APPROPRIATED = "appropriated"
    UNALLOTTED = "unallotted"
    ALLOTTED = "allotted"
    TRANSFERRED = "transferred"
    AVAILABLE = "available"
    RESERVED = "reserved"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    RETURNED = "returned"
    CARRIED_IN = "carried_in"
    CARRIED_OUT = "carried_out"
    CARRY_OPEN = "carry_open"
    LAPSED = "lapsed"
    CLAWBACK_ORDERED = "clawback_ordered"
    CLAWBACK_RECEIVED = "clawback_received"
    TO_REMIT = "to_remit"
    RECOVERED_LATE = "recovered_late"
    REMITTED = "remitted"
    WAITING = "waiting"


FIGURE_OF: Mapping[AccountName, Figure] = {
    AccountName.APPROVED: Figure.APPROPRIATED,
    AccountName.UNALLOTTED: Figure.UNALLOTTED,
    AccountName.AVAILABLE: Figure.AVAILABLE,
    AccountName.RESERVED: Figure.RESERVED,
    AccountName.IN_TRANSIT: Figure.IN_TRANSIT,
    AccountName.PAID: Figure.PAID,
    AccountName.TO_REMIT: Figure.TO_REMIT,
    AccountName.RECOVERED_LATE: Figure.RECOVERED_LATE,
    AccountName.REMITTED: Figure.REMITTED,
    AccountName.CARRIED: Figure.CARRY_OPEN,
    AccountName.LAPSED: Figure.LAPSED,
}

# The two sides of the equation; what is a mere flow (allotted, transferred, returned, ordered, received) or beside the books (waiting) is in neither.
SOURCES = (Figure.APPROPRIATED, Figure.CARRIED_IN, Figure.RECOVERED_LATE)
USES = (
    Figure.UNALLOTTED,
    Figure.AVAILABLE,
    Figure.RESERVED,
    Figure.IN_TRANSIT,
    Figure.PAID,
    Figure.TO_REMIT,
    Figure.REMITTED,
    Figure.CARRY_OPEN,
    Figure.CARRIED_OUT,
    Figure.LAPSED,
)

TITLE_ZH: Mapping[Figure, str] = {
    Figure.APPROPRIATED: "年度批复",
    Figure.UNALLOTTED: "待分配",
    Figure.ALLOTTED: "已分配",
    Figure.TRANSFERRED: "调剂净额",
    Figure.AVAILABLE: "可用",
    Figure.RESERVED: "已预留",
    Figure.IN_TRANSIT: "在途",
    Figure.PAID: "已支付",
    Figure.RETURNED: "退回累计",
    Figure.CARRIED_IN: "上年结转",
    Figure.CARRIED_OUT: "结转下年",
    Figure.CARRY_OPEN: "结转未了",
    Figure.LAPSED: "核销",
    Figure.CLAWBACK_ORDERED: "责令追回",
    Figure.CLAWBACK_RECEIVED: "追回已收",
    Figure.TO_REMIT: "上缴待缴",
    Figure.RECOVERED_LATE: "上年追回",
    Figure.REMITTED: "上缴财政",
    Figure.WAITING: "待安排",
}


@dataclass(frozen=True, kw_only=True)
class Equation:
    """Sources on the left, uses on the right, each term with its sum."""

    left: tuple[tuple[Figure, int], ...]
    right: tuple[tuple[Figure, int], ...]

    @property
    def left_fen(self) -> int:
        return sum(fen for _, fen in self.left)

    @property
    def right_fen(self) -> int:
        return sum(fen for _, fen in self.right)

    @property
    def is_balanced(self) -> bool:
        return self.left_fen == self.right_fen


def figures_of(movements: Iterable[Movement], *, fiscal_year: int) -> dict[Place, dict[Figure, int]]:
    """From the journal alone: what the accounts of the year hold, and what flowed, for each line and jurisdiction."""
    movements = tuple(movements)
    card: dict[Place, dict[Figure, int]] = {}
    for account, balance_fen in balances_of(movements, fiscal_year=fiscal_year).items():
        _add(card, FIGURE_OF[account.name], at=account, fen=balance_fen)
    for each in movements:
        for figure, account, fen in _flows(each, fiscal_year=fiscal_year):
            _add(card, figure, at=account, fen=fen)
    return card


def total_of(card: Mapping[Place, Mapping[Figure, int]]) -> dict[Figure, int]:
    total: dict[Figure, int] = {}
    for figures in card.values():
        for figure, fen in figures.items():
            total[figure] = total.get(figure, 0) + fen
    return total


def equation_of(figures: Mapping[Figure, int]) -> Equation:
    return Equation(
        left=tuple((figure, figures.get(figure, 0)) for figure in SOURCES), right=tuple((figure, figures.get(figure, 0)) for figure in USES)
    )


def _flows(each: Movement, *, fiscal_year: int) -> Iterable[tuple[Figure, Account, int]]:
    """A reversal has the accounts of its original the other way round, and so takes back what that counted."""
    dr, cr, fen = each.dr, each.cr, each.amount_fen
    if cr.fiscal_year != dr.fiscal_year:
        # 预算法 42: only the close carries money from one year to the next.
        yield (Figure.CARRIED_IN, cr, fen) if cr.fiscal_year == fiscal_year else (Figure.CARRIED_OUT, dr, fen)
        return
    if cr.fiscal_year != fiscal_year:
        return
    if each.kind in (Kind.ALLOT, Kind.TRANSFER):
        figure = Figure.ALLOTTED if each.kind is Kind.ALLOT else Figure.TRANSFERRED
        if cr.name is AccountName.AVAILABLE:
            yield figure, cr, fen
        if dr.name is AccountName.AVAILABLE:
            yield figure, dr, -fen
    if each.kind is Kind.RETURN:
        yield Figure.RETURNED, cr, fen


def _add(card: dict[Place, dict[Figure, int]], figure: Figure, *, at: Account, fen: int) -> None:
    figures = card.setdefault((at.line_id, at.jurisdiction_id), {})
    figures[figure] = figures.get(figure, 0) + fen
