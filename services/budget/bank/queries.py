"""Reads of what the bank said."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from services.budget.bank.tables import bank_confirmation
from shared.db import AnyRow, Tx


async def confirmations_after(tx: Tx, *, status: str | None, bank_reference: str | None, after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """In the order in which they came; status `reconcile` is the reconciliation list."""
    wanted = select(bank_confirmation).order_by(bank_confirmation.c.id).limit(rows_max)
    if status is not None:
        wanted = wanted.where(bank_confirmation.c.status == status)
    if bank_reference is not None:
        wanted = wanted.where(bank_confirmation.c.bank_reference == bank_reference)
    if after_id is not None:
        wanted = wanted.where(bank_confirmation.c.id > after_id)
    return (await tx.execute(wanted)).all()
