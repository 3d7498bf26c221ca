"""What every change of money takes: the locks (the books, then the year's fund, then cases) and postings under numbers of their own."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from services.budget.allotment.queries import held_parts
from services.budget.close.queries import closed_years
from services.budget.close.rules import check_open
from services.budget.entry.commands import BOOKS, append_vouchers, lock_books
from services.budget.entry.rules import Books, Voucher
from services.budget.ledger import rules
from services.budget.ledger.rules import AccountName, Act, Part, Posting
from services.budget.ledger.tables import fund
from shared.db import Tx

POSTINGS_PER_CALL_MAX = 1_000

_MAKE_FUND = insert(fund).on_conflict_do_nothing()
_LOCK_FUND = text("SELECT 1 FROM fund WHERE fiscal_year = :fiscal_year FOR UPDATE")
_AVAILABLE = text("SELECT balance_fen FROM balance WHERE account = :account")


async def lock_fund(tx: Tx, *, fiscal_year: int, policy_id: str) -> int:
    """Lock the books and the fund of a year; returns what is free in it, in fen. The first look at a year opens it."""
    await lock_books(tx)
    await tx.execute(_MAKE_FUND, {"fiscal_year": fiscal_year, "policy_id": policy_id})
    await tx.execute(_LOCK_FUND, {"fiscal_year": fiscal_year})
    return await available_fen(tx, fiscal_year=fiscal_year)


async def available_fen(tx: Tx, *, fiscal_year: int) -> int:
    """What is free for the whole fund; the caller holds the books."""
    found: int | None = (await tx.execute(_AVAILABLE, {"account": rules.available_account(fiscal_year).code})).scalar_one_or_none()
    return found or 0


async def open_year(tx: Tx, *, fiscal_year: int, policy_id: str, effective_on: date) -> Books:
    """Lock the books and the fund of a year that still takes entries of that day. Raises YearClosed."""
    await lock_fund(tx, fiscal_year=fiscal_year, policy_id=policy_id)
    check_open(fiscal_year, effective_on=effective_on, closed=await closed_years(tx))
    books: Books = tx.info[BOOKS]
    return books


async def post_entries(tx: Tx, postings: Sequence[Posting], *, act: Act) -> list[str]:
    """Write each posting under a number of its own, in this order, all or none; returns the numbers. The caller holds the books."""
    return await post_of_acts(tx, postings, acts=[act] * len(postings))


async def post_of_acts(tx: Tx, postings: Sequence[Posting], *, acts: Sequence[Act]) -> list[str]:
    """The same where each posting belongs to an act of its own."""
    assert len(postings) <= POSTINGS_PER_CALL_MAX, f"{len(postings)} postings in one call"
    if not postings:
        return []
    parts = await held_parts(tx, list({posting.application_id for posting in postings if posting.application_id is not None}))
    vouchers = [Voucher(legs=_legs(posting, parts=parts), act=act) for posting, act in zip(postings, acts, strict=True)]
    written = await append_vouchers(tx, vouchers, books=tx.info[BOOKS])
    return [str(each.entry.voucher) for each in written if each.entry.leg == 1]


def _legs(posting: Posting, *, parts: Mapping[tuple[UUID, UUID], Sequence[Part]]) -> tuple[Posting, ...]:
    """Of a case that has its money from several pools, or from another than the whole fund's of its year: a leg a pool."""
    if posting.application_id is None or posting.proposal_id is None or posting.dr.name is AccountName.RECOVERED_LATE:
        return (posting,)
    found = parts.get((posting.application_id, posting.proposal_id))
    return rules.spread(posting, parts=found) if found else (posting,)
