"""Reads about the year's money."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from services.budget.appropriation.tables import appropriation
from shared.db import AnyRow, Tx


async def appropriations(tx: Tx, *, fiscal_year: int | None, after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """In the order in which they were recorded."""
    wanted = select(appropriation).order_by(appropriation.c.id).limit(rows_max)
    if fiscal_year is not None:
        wanted = wanted.where(appropriation.c.fiscal_year == fiscal_year)
    if after_id is not None:
        wanted = wanted.where(appropriation.c.id > after_id)
    return (await tx.execute(wanted)).all()
