"""Writes about allotments, and about the pools that a case draws from. The caller owns the transaction."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from services.budget.allotment import queries, rules
from services.budget.allotment.tables import allotment, held_part
from services.budget.appropriation.rules import fund_for_year
from services.budget.entry.commands import append_vouchers
from services.budget.entry.rules import Voucher
from services.budget.freeze import queries as freeze
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import Account, Act, CaseMoney, Kind, Part, Signers, available_account, check_sufficient, move_in_fund
from services.budget.ledger.rules import unallotted_account as unallotted
from services.budget.policy.catalogue import Allotment, Catalogue, Fund
from services.budget.waiting import commands as waiting
from shared.db import AnyRow, Tx
from shared.ids import new_id

_RECORD = insert(allotment).on_conflict_do_nothing(constraint="allotment_once").returning(allotment)
_KEEP_PART = insert(held_part)
_DROP_PARTS = text("DELETE FROM held_part WHERE application_id = :application_id AND proposal_id = :proposal_id")


async def allot(
    tx: Tx,
    *,
    fiscal_year: int,
    line_id: str | None,
    jurisdiction_id: str | None,
    amount_fen: int,
    document: str,
    approved_on: date,
    act: Act,
    catalogue: Catalogue,
) -> AnyRow:
    """Narrow free money of the year to a line, a jurisdiction or both, by its document, and serve the list."""
    fund = fund_for_year(fiscal_year, catalogue=catalogue)
    rules.check_dated(approved_on, on=act.on, pointer="/approved_on")
    rules.check_line(line_id, fund=fund, pointer="/line_id")
    rules.check_allotment(line_id=line_id, jurisdiction_id=jurisdiction_id, fund=fund)
    books = await ledger.open_year(tx, fiscal_year=fiscal_year, policy_id=fund.id, effective_on=act.on)
    source = available_account(fiscal_year) if fund.allotment.allotment is Allotment.WHOLE_FUND else unallotted(fiscal_year)
    target = rules.pool_account(fiscal_year, origin_year=fiscal_year, line_id=line_id, jurisdiction_id=jurisdiction_id)
    await freeze.require_free(tx, pools=[source, target])
    check_sufficient(await queries.terms(tx, source, books=books), requested_fen=amount_fen)
    posting = move_in_fund(
        fund,
        kind=Kind.ALLOT,
        dr=source,
        cr=target,
        amount_fen=amount_fen,
        document=document,
        effective_on=act.on,
        signers=Signers(maker=act.caller),
    )
    (written,) = await append_vouchers(tx, [Voucher(legs=(posting,), act=act)], books=books)
    row = {"id": new_id(), "fiscal_year": fiscal_year, "line_id": line_id, "jurisdiction_id": jurisdiction_id, "amount_fen": amount_fen}
    row |= {"document": document, "approved_on": approved_on, "voucher": written.entry.voucher, "recorded_by": act.caller, "recorded_at": act.at}
    recorded: AnyRow | None = (await tx.execute(_RECORD, row)).one_or_none()
    if recorded is None:
        raise rules.AllotmentRecorded(
            f"{document} is recorded for {target.code}.", detail_zh=f"{document}已对{target.code}登记。", pointer="/document"
        )
    await serve(tx, fund=fund, fiscal_year=fiscal_year, act=act)
    return recorded


async def serve(tx: Tx, *, fund: Fund, fiscal_year: int, act: Act) -> None:
    """Whatever frees money serves the waiting list in the same transaction. The caller holds the books."""
    served = await waiting.serve_list(tx, fund=fund, fiscal_year=fiscal_year, act=act)
    await waiting.announce(tx, served)


async def keep_parts(tx: Tx, money: CaseMoney, *, parts: Sequence[Part]) -> None:
    """Remember from which pools a case has its money; of the plain case nothing is kept."""
    await tx.execute(_DROP_PARTS, {"application_id": money.application_id, "proposal_id": money.proposal_id})
    if rules.is_plain(parts, fiscal_year=money.fiscal_year):
        return
    await tx.execute(_KEEP_PART, [_part_row(money, part.pool, place=place, amount_fen=part.amount_fen) for place, part in enumerate(parts, start=1)])


def _part_row(money: CaseMoney, pool: Account, *, place: int, amount_fen: int) -> dict[str, object]:
    return {
        "application_id": money.application_id,
        "proposal_id": money.proposal_id,
        "place": place,
        "fiscal_year": pool.fiscal_year,
        "origin_year": pool.origin_year,
        "line_id": pool.line_id,
        "jurisdiction_id": pool.jurisdiction_id,
        "amount_fen": amount_fen,
    }
