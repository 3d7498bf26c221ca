"""Writes about the year's money. The caller owns the transaction."""

from datetime import date

from sqlalchemy import insert, text

from services.budget.appropriation import rules
from services.budget.appropriation.tables import appropriation
from services.budget.close.queries import closed_years
from services.budget.close.rules import check_open
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import Act, appropriate, approved_account
from services.budget.policy.catalogue import Catalogue
from services.budget.waiting import commands as waiting
from shared.db import AnyRow, Tx
from shared.events.budget import AppropriationRecorded
from shared.ids import new_id

# Read behind the fund's lock, so nobody can add to it before we write. What was taken back by a reversal is no longer appropriated.
_SO_FAR = text("""
SELECT coalesce((SELECT balance_fen FROM balance WHERE account = :account), 0) AS appropriated_fen,
    count(*) AS issues, coalesce(bool_or(a.amount_fen > (
        SELECT coalesce(sum(r.amount_fen), 0) FROM journal j JOIN journal r ON r.reverses_seq = j.seq AND r.outcome = 'posted'
        WHERE j.voucher = a.voucher
    )), false) AS is_recorded
FROM appropriation a WHERE a.fiscal_year = :fiscal_year AND a.document = :document
""")
_RECORD = insert(appropriation).returning(appropriation)


async def record_appropriation(
    tx: Tx, *, fiscal_year: int, amount_fen: int, document: str, approved_on: date, act: Act, catalogue: Catalogue
) -> AnyRow:
    """Record the money of a year under its document, make it available, and serve the waiting list with it."""
    fund = rules.fund_for_year(fiscal_year, catalogue=catalogue)
    rules.check_approval_day(approved_on, on=act.on)
    await ledger.lock_fund(tx, fiscal_year=fiscal_year, policy_id=fund.id)
    check_open(fiscal_year, effective_on=act.on, closed=await closed_years(tx))
    asked = {"account": approved_account(fiscal_year).code, "fiscal_year": fiscal_year, "document": document}
    so_far = (await tx.execute(_SO_FAR, asked)).one()
    rules.check_document(document, is_recorded=so_far.is_recorded, fiscal_year=fiscal_year)
    rules.check_ceiling(asked_fen=amount_fen, appropriated_fen=so_far.appropriated_fen, fiscal_year=fiscal_year, fund=fund)
    postings = appropriate(fund, fiscal_year=fiscal_year, amount_fen=amount_fen, document=document, effective_on=act.on, maker=act.caller)
    voucher, *_ = await ledger.post_entries(tx, postings, act=act)
    row = {"id": new_id(), "fiscal_year": fiscal_year, "policy_id": fund.id, "amount_fen": amount_fen, "document": document}
    row |= {"approved_on": approved_on, "voucher": voucher, "recorded_by": act.caller, "recorded_at": act.at, "issue": so_far.issues + 1}
    recorded: AnyRow = (await tx.execute(_RECORD, row)).one()
    served = await waiting.serve_list(tx, fund=fund, fiscal_year=fiscal_year, act=act)
    told = AppropriationRecorded(fiscal_year=fiscal_year, amount_fen=amount_fen, document=document, happened_at=act.at, happened_on=act.on)
    await waiting.announce(tx, [told, *served])
    return recorded
