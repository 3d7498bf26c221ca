"""Reads of late payments."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from sqlalchemy import text

from services.budget.late_payment.rules import NoSuchLatePayment
from shared.db import AnyRow, Tx

_SHOWN = """
SELECT l.bank_confirmation_id AS id, l.payment_order_id, l.application_id, l.outcome, l.reason, l.decided_by, l.decided_at, l.version,
    b.bank_reference, b.settled_on, b.amount_fen AS said_fen, b.document, b.received_by, b.received_at, o.amount_fen, o.returned_on
FROM late_payment l JOIN bank_confirmation b ON b.id = l.bank_confirmation_id JOIN payment_order o ON o.id = l.payment_order_id
"""
_ONE = text(f"{_SHOWN} WHERE l.bank_confirmation_id = :id")
_LIST = text(f"""{_SHOWN}
WHERE (CAST(:after_id AS uuid) IS NULL OR l.bank_confirmation_id > :after_id)
    AND (CAST(:is_open AS boolean) IS NULL OR (l.outcome IS NULL) = :is_open)
ORDER BY l.bank_confirmation_id LIMIT :rows_max
""")


async def late_payments_after(tx: Tx, *, decision: Literal["open", "decided"] | None, after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """In the order in which they came."""
    is_open = None if decision is None else decision == "open"
    return (await tx.execute(_LIST, {"is_open": is_open, "after_id": after_id, "rows_max": rows_max})).all()


async def late_payment_of(tx: Tx, late_payment_id: UUID) -> AnyRow:
    found: AnyRow | None = (await tx.execute(_ONE, {"id": late_payment_id})).one_or_none()
    if found is None:
        raise no_such_late_payment()
    return found


def no_such_late_payment() -> NoSuchLatePayment:
    return NoSuchLatePayment("There is no late payment with this id.", detail_zh="没有该标识的迟到到账信息。")
