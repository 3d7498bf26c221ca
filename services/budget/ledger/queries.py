"""Reads of the books: what each account holds at some level of the budget, and the journal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select, text

from services.budget.entry.rules import Outcome
from services.budget.ledger.rules import Account, AccountName, Kind, account
from services.budget.ledger.tables import journal
from services.budget.snapshot.queries import last_seq_before, last_seq_booked, movements
from services.budget.snapshot.rules import ALL_DAYS, AsOf, Days, Snapshot, balances_of, totals_by_name
from shared.db import AnyRow, Tx

_BALANCES = text("""
SELECT name, fiscal_year, origin_year, line_id, jurisdiction_id, balance_fen FROM balance WHERE fiscal_year = :fiscal_year ORDER BY account
""")


class Level(StrEnum):
    """By what the money of a year is told apart."""

    FUND = "fund"
    LINE = "line"
    JURISDICTION = "jurisdiction"
    LINE_JURISDICTION = "line_jurisdiction"
    ORIGIN_YEAR = "origin_year"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One place of a level; what is None is not told apart there, or the money is not narrowed to it."""

    line_id: str | None = None
    jurisdiction_id: str | None = None
    origin_year: int | None = None


@dataclass(frozen=True, kw_only=True)
class EntryFilter:
    """What is None is not asked for."""

    fiscal_year: int | None = None
    application_id: UUID | None = None
    voucher: str | None = None
    kind: Kind | None = None
    line_id: str | None = None
    jurisdiction_id: str | None = None
    outcome: Outcome | None = None
    days: Days = ALL_DAYS
    booked_from: datetime | None = None
    booked_to: datetime | None = None


async def balances(tx: Tx, *, fiscal_year: int, as_of: AsOf, snapshot: Snapshot, days: Days) -> dict[Account, int]:
    """What each account of the year holds, in fen: at the head as it is kept, as of an earlier row or effective day added up from the journal."""
    if as_of.is_head and days.is_open:
        return {
            account(
                AccountName(row.name),
                fiscal_year=row.fiscal_year,
                origin_year=row.origin_year,
                line_id=row.line_id,
                jurisdiction_id=row.jurisdiction_id,
            ): row.balance_fen
            for row in await tx.execute(_BALANCES, {"fiscal_year": fiscal_year})
        }
    return balances_of(await movements(tx, fiscal_year=fiscal_year, until_seq=snapshot.seq, days=days), fiscal_year=fiscal_year)


def by_level(balances: Mapping[Account, int], *, level: Level, places: Iterable[Place] = ()) -> dict[Place, dict[AccountName, int]]:
    """Totals by account name for each place of the level that ever held something, after `places`, which are there in any case."""
    grouped: dict[Place, dict[Account, int]] = {place: {} for place in places}
    for each, balance_fen in balances.items():
        grouped.setdefault(_place(each, level=level), {})[each] = balance_fen
    return {place: totals_by_name(held) for place, held in grouped.items()}


async def entries(tx: Tx, wanted: EntryFilter, *, after_seq: int, rows_max: int) -> Sequence[AnyRow]:
    """In their order; the instants of booking narrow the rows by number, since both run the same way."""
    days = wanted.days
    found = select(journal).order_by(journal.c.seq).limit(rows_max)
    if wanted.booked_from is not None:
        after_seq = max(after_seq, await last_seq_before(tx, at=wanted.booked_from))
    if wanted.booked_to is not None:
        found = found.where(journal.c.seq <= await last_seq_booked(tx, by=wanted.booked_to))
    if days.first is not None:
        found = found.where(journal.c.effective_on >= days.first)
    if days.last is not None:
        found = found.where(journal.c.effective_on <= days.last)
    for name in ("fiscal_year", "application_id", "voucher", "kind", "line_id", "jurisdiction_id", "outcome"):
        if (value := getattr(wanted, name)) is not None:
            found = found.where(journal.c[name] == value)
    return (await tx.execute(found.where(journal.c.seq > after_seq))).all()


def _place(account: Account, *, level: Level) -> Place:
    return Place(
        line_id=account.line_id if level in (Level.LINE, Level.LINE_JURISDICTION) else None,
        jurisdiction_id=account.jurisdiction_id if level in (Level.JURISDICTION, Level.LINE_JURISDICTION) else None,
        origin_year=account.origin_year if level is Level.ORIGIN_YEAR else None,
    )
