"""Reads of reversals, and of the rows that they take back."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select, text

from services.budget.ledger.rules import Account, Kind
from services.budget.reversal.rules import NoSuchEntry, Original, account_of
from services.budget.reversal.tables import reversal
from shared.db import AnyRow, Tx

_ORIGINAL = text("""
SELECT j.seq, j.outcome, j.kind, j.voucher, j.dr, j.cr, j.amount_fen, j.fiscal_year, j.policy_version,
    (SELECT coalesce(sum(r.amount_fen), 0)::bigint FROM journal r WHERE r.reverses_seq = j.seq AND r.outcome = 'posted') AS reversed_fen
FROM journal j WHERE j.seq = :seq
""")
_ACCOUNTS = text("SELECT * FROM balance WHERE account = ANY(CAST(:accounts AS text[]))")


async def original_row(tx: Tx, seq: int) -> AnyRow:
    row: AnyRow | None = (await tx.execute(_ORIGINAL, {"seq": seq})).one_or_none()
    if row is None:
        raise NoSuchEntry(f"There is no entry {seq}.", detail_zh=f"没有第{seq}号分录。", pointer="/reverses_seq")
    return row


def original(row: AnyRow) -> Original:
    return Original(
        seq=row.seq,
        outcome=row.outcome,
        kind=Kind(row.kind),
        voucher=row.voucher,
        dr=row.dr,
        cr=row.cr,
        amount_fen=row.amount_fen,
        reversed_fen=row.reversed_fen,
    )


async def accounts(tx: Tx, codes: Sequence[str]) -> Mapping[str, Account]:
    found = await tx.execute(_ACCOUNTS, {"accounts": list(codes)})
    return {
        row.account: account_of(
            name=row.name, fiscal_year=row.fiscal_year, origin_year=row.origin_year, line_id=row.line_id, jurisdiction_id=row.jurisdiction_id
        )
        for row in found
    }


async def reversals(tx: Tx, *, reverses_seq: int | None, after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """In the order in which they were made."""
    wanted = select(reversal).order_by(reversal.c.id).limit(rows_max)
    if reverses_seq is not None:
        wanted = wanted.where(reversal.c.reverses_seq == reverses_seq)
    if after_id is not None:
        wanted = wanted.where(reversal.c.id > after_id)
    return (await tx.execute(wanted)).all()
