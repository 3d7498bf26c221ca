"""Reads of orders to recover."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from services.budget.clawback.rules import NoSuchClawback
from services.budget.ledger.rules import AccountName, CaseMoney
from shared.caller import Caller
from shared.db import AnyRow, Tx

_SHOWN = """
SELECT c.id, c.payment_order_id, c.misuse_case_id, c.ordered_fen, c.received_fen, c.to_remit_fen, c.document, c.reason, c.state, c.ordered_by,
    c.ordered_at, c.version, o.application_id, o.fiscal_year, o.jurisdiction_id, r.case_number, r.line_id,
    (SELECT coalesce(array_agg(voucher ORDER BY recorded_at, id), '{}') FROM clawback_receipt t WHERE t.clawback_id = c.id) AS receipt_vouchers
FROM clawback c JOIN payment_order o ON o.id = c.payment_order_id JOIN reservation r USING (application_id, proposal_id)
"""
_BY_ID = text(f"{_SHOWN} WHERE c.id = :id")
_LIST = text(f"""{_SHOWN}
WHERE (CAST(:after_id AS uuid) IS NULL OR c.id > :after_id)
    AND (CAST(:payment_order_id AS uuid) IS NULL OR c.payment_order_id = :payment_order_id)
    AND (CAST(:jurisdictions AS text[]) IS NULL OR o.jurisdiction_id = ANY(:jurisdictions))
ORDER BY c.id LIMIT :rows_max
""")
_RECEIVED = text("""
SELECT payment_order_id, sum(received_fen)::bigint AS received_fen FROM clawback
WHERE payment_order_id = ANY(CAST(:ids AS uuid[])) GROUP BY payment_order_id
""")

# By year of origin, first come first: what came in after the year was over went on at once and waits nowhere.
_TO_REMIT = text("""
SELECT origin_year, sum(CASE WHEN kind = 'remit' THEN -amount_fen ELSE amount_fen END)::bigint AS fen FROM journal
WHERE application_id = :application_id AND proposal_id = :proposal_id AND outcome = 'posted'
    AND :name IN (split_part(split_part(dr, '/', 2), '[', 1), split_part(split_part(cr, '/', 2), '[', 1))
GROUP BY origin_year ORDER BY min(seq)
""")


async def clawback_of(tx: Tx, clawback_id: UUID) -> AnyRow:
    row: AnyRow | None = (await tx.execute(_BY_ID, {"id": clawback_id})).one_or_none()
    if row is None:
        raise no_such_clawback()
    return row


async def clawbacks(tx: Tx, *, payment_order_id: UUID | None, after_id: UUID | None, caller: Caller, rows_max: int) -> Sequence[AnyRow]:
    """In the order in which they were ordered."""
    wanted = {"payment_order_id": payment_order_id, "after_id": after_id, "jurisdictions": caller.jurisdiction_list(), "rows_max": rows_max}
    return (await tx.execute(_LIST, wanted)).all()


async def received_fen(tx: Tx, payment_order_ids: Sequence[UUID]) -> dict[UUID, int]:
    """What was recovered of each payment; who is not in it had nothing ordered back."""
    return {row.payment_order_id: row.received_fen for row in await tx.execute(_RECEIVED, {"ids": list(payment_order_ids)})}


async def to_remit(tx: Tx, case: CaseMoney) -> list[tuple[int, int]]:
    """Years of origin with what of the case waits to be remitted. The caller holds the books."""
    named = {"application_id": case.application_id, "proposal_id": case.proposal_id, "name": AccountName.TO_REMIT}
    return [(row.origin_year, row.fen) for row in await tx.execute(_TO_REMIT, named)]


def no_such_clawback() -> NoSuchClawback:
    return NoSuchClawback("There is no order to recover with this id.", detail_zh="没有该标识的追回事项。")
