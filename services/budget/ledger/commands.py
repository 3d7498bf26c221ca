"""The one place that writes postings, and the locks that every change of money takes: the books, then the year's fund, then cases."""

import json
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from services.budget.ledger import rules
from services.budget.ledger.rules import Account, Act, Posting
from services.budget.ledger.tables import fund
from shared.db import Tx

POSTINGS_PER_CALL_MAX = 1_000

_LOCK_BOOKS = text("SELECT lock_books()")
_MAKE_FUND = insert(fund).on_conflict_do_nothing()
_LOCK_FUND = text("SELECT 1 FROM fund WHERE fiscal_year = :fiscal_year FOR UPDATE")
_AVAILABLE = text("SELECT balance_fen FROM balance WHERE account = :account")
_POST = text("""
SELECT voucher FROM post_entries(CAST(:accounts AS jsonb), CAST(:entries AS jsonb), :at, :caller, :key, :fingerprint) ORDER BY seq
""")


async def lock_books(tx: Tx) -> None:
    """First of all locks. Every change of money is decided behind it, so that two years or two cases can never wait for each other."""
    await tx.execute(_LOCK_BOOKS)


async def lock_fund(tx: Tx, *, fiscal_year: int, policy_id: str) -> int:
    """Lock the books and the fund of a year; returns what is free in it, in fen. The first look at a year opens it."""
    await lock_books(tx)
    await tx.execute(_MAKE_FUND, {"fiscal_year": fiscal_year, "policy_id": policy_id})
    await tx.execute(_LOCK_FUND, {"fiscal_year": fiscal_year})
    available_fen: int | None = (await tx.execute(_AVAILABLE, {"account": rules.available_account(fiscal_year).code})).scalar_one_or_none()
    return available_fen or 0


async def post_entries(tx: Tx, postings: Sequence[Posting], *, act: Act) -> list[str]:
    """Write the postings in this order, all or none; returns the voucher of each. The caller holds the books."""
    assert len(postings) <= POSTINGS_PER_CALL_MAX, f"{len(postings)} postings in one call"
    if not postings:
        return []
    accounts = {account.code: account for posting in postings for account in (posting.dr, posting.cr)}
    posted = await tx.execute(
        _POST,
        {
            "accounts": json.dumps([_account(account) for account in accounts.values()]),
            "entries": json.dumps([_entry(posting) for posting in postings]),
            "at": act.at,
            "caller": act.caller,
            "key": act.key,
            "fingerprint": act.fingerprint,
        },
    )
    vouchers = list(posted.scalars())
    assert len(vouchers) == len(postings), "every posting has its voucher"
    return vouchers


def _account(account: Account) -> dict[str, object]:
    return {
        "account": account.code,
        "name": account.name,
        "fiscal_year": account.fiscal_year,
        "origin_year": account.origin_year,
        "line_id": account.line_id,
        "jurisdiction_id": account.jurisdiction_id,
        "application_id": None if account.application_id is None else str(account.application_id),
    }


def _entry(posting: Posting) -> dict[str, object]:
    return {
        "dr": posting.dr.code,
        "cr": posting.cr.code,
        "amount_fen": posting.amount_fen,
        "kind": posting.kind,
        "fiscal_year": posting.dr.fiscal_year,
        "origin_year": posting.dr.origin_year,
        "line_id": posting.line_id,
        "jurisdiction_id": posting.jurisdiction_id,
        "application_id": None if posting.application_id is None else str(posting.application_id),
        "proposal_id": None if posting.proposal_id is None else str(posting.proposal_id),
        "policy_version": posting.policy_version,
        "funding_source": posting.funding_source,
        "document": posting.document,
        "expenditure_category": posting.expenditure_category,
        "maker": posting.signers.maker,
        "checker": posting.signers.checker,
        "approver": posting.signers.approver,
        "effective_on": posting.effective_on.isoformat(),
    }
