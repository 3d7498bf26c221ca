"""Reads of what is payable and of payment orders."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from services.budget.payment import rules
from shared.caller import Caller
from shared.db import AnyRow, Tx

_SHOWN = """
SELECT o.id, o.application_id, o.proposal_id, o.issue, o.fiscal_year, o.amount_fen, o.state, o.bank_reference, o.notice_number, o.maker, o.checker,
    o.approver, o.made_at, o.checked_at, o.approved_at, o.ordered_on, o.paid_on, o.returned_on, o.rejected_by, o.reason, o.version,
    o.jurisdiction_id, r.case_number, r.applicant_uscc, r.line_id,
    a.id AS payee_account_id, a.account_name, a.number_last_4, a.bank_name
FROM payment_order o JOIN reservation r USING (application_id, proposal_id) JOIN payee_account a ON a.id = o.payee_account_id
"""
_BY_ID = text(f"{_SHOWN} WHERE o.id = ANY(CAST(:ids AS uuid[]))")
_LIST = text(f"""{_SHOWN}
WHERE (CAST(:after_id AS uuid) IS NULL OR o.id > :after_id)
    AND (CAST(:state AS text) IS NULL OR o.state = :state)
    AND (CAST(:fiscal_year AS int) IS NULL OR o.fiscal_year = :fiscal_year)
    AND (CAST(:application_id AS uuid) IS NULL OR o.application_id = :application_id)
    AND (CAST(:jurisdictions AS text[]) IS NULL OR o.jurisdiction_id = ANY(:jurisdictions))
ORDER BY o.id LIMIT :rows_max
""")
_PAYABLE = text("""
SELECT p.application_id, p.proposal_id, p.amount_fen, p.notice_number, p.confirmed_on, r.case_number, r.applicant_uscc, r.fiscal_year, r.line_id,
    r.jurisdiction_id,
    EXISTS (
        SELECT FROM payee_account a WHERE a.state IN ('entered', 'confirmed') AND (a.application_id = p.application_id OR a.uscc = r.applicant_uscc)
    ) AS has_account
FROM payable p JOIN reservation r USING (application_id, proposal_id)
WHERE r.state = 'reserved'
    AND NOT EXISTS (SELECT FROM payment_order o WHERE o.application_id = p.application_id AND o.state IN ('made', 'checked', 'in_transit', 'paid'))
    AND (CAST(:after_id AS uuid) IS NULL OR p.application_id > :after_id)
    AND (CAST(:fiscal_year AS int) IS NULL OR r.fiscal_year = :fiscal_year)
    AND (CAST(:jurisdictions AS text[]) IS NULL OR r.jurisdiction_id = ANY(:jurisdictions))
ORDER BY p.application_id LIMIT :rows_max
""")


async def orders(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, AnyRow]:
    return {row.id: row for row in await tx.execute(_BY_ID, {"ids": list(ids)})}


async def order_of(tx: Tx, order_id: UUID, *, caller: Caller) -> AnyRow:
    found = (await orders(tx, [order_id])).get(order_id)
    if found is None or not caller.covers(found.jurisdiction_id):
        raise no_such_order()
    return found


async def orders_after(
    tx: Tx,
    *,
    state: rules.OrderState | None,
    fiscal_year: int | None,
    application_id: UUID | None,
    after_id: UUID | None,
    caller: Caller,
    rows_max: int,
) -> Sequence[AnyRow]:
    """In the order in which they were made."""
    found = await tx.execute(
        _LIST,
        {
            "state": state,
            "fiscal_year": fiscal_year,
            "application_id": application_id,
            "after_id": after_id,
            "jurisdictions": caller.jurisdiction_list(),
            "rows_max": rows_max,
        },
    )
    return found.all()


async def payables_after(tx: Tx, *, fiscal_year: int | None, after_id: UUID | None, caller: Caller, rows_max: int) -> Sequence[AnyRow]:
    """Confirmed awards whose money is reserved and for which no order is open."""
    wanted = {"fiscal_year": fiscal_year, "after_id": after_id, "jurisdictions": caller.jurisdiction_list(), "rows_max": rows_max}
    return (await tx.execute(_PAYABLE, wanted)).all()


def no_such_order() -> rules.NoSuchOrder:
    return rules.NoSuchOrder("There is no payment order with this id.", detail_zh="没有该标识的支付申请。")
