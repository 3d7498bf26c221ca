"""Reads about the end of a year: what is open in it, what it still holds, and which years are closed."""

from collections.abc import Sequence

from sqlalchemy import select, text

from services.budget.close.rules import CloseError, Obstacle
from services.budget.close.tables import closed_year
from services.budget.ledger.rules import Account, AccountName, Part
from shared.db import AnyRow, Tx

_YEARS = text("SELECT fiscal_year FROM closed_year")
_OBSTACLES = text("""
SELECT 'in-transit' AS obstacle, case_number AS subject, amount_fen FROM reservation WHERE state = 'in_transit' AND fiscal_year = :fiscal_year
UNION ALL
SELECT 'payment-order-open', r.case_number, o.amount_fen FROM payment_order o JOIN reservation r USING (application_id, proposal_id)
WHERE o.state IN ('made', 'checked') AND r.fiscal_year = :fiscal_year
UNION ALL
SELECT 'to-remit', r.case_number, c.to_remit_fen
FROM clawback c JOIN payment_order o ON o.id = c.payment_order_id JOIN reservation r USING (application_id, proposal_id)
WHERE c.to_remit_fen > 0 AND r.fiscal_year = :fiscal_year
UNION ALL
SELECT 'unreconciled', bank_reference, coalesce(amount_fen, 0) FROM bank_confirmation b
WHERE status = 'reconcile' AND extract(year FROM settled_on) <= :fiscal_year
    AND NOT EXISTS (SELECT FROM reconciliation s WHERE s.bank_confirmation_id = b.id)
UNION ALL
SELECT 'draft-open', document, amount_fen FROM transfer WHERE state = 'made' AND fiscal_year = :fiscal_year
UNION ALL
SELECT 'draft-open', v.document, v.amount_fen FROM reversal v JOIN journal j ON j.seq = v.reverses_seq
WHERE v.state = 'made' AND j.fiscal_year = :fiscal_year
UNION ALL
SELECT 'earlier-year-open', fiscal_year::text, 0 FROM fund
WHERE fiscal_year < :fiscal_year AND NOT EXISTS (SELECT FROM closed_year c WHERE c.fiscal_year = fund.fiscal_year)
    AND EXISTS (SELECT FROM journal j WHERE j.fiscal_year = fund.fiscal_year)
""")
# In the order in which orders to pay are made: neither can then wait for the other in a circle.
_HELD = text("SELECT * FROM reservation WHERE state = 'reserved' AND fiscal_year = :fiscal_year ORDER BY application_id FOR UPDATE")
_WAITING = text("SELECT * FROM reservation WHERE state = 'waiting' AND fiscal_year = :fiscal_year ORDER BY place")
_FREE = text("""
SELECT name, fiscal_year, origin_year, line_id, jurisdiction_id, balance_fen FROM balance
WHERE fiscal_year = :fiscal_year AND name IN (:available, :unallotted) AND balance_fen > 0 ORDER BY account
""")


async def closed_years(tx: Tx) -> frozenset[int]:
    return frozenset((await tx.execute(_YEARS)).scalars())


async def year_closes(tx: Tx) -> Sequence[AnyRow]:
    """One a year, in their order."""
    return (await tx.execute(select(closed_year).order_by(closed_year.c.fiscal_year))).all()


async def year_close_of(tx: Tx, fiscal_year: int) -> AnyRow | None:
    return (await tx.execute(select(closed_year).where(closed_year.c.fiscal_year == fiscal_year))).one_or_none()


async def obstacles(tx: Tx, *, fiscal_year: int) -> list[CloseError]:
    found = await tx.execute(_OBSTACLES, {"fiscal_year": fiscal_year})
    return [CloseError(obstacle=Obstacle(row.obstacle), subject=row.subject, amount_fen=row.amount_fen) for row in found]


async def lock_held_rows(tx: Tx, *, fiscal_year: int) -> Sequence[AnyRow]:
    """By rank. An order that is just being made holds its case: what is read after this sees the order, or comes before it."""
    return sorted(await tx.execute(_HELD, {"fiscal_year": fiscal_year}), key=lambda row: row.place)


async def waiting_rows(tx: Tx, *, fiscal_year: int) -> Sequence[AnyRow]:
    return (await tx.execute(_WAITING, {"fiscal_year": fiscal_year})).all()


async def free_parts(tx: Tx, *, fiscal_year: int) -> list[Part]:
    """Pools of the year, and what of it was never allotted."""
    names = {"available": AccountName.AVAILABLE, "unallotted": AccountName.UNALLOTTED}
    return [
        Part(
            pool=Account(
                name=AccountName(row.name),
                fiscal_year=row.fiscal_year,
                origin_year=row.origin_year,
                line_id=row.line_id,
                jurisdiction_id=row.jurisdiction_id,
            ),
            amount_fen=row.balance_fen,
        )
        for row in await tx.execute(_FREE, {"fiscal_year": fiscal_year, **names})
    ]
