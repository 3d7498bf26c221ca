"""Reads of misuse cases."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from services.budget.misuse.rules import NoSuchMisuseCase
from shared.db import AnyRow, Tx

_SHOWN = """
SELECT m.*, (SELECT coalesce(sum(ordered_fen), 0)::bigint FROM clawback c WHERE c.misuse_case_id = m.id AND state <> 'cancelled') AS ordered_fen,
    (SELECT coalesce(sum(received_fen), 0)::bigint FROM clawback c WHERE c.misuse_case_id = m.id AND state <> 'cancelled') AS received_fen
FROM misuse_case m
"""
_BY_ID = text(f"{_SHOWN} WHERE m.id = :id")
_LIST = text(f"{_SHOWN} WHERE CAST(:after_id AS uuid) IS NULL OR m.id > :after_id ORDER BY m.id LIMIT :rows_max")


async def misuse_case_of(tx: Tx, misuse_case_id: UUID) -> AnyRow:
    row: AnyRow | None = (await tx.execute(_BY_ID, {"id": misuse_case_id})).one_or_none()
    if row is None:
        raise NoSuchMisuseCase("There is no misuse case with this id.", detail_zh="没有该标识的违规案件。")
    return row


async def misuse_cases(tx: Tx, *, after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """In the order in which they were opened."""
    return (await tx.execute(_LIST, {"after_id": after_id, "rows_max": rows_max})).all()
