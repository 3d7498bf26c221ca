"""The trial balance (试算平衡表) of a fiscal year: six columns an account, and each pair of them adds up to the same sum."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from services.budget.ledger.rules import Account
from services.budget.snapshot.rules import Movement

# What faces the money that came from the year before, and that went to the year after: the journal has the other half in that year's books.
FROM_YEAR_BEFORE = "上年结转"
TO_YEAR_AFTER = "结转下年"


@dataclass
class Sides:
    dr_fen: int = 0
    cr_fen: int = 0

    def add(self, other: "Sides") -> None:
        self.dr_fen += other.dr_fen
        self.cr_fen += other.cr_fen

    def net(self) -> "Sides":
        """The balance, on the side where there is more."""
        net_fen = self.dr_fen - self.cr_fen
        return Sides(max(net_fen, 0), max(-net_fen, 0))


@dataclass
class TrialRow:
    """`account` is None of the two that face other years."""

    code: str
    name: str
    account: Account | None
    opening: Sides = field(default_factory=Sides)
    turnover: Sides = field(default_factory=Sides)

    @property
    def closing(self) -> Sides:
        return Sides(self.opening.dr_fen + self.turnover.dr_fen, self.opening.cr_fen + self.turnover.cr_fen).net()


@dataclass(frozen=True, kw_only=True)
class TrialBalance:
    rows: tuple[TrialRow, ...]
    opening: Sides
    turnover: Sides
    closing: Sides

    @property
    def is_balanced(self) -> bool:
        return all(each.dr_fen == each.cr_fen for each in (self.opening, self.turnover, self.closing))


def trial_balance(*, before: Iterable[Movement], within: Iterable[Movement], fiscal_year: int) -> TrialBalance:
    """`before` moved before the first day that is asked for. What the year before carried over is there at the opening, whenever it was booked."""
    within = tuple(within)
    opening = [*before, *(each for each in within if each.dr.fiscal_year < fiscal_year)]
    turnover = [each for each in within if each.dr.fiscal_year >= fiscal_year]
    by_code: dict[str, TrialRow] = {}
    for each in opening:
        for row, sides in _halves(each, fiscal_year=fiscal_year, rows=by_code):
            row.opening.add(sides)
    for row in by_code.values():
        row.opening = row.opening.net()
    for each in turnover:
        for row, sides in _halves(each, fiscal_year=fiscal_year, rows=by_code):
            row.turnover.add(sides)
    rows = tuple(by_code[code] for code in sorted(by_code))
    return TrialBalance(
        rows=rows,
        opening=_total(row.opening for row in rows),
        turnover=_total(row.turnover for row in rows),
        closing=_total(row.closing for row in rows),
    )


def _halves(each: Movement, *, fiscal_year: int, rows: dict[str, TrialRow]) -> list[tuple[TrialRow, Sides]]:
    return [
        (_row(each.dr, facing=FROM_YEAR_BEFORE, fiscal_year=fiscal_year, rows=rows), Sides(dr_fen=each.amount_fen)),
        (_row(each.cr, facing=TO_YEAR_AFTER, fiscal_year=fiscal_year, rows=rows), Sides(cr_fen=each.amount_fen)),
    ]


def _row(account: Account, *, facing: str, fiscal_year: int, rows: dict[str, TrialRow]) -> TrialRow:
    if account.fiscal_year == fiscal_year:
        return rows.setdefault(account.code, TrialRow(account.code, account.name.value, account))
    code = f"{fiscal_year}/{facing}"
    return rows.setdefault(code, TrialRow(code, facing, None))


def _total(sides: Iterable[Sides]) -> Sides:
    total = Sides()
    for each in sides:
        total.add(each)
    return total
