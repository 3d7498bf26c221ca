"""Writes about reversals. The caller owns the transaction."""

from uuid import UUID

from sqlalchemy import insert, text

from services.budget.allotment import commands as allotment
from services.budget.allotment.queries import terms
from services.budget.allotment.rules import fund_spending_in
from services.budget.approval.rules import Draft, DraftState, check_deciding
from services.budget.entry.commands import append_vouchers, lock_books
from services.budget.entry.rules import Books, Voucher
from services.budget.freeze.queries import require_free
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import Account, Act, Kind, Signers, check_sufficient, move_in_fund
from services.budget.policy.catalogue import Catalogue, Fund
from services.budget.reversal import queries, rules
from services.budget.reversal.tables import reversal
from shared.db import AnyRow, Tx
from shared.ids import new_id

_MAKE = insert(reversal).returning(reversal)
_LOCK = text("SELECT * FROM reversal WHERE id = :id FOR UPDATE")
_DECIDE = text("""
UPDATE reversal SET state = :state, decided_by = :decided_by, decided_at = :at, voucher = :voucher, version = version + 1
WHERE id = :id RETURNING *
""")


async def make_reversal(tx: Tx, *, reverses_seq: int, amount_fen: int, document: str, reason: str, act: Act, catalogue: Catalogue) -> AnyRow:
    """Write it down for a second person; refused at once where it could not be approved now."""
    await lock_books(tx)
    original = await queries.original_row(tx, reverses_seq)
    await _require_reversible(tx, original, amount_fen=amount_fen, act=act, catalogue=catalogue)
    row = {"id": new_id(), "reverses_seq": reverses_seq, "amount_fen": amount_fen, "document": document, "reason": reason}
    made: AnyRow = (await tx.execute(_MAKE, {**row, "state": DraftState.MADE, "maker": act.caller, "made_at": act.at, "version": 1})).one()
    return made


async def approve_reversal(tx: Tx, reversal_id: UUID, *, version: int, act: Act, catalogue: Catalogue) -> AnyRow:
    """The journal is never altered: a row of its own moves the money back and names the original."""
    await lock_books(tx)
    row = await _lock(tx, reversal_id, version=version, act=act)
    original = await queries.original_row(tx, row.reverses_seq)
    books, fund, source, target = await _require_reversible(tx, original, amount_fen=row.amount_fen, act=act, catalogue=catalogue)
    posting = move_in_fund(
        fund,
        kind=Kind.REVERSE,
        dr=source,
        cr=target,
        amount_fen=row.amount_fen,
        document=row.document,
        effective_on=act.on,
        signers=Signers(maker=row.maker, checker=act.caller),
    )
    voucher = Voucher(legs=(posting,), act=act, reverses_seq=original.seq, reason=row.reason)
    (written,) = await append_vouchers(tx, [voucher], books=books)
    approved = await _decide(tx, reversal_id, state=DraftState.APPROVED, voucher=written.entry.voucher, act=act)
    await allotment.serve(tx, fund=fund, fiscal_year=original.fiscal_year, act=act)
    return approved


async def reject_reversal(tx: Tx, reversal_id: UUID, *, version: int, act: Act) -> AnyRow:
    await lock_books(tx)
    await _lock(tx, reversal_id, version=version, act=act)
    return await _decide(tx, reversal_id, state=DraftState.REJECTED, voucher=None, act=act)


async def _require_reversible(tx: Tx, row: AnyRow, *, amount_fen: int, act: Act, catalogue: Catalogue) -> tuple[Books, Fund, Account, Account]:
    """The accounts the other way round, once all that forbids it was looked at."""
    fund = fund_spending_in(row.fiscal_year, catalogue=catalogue)
    books = await ledger.open_year(tx, fiscal_year=row.fiscal_year, policy_id=fund.id, effective_on=act.on)
    rules.check_reversal(queries.original(row), amount_fen=amount_fen, fund=fund)
    accounts = await queries.accounts(tx, [row.dr, row.cr])
    source, target = accounts[row.cr], accounts[row.dr]
    await require_free(tx, pools=[source, target])
    check_sufficient(await terms(tx, source, books=books), requested_fen=amount_fen)
    return books, fund, source, target


async def _lock(tx: Tx, reversal_id: UUID, *, version: int, act: Act) -> AnyRow:
    row: AnyRow | None = (await tx.execute(_LOCK, {"id": reversal_id})).one_or_none()
    if row is None:
        raise rules.NoSuchReversal("There is no reversal with this id.", detail_zh="没有该标识的冲正事项。")
    check_deciding(Draft(state=DraftState(row.state), version=row.version, maker=row.maker), version=version, decided_by=act.caller)
    return row


async def _decide(tx: Tx, reversal_id: UUID, *, state: DraftState, voucher: str | None, act: Act) -> AnyRow:
    decided: AnyRow = (
        await tx.execute(_DECIDE, {"id": reversal_id, "state": state, "decided_by": act.caller, "at": act.at, "voucher": voucher})
    ).one()
    return decided
