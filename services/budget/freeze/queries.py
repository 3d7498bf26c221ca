"""Reads of orders to stop."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from services.budget.freeze.rules import Freeze, Scope, check_pool_free
from services.budget.freeze.tables import freeze_order
from services.budget.ledger.rules import Account
from shared.db import AnyRow, Tx

_IN_FORCE = text("""
SELECT scope, application_id, line_id, uscc, jurisdiction_id, document, authority, ordered_on
FROM freeze_order WHERE lifted_at IS NULL ORDER BY ordered_at
""")


async def in_force(tx: Tx) -> list[Freeze]:
    """All of them: there are never many. Who decides by them holds the books."""
    return [freeze_of({**row._mapping}) for row in await tx.execute(_IN_FORCE)]


def freeze_of(columns: Mapping[str, Any]) -> Freeze:
    """Of the columns that an order to stop is decided by."""
    return Freeze(**{**columns, "scope": Scope(columns["scope"])})


async def require_free(tx: Tx, *, pools: Iterable[Account]) -> None:
    """Raises Frozen: an order to stop is about one of them."""
    freezes = await in_force(tx)
    for pool in pools:
        check_pool_free(line_id=pool.line_id, jurisdiction_id=pool.jurisdiction_id, freezes=freezes)


async def freezes(tx: Tx, *, after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """Oldest first, lifted ones too."""
    wanted = select(freeze_order).order_by(freeze_order.c.id).limit(rows_max)
    if after_id is not None:
        wanted = wanted.where(freeze_order.c.id > after_id)
    return (await tx.execute(wanted)).all()
