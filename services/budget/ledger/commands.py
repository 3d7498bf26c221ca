"""What every change of money takes: the locks (the books, then the year's fund, then cases) and postings under numbers of their own."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from services.budget.entry.commands import BOOKS, append_vouchers, lock_books
from services.budget.entry.rules import Voucher
from services.budget.ledger import rules
from services.budget.ledger.rules import Act, Posting
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
    available_fen: int | None = (await tx.execute(_AVAILABLE, {"account": rules.available_account(fiscal_year).code})).scalar_one_or_none()
    return available_fen or 0


async def post_entries(tx: Tx, postings: Sequence[Posting], *, act: Act) -> list[str]:
    """Write each posting under a number of its own, in this order, all or none; returns the numbers. The caller holds the books."""
    assert len(postings) <= POSTINGS_PER_CALL_MAX, f"{len(postings)} postings in one call"
    if not postings:
        return []
    written = await append_vouchers(tx, [Voucher(legs=(posting,), act=act) for posting in postings], books=tx.info[BOOKS])
    return [str(each.entry.voucher) for each in written]
