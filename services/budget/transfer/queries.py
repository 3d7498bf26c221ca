"""Reads of transfers."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from services.budget.transfer.tables import transfer
from shared.db import AnyRow, Tx


async def transfers(tx: Tx, *, fiscal_year: int | None, after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """In the order in which they were made."""
    wanted = select(transfer).order_by(transfer.c.id).limit(rows_max)
    if fiscal_year is not None:
        wanted = wanted.where(transfer.c.fiscal_year == fiscal_year)
    if after_id is not None:
        wanted = wanted.where(transfer.c.id > after_id)
    return (await tx.execute(wanted)).all()
