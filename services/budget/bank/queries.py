"""Reads of what the bank said, and of what was found out about it."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from sqlalchemy import Integer, case, select

from services.budget.bank.rules import NoSuchConfirmation
from services.budget.bank.tables import bank_confirmation, reconciliation
from services.budget.late_payment.tables import late_payment
from shared.db import AnyRow, Tx

_SHOWN = select(
    bank_confirmation,
    reconciliation.c.reason.label("settled_reason"),
    reconciliation.c.settled_by,
    reconciliation.c.settled_at,
    case((reconciliation.c.bank_confirmation_id.is_(None), 1), else_=2).cast(Integer).label("version"),
    late_payment.c.bank_confirmation_id.is_not(None).label("is_late_payment"),
).select_from(bank_confirmation.outerjoin(reconciliation).outerjoin(late_payment, late_payment.c.bank_confirmation_id == bank_confirmation.c.id))


async def confirmations_after(
    tx: Tx,
    *,
    status: str | None,
    reconciliation_state: Literal["open", "settled"] | None,
    bank_reference: str | None,
    after_id: UUID | None,
    rows_max: int,
) -> Sequence[AnyRow]:
    """In the order in which they came; status `reconcile` is the reconciliation list."""
    wanted = _SHOWN.order_by(bank_confirmation.c.id).limit(rows_max)
    if status is not None:
        wanted = wanted.where(bank_confirmation.c.status == status)
    if reconciliation_state == "open":
        wanted = wanted.where(bank_confirmation.c.status == "reconcile", reconciliation.c.bank_confirmation_id.is_(None))
    elif reconciliation_state == "settled":
        wanted = wanted.where(reconciliation.c.bank_confirmation_id.is_not(None))
    if bank_reference is not None:
        wanted = wanted.where(bank_confirmation.c.bank_reference == bank_reference)
    if after_id is not None:
        wanted = wanted.where(bank_confirmation.c.id > after_id)
    return (await tx.execute(wanted)).all()


async def confirmation_of(tx: Tx, confirmation_id: UUID) -> AnyRow:
    found: AnyRow | None = (await tx.execute(_SHOWN.where(bank_confirmation.c.id == confirmation_id))).one_or_none()
    if found is None:
        raise NoSuchConfirmation("There is no row of the bank with this id.", detail_zh="没有该标识的银行回执。")
    return found
