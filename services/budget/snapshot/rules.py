"""The books as of one row: which row that is, what had moved until then, and what each account held."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from services.budget.ledger.rules import Account, AccountName, Kind
from shared.errors import NotFound

# Where money comes from: these two grow by debits, all others by credits, as the table account_name has it.
DEBIT_SIDE = frozenset({AccountName.APPROVED, AccountName.RECOVERED_LATE})


class NotBooked(NotFound):
    code = "entry-not-booked"
    title_en = "The journal does not reach that far"
    title_zh = "账簿中尚无该分录"
    remedy_en = "If you hold this row from an earlier read, tell the auditors: rows are never taken back."
    remedy_zh = "如您此前曾读到该分录，请告知审计部门：账簿分录不得撤回。"


@dataclass(frozen=True, kw_only=True)
class AsOf:
    """What was asked for: a row, an instant, both (then the earlier), or neither (then the head)."""

    seq: int | None = None
    booked_at: datetime | None = None

    @property
    def is_head(self) -> bool:
        return self.seq is None and self.booked_at is None


@dataclass(frozen=True, kw_only=True)
class Days:
    """Effective days, both included; None is open at that end."""

    first: date | None = None
    last: date | None = None

    @property
    def is_open(self) -> bool:
        return self.first is None and self.last is None


ALL_DAYS = Days()


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The row that a read is of. Its chain seals all rows up to it, so that it names this state of the books and no other."""

    seq: int
    booked_at: datetime
    chain: bytes


@dataclass(frozen=True, kw_only=True)
class Movement:
    """All that moved between two accounts by vouchers of one kind; a reversal counts as the kind that it takes back."""

    kind: Kind
    dr: Account
    cr: Account
    amount_fen: int


def balances_of(movements: Iterable[Movement], *, fiscal_year: int) -> dict[Account, int]:
    """In fen, each on the side where it grows; of a window of days it may be below zero."""
    balances: dict[Account, int] = {}
    for each in movements:
        for account, grown_fen in ((each.dr, -each.amount_fen), (each.cr, each.amount_fen)):
            if account.fiscal_year == fiscal_year:
                balances[account] = balances.get(account, 0) + (-grown_fen if account.name in DEBIT_SIDE else grown_fen)
    return balances


def totals_by_name(balances: Mapping[Account, int]) -> dict[AccountName, int]:
    totals: dict[AccountName, int] = {}
    for account, balance_fen in balances.items():
        totals[account.name] = totals.get(account.name, 0) + balance_fen
    return totals
