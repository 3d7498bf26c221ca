"""Reads of the answers that proposals had."""

from collections.abc import Sequence

from sqlalchemy import select

from services.budget.ledger.tables import journal
from shared.db import AnyRow, Tx


async def answered(tx: Tx, *, caller: str, key: str) -> Sequence[AnyRow]:
    """The rows that the journal keeps of a caller's key, in their order; none when the key is new."""
    return (await tx.execute(select(journal).where(journal.c.caller == caller, journal.c.key == key).order_by(journal.c.item))).all()
