"""Reads of requests for payment; the sealed number leaves by the export alone."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, text

from services.budget.payment_request.rules import NoSuchRequest
from services.budget.payment_request.tables import payment_difference, payment_request_export, payment_request_import
from shared.db import AnyRow, Tx

_REQUESTS = """
SELECT q.id, q.fiscal_year, q.quota_document, q.warnings, q.made_by, q.made_at, q.version, count(*) AS payments,
    sum(r.amount_fen)::bigint AS amount_fen,
    coalesce(sum(r.amount_fen) FILTER (WHERE o.state = 'paid'), 0)::bigint AS paid_fen,
    coalesce(sum(r.amount_fen) FILTER (WHERE o.state = 'returned'), 0)::bigint AS returned_fen
FROM payment_request q JOIN requested_payment p ON p.payment_request_id = q.id JOIN payment_order o ON o.id = p.payment_order_id
    JOIN reservation r ON r.application_id = o.application_id AND r.proposal_id = o.proposal_id
"""
_ONE = text(f"{_REQUESTS} WHERE q.id = :id GROUP BY q.id")
_LIST = text(f"""{_REQUESTS}
WHERE (CAST(:fiscal_year AS int) IS NULL OR q.fiscal_year = :fiscal_year) AND (CAST(:after_id AS uuid) IS NULL OR q.id > :after_id)
GROUP BY q.id ORDER BY q.id LIMIT :rows_max
""")
_PAYMENTS = text("""
SELECT p.place, o.id AS payment_order_id, o.state, o.bank_reference, o.paid_on, o.returned_on, r.case_number, r.line_id, r.expenditure_category,
    r.amount_fen, a.id AS payee_account_id, a.account_name, a.number_last_4, a.number_sealed, a.bank_name, a.bank_code
FROM requested_payment p JOIN payment_order o ON o.id = p.payment_order_id
    JOIN reservation r ON r.application_id = o.application_id AND r.proposal_id = o.proposal_id JOIN payee_account a ON a.id = o.payee_account_id
WHERE p.payment_request_id = :id ORDER BY p.place
""")


async def request_of(tx: Tx, request_id: UUID) -> AnyRow:
    found: AnyRow | None = (await tx.execute(_ONE, {"id": request_id})).one_or_none()
    if found is None:
        raise NoSuchRequest("There is no request for payment with this id.", detail_zh="没有该标识的请款单。")
    return found


async def requests_after(tx: Tx, *, fiscal_year: int | None, after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """In the order in which they were made."""
    return (await tx.execute(_LIST, {"fiscal_year": fiscal_year, "after_id": after_id, "rows_max": rows_max})).all()


async def payments_of(tx: Tx, request_id: UUID) -> Sequence[AnyRow]:
    """In the order of the request, with the sealed numbers."""
    return (await tx.execute(_PAYMENTS, {"id": request_id})).all()


async def exports_of(tx: Tx, request_id: UUID) -> Sequence[AnyRow]:
    wanted = select(payment_request_export).where(payment_request_export.c.payment_request_id == request_id)
    return (await tx.execute(wanted.order_by(payment_request_export.c.id))).all()


async def differences_of(tx: Tx, request_id: UUID) -> Sequence[AnyRow]:
    """Of every sheet that came back, in their order."""
    joined = payment_difference.join(payment_request_import)
    wanted = select(payment_difference, payment_request_import.c.document).select_from(joined)
    wanted = wanted.where(payment_request_import.c.payment_request_id == request_id)
    return (await tx.execute(wanted.order_by(payment_request_import.c.id, payment_difference.c.place))).all()
