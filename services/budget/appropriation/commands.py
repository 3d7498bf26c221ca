"""Writes about the year's money. The caller owns the transaction."""

from datetime import date

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from services.budget.appropriation import rules
from services.budget.appropriation.tables import appropriation
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import Act, appropriate
from services.budget.policy.catalogue import Catalogue
from services.budget.waiting import commands as waiting
from shared.db import AnyRow, Tx
from shared.events.budget import AppropriationRecorded
from shared.ids import new_id

_APPROPRIATED = select(func.coalesce(func.sum(appropriation.c.amount_fen), 0))


async def record_appropriation(
    tx: Tx, *, fiscal_year: int, amount_fen: int, document: str, approved_on: date, act: Act, catalogue: Catalogue
) -> AnyRow:
    """Record the money of a year under its document, make it available, and serve the waiting list with it."""
    fund = rules.fund_for_year(fiscal_year, catalogue=catalogue)
    rules.check_approval_day(approved_on, on=act.on)
    available_fen = await ledger.lock_fund(tx, fiscal_year=fiscal_year, policy_id=fund.id)
    appropriated = await tx.execute(_APPROPRIATED.where(appropriation.c.fiscal_year == fiscal_year))
    rules.check_ceiling(asked_fen=amount_fen, appropriated_fen=int(appropriated.scalar_one()), fiscal_year=fiscal_year, fund=fund)
    postings = appropriate(fund, fiscal_year=fiscal_year, amount_fen=amount_fen, document=document, effective_on=act.on, maker=act.caller)
    voucher, _ = await ledger.post_entries(tx, postings, act=act)
    row = {"id": new_id(), "fiscal_year": fiscal_year, "policy_id": fund.id, "amount_fen": amount_fen, "document": document}
    row |= {"approved_on": approved_on, "voucher": voucher, "recorded_by": act.caller, "recorded_at": act.at}
    recorded: AnyRow | None = (await tx.execute(insert(appropriation).on_conflict_do_nothing().returning(appropriation), row)).one_or_none()
    if recorded is None:
        raise rules.DocumentRecorded(
            f"{document} is already recorded for {fiscal_year}.", detail_zh=f"{fiscal_year}年已登记{document}。", pointer="/document"
        )
    served, _ = await waiting.serve_list(tx, fund=fund, fiscal_year=fiscal_year, available_fen=available_fen + amount_fen, act=act)
    told = AppropriationRecorded(fiscal_year=fiscal_year, amount_fen=amount_fen, document=document, happened_at=act.at, happened_on=act.on)
    await waiting.announce(tx, [told, *served])
    return recorded
