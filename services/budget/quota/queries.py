"""Reads of quota documents, and of the money that districts hold."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from services.budget.quota.rules import NoSuchDocument
from shared.caller import Caller
from shared.db import AnyRow, Tx

_DOCUMENTS = """
SELECT d.id, d.number, d.fiscal_year, d.jurisdiction_id, d.handed_down_on, d.recorded_by, d.recorded_at, d.version, count(*) AS payments,
    sum(o.amount_fen)::bigint AS amount_fen,
    coalesce(sum(o.amount_fen) FILTER (WHERE o.state = 'in_transit'), 0)::bigint AS held_fen,
    coalesce(sum(o.amount_fen) FILTER (WHERE o.state = 'paid'), 0)::bigint AS paid_fen,
    coalesce(sum(o.amount_fen) FILTER (WHERE o.state = 'returned'), 0)::bigint AS returned_fen
FROM quota_document d JOIN quota_payment p ON p.quota_document_id = d.id JOIN payment_order o ON o.id = p.payment_order_id
"""
_ONE = text(f"{_DOCUMENTS} WHERE d.id = :id GROUP BY d.id")
_LIST = text(f"""{_DOCUMENTS}
WHERE (CAST(:after_id AS uuid) IS NULL OR d.id > :after_id)
    AND (CAST(:fiscal_year AS int) IS NULL OR d.fiscal_year = :fiscal_year)
    AND (CAST(:jurisdiction_id AS text) IS NULL OR d.jurisdiction_id = :jurisdiction_id)
    AND (CAST(:jurisdictions AS text[]) IS NULL OR d.jurisdiction_id = ANY(:jurisdictions))
GROUP BY d.id HAVING NOT :only_held OR bool_or(o.state = 'in_transit') ORDER BY d.id LIMIT :rows_max
""")
_PAYMENTS = text("""
SELECT p.place, p.voucher, o.id AS payment_order_id, o.state, o.bank_reference, o.amount_fen, o.paid_on, o.returned_on, o.reason,
    r.case_number, r.applicant_uscc, r.line_id, r.jurisdiction_id
FROM quota_payment p JOIN payment_order o ON o.id = p.payment_order_id
    JOIN reservation r ON r.application_id = o.application_id AND r.proposal_id = o.proposal_id
WHERE p.quota_document_id = :id ORDER BY p.place
""")


async def document_of(tx: Tx, document_id: UUID, *, caller: Caller) -> AnyRow:
    found: AnyRow | None = (await tx.execute(_ONE, {"id": document_id})).one_or_none()
    if found is None or not caller.covers(found.jurisdiction_id):
        raise NoSuchDocument("There is no quota document with this id.", detail_zh="没有该标识的指标文件。")
    return found


async def documents_after(
    tx: Tx,
    *,
    fiscal_year: int | None,
    jurisdiction_id: str | None,
    only_held: bool,
    after_id: UUID | None,
    caller: Caller,
    rows_max: int,
) -> Sequence[AnyRow]:
    """In the order in which they were recorded; `only_held` are those whose district has not paid everything out."""
    found = await tx.execute(
        _LIST,
        {
            "fiscal_year": fiscal_year,
            "jurisdiction_id": jurisdiction_id,
            "only_held": only_held,
            "after_id": after_id,
            "jurisdictions": caller.jurisdiction_list(),
            "rows_max": rows_max,
        },
    )
    return found.all()


async def payments_of(tx: Tx, document_id: UUID) -> Sequence[AnyRow]:
    """In the order of the document."""
    return (await tx.execute(_PAYMENTS, {"id": document_id})).all()
