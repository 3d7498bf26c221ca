"""Reads of allotments and of the pools of free money."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, text

from services.budget.allotment.rules import pool_account
from services.budget.allotment.tables import allotment
from services.budget.entry.rules import Books
from services.budget.ledger.rules import Account, AccountName, Part, Terms
from shared.db import AnyRow, Tx

_POOLS = text("""
SELECT fiscal_year, origin_year, line_id, jurisdiction_id, balance_fen FROM balance
WHERE fiscal_year = :fiscal_year AND name = :name AND balance_fen > 0 ORDER BY account
""")
_PARTS = text("""
SELECT application_id, proposal_id, fiscal_year, origin_year, line_id, jurisdiction_id, amount_fen FROM held_part
WHERE application_id = ANY(CAST(:application_ids AS uuid[])) ORDER BY application_id, proposal_id, place
""")
# What cases hold of a line and jurisdiction, whatever pool they drew it from; `allotted` is what is free in narrower pools.
_TERMS = text("""
SELECT coalesce(sum(balance_fen) FILTER (WHERE account = :account), 0)::bigint AS available_fen,
    coalesce(sum(balance_fen) FILTER (WHERE name = :reserved), 0)::bigint AS reserved_fen,
    coalesce(sum(balance_fen) FILTER (WHERE name = :in_transit), 0)::bigint AS in_transit_fen,
    coalesce(sum(balance_fen) FILTER (WHERE name = :paid), 0)::bigint AS paid_fen,
    coalesce(sum(balance_fen) FILTER (WHERE name = :allotted AND account <> :account), 0)::bigint AS allotted_fen
FROM balance WHERE fiscal_year = :fiscal_year AND (account = :account OR (
    origin_year = :origin_year AND name IN (:reserved, :in_transit, :paid, :allotted)
    AND (CAST(:line_id AS text) IS NULL OR line_id = :line_id) AND (CAST(:jurisdiction_id AS text) IS NULL OR jurisdiction_id = :jurisdiction_id)))
""")


async def pools(tx: Tx, *, fiscal_year: int) -> list[Part]:
    """What is free in a year, pool by pool. Who draws from them holds the books."""
    found = await tx.execute(_POOLS, {"fiscal_year": fiscal_year, "name": AccountName.AVAILABLE})
    return [Part(pool=_pool(row), amount_fen=row.balance_fen) for row in found]


async def held_parts(tx: Tx, application_ids: Sequence[UUID]) -> dict[tuple[UUID, UUID], tuple[Part, ...]]:
    """By case and proposal; who is not in it has all from the whole fund's money of its own year."""
    parts: dict[tuple[UUID, UUID], tuple[Part, ...]] = {}
    for row in await tx.execute(_PARTS, {"application_ids": list(application_ids)}):
        case = (row.application_id, row.proposal_id)
        parts[case] = (*parts.get(case, ()), Part(pool=_pool(row), amount_fen=row.amount_fen))
    return parts


async def terms(tx: Tx, level: Account, *, books: Books) -> Terms:
    """One level as it stands behind the lock of the books."""
    row = (
        await tx.execute(
            _TERMS,
            {
                "account": level.code,
                "fiscal_year": level.fiscal_year,
                "origin_year": level.origin_year,
                "line_id": level.line_id,
                "jurisdiction_id": level.jurisdiction_id,
                "reserved": AccountName.RESERVED,
                "in_transit": AccountName.IN_TRANSIT,
                "paid": AccountName.PAID,
                "allotted": AccountName.AVAILABLE,
            },
        )
    ).one()
    return Terms(
        level=level,
        available_fen=row.available_fen,
        reserved_fen=row.reserved_fen,
        in_transit_fen=row.in_transit_fen,
        paid_fen=row.paid_fen,
        as_of_seq=books.seq,
        allotted_fen=row.allotted_fen,
    )


async def allotments(tx: Tx, *, fiscal_year: int | None, after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """In the order in which they were recorded."""
    wanted = select(allotment).order_by(allotment.c.id).limit(rows_max)
    if fiscal_year is not None:
        wanted = wanted.where(allotment.c.fiscal_year == fiscal_year)
    if after_id is not None:
        wanted = wanted.where(allotment.c.id > after_id)
    return (await tx.execute(wanted)).all()


def _pool(row: AnyRow) -> Account:
    return pool_account(row.fiscal_year, origin_year=row.origin_year, line_id=row.line_id, jurisdiction_id=row.jurisdiction_id)
