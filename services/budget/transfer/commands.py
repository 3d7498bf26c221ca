"""Writes about transfers. The caller owns the transaction."""

from dataclasses import asdict
from uuid import UUID

from sqlalchemy import insert, text

from services.budget.allotment import commands as allotment
from services.budget.allotment.queries import terms
from services.budget.allotment.rules import check_line, fund_spending_in
from services.budget.approval.rules import Draft, DraftState, check_deciding
from services.budget.entry.commands import append_vouchers, lock_books
from services.budget.entry.rules import Books, Voucher
from services.budget.freeze.queries import require_free
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import Act, Kind, Signers, check_sufficient, move_in_fund
from services.budget.policy.catalogue import Catalogue, Fund
from services.budget.transfer import rules
from services.budget.transfer.rules import Transfer
from services.budget.transfer.tables import transfer as table
from shared.db import AnyRow, Tx
from shared.ids import new_id

_MAKE = insert(table).returning(table)
_LOCK = text("SELECT * FROM transfer WHERE id = :id FOR UPDATE")
_DECIDE = text("""
UPDATE transfer SET state = :state, decided_by = :decided_by, decided_at = :at, voucher = :voucher, version = version + 1
WHERE id = :id RETURNING *
""")


async def make_transfer(tx: Tx, transfer: Transfer, *, document: str, reason: str, act: Act, catalogue: Catalogue) -> AnyRow:
    """Write it down for a second person; refused at once where the money is not there now."""
    fund = fund_spending_in(transfer.fiscal_year, catalogue=catalogue)
    rules.check_transfer(transfer)
    check_line(transfer.from_line_id, fund=fund, pointer="/from_line_id")
    check_line(transfer.to_line_id, fund=fund, pointer="/to_line_id")
    await _require_movable(tx, transfer, fund=fund, act=act)
    row = {**asdict(transfer), "id": new_id(), "document": document, "reason": reason, "state": DraftState.MADE}
    made: AnyRow = (await tx.execute(_MAKE, {**row, "maker": act.caller, "made_at": act.at, "version": 1})).one()
    return made


async def approve_transfer(tx: Tx, transfer_id: UUID, *, version: int, act: Act, catalogue: Catalogue) -> AnyRow:
    """预算法 72: the second signature moves the money, and serves whoever waits for it where it went."""
    await lock_books(tx)
    row = await _lock(tx, transfer_id, version=version, act=act)
    transfer = _transfer(row)
    fund = fund_spending_in(transfer.fiscal_year, catalogue=catalogue)
    books = await _require_movable(tx, transfer, fund=fund, act=act)
    posting = move_in_fund(
        fund,
        kind=Kind.TRANSFER,
        dr=transfer.source,
        cr=transfer.target,
        amount_fen=transfer.amount_fen,
        document=row.document,
        effective_on=act.on,
        signers=Signers(maker=row.maker, approver=act.caller),
    )
    (written,) = await append_vouchers(tx, [Voucher(legs=(posting,), act=act)], books=books)
    approved = await _decide(tx, transfer_id, state=DraftState.APPROVED, voucher=written.entry.voucher, act=act)
    await allotment.serve(tx, fund=fund, fiscal_year=transfer.fiscal_year, act=act)
    return approved


async def reject_transfer(tx: Tx, transfer_id: UUID, *, version: int, act: Act) -> AnyRow:
    await lock_books(tx)
    await _lock(tx, transfer_id, version=version, act=act)
    return await _decide(tx, transfer_id, state=DraftState.REJECTED, voucher=None, act=act)


async def _require_movable(tx: Tx, transfer: Transfer, *, fund: Fund, act: Act) -> Books:
    books = await ledger.open_year(tx, fiscal_year=transfer.fiscal_year, policy_id=fund.id, effective_on=act.on)
    await require_free(tx, pools=[transfer.source, transfer.target])
    check_sufficient(await terms(tx, transfer.source, books=books), requested_fen=transfer.amount_fen)
    return books


async def _lock(tx: Tx, transfer_id: UUID, *, version: int, act: Act) -> AnyRow:
    row: AnyRow | None = (await tx.execute(_LOCK, {"id": transfer_id})).one_or_none()
    if row is None:
        raise rules.NoSuchTransfer("There is no transfer with this id.", detail_zh="没有该标识的调剂事项。")
    check_deciding(Draft(state=DraftState(row.state), version=row.version, maker=row.maker), version=version, decided_by=act.caller)
    return row


async def _decide(tx: Tx, transfer_id: UUID, *, state: DraftState, voucher: str | None, act: Act) -> AnyRow:
    decided: AnyRow = (
        await tx.execute(_DECIDE, {"id": transfer_id, "state": state, "decided_by": act.caller, "at": act.at, "voucher": voucher})
    ).one()
    return decided


def _transfer(row: AnyRow) -> Transfer:
    return Transfer(
        fiscal_year=row.fiscal_year,
        origin_year=row.origin_year,
        from_line_id=row.from_line_id,
        from_jurisdiction_id=row.from_jurisdiction_id,
        to_line_id=row.to_line_id,
        to_jurisdiction_id=row.to_jurisdiction_id,
        amount_fen=row.amount_fen,
    )
