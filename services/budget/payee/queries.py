"""Reads of payees' accounts; the sealed number is never among what they return."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from services.budget.payee.tables import payee_account
from shared.caller import Caller
from shared.db import AnyRow, Tx

_SHOWN = [column for column in payee_account.c if column.name != "number_sealed"]


async def accounts_after(
    tx: Tx, *, application_id: UUID | None, uscc: str | None, after_id: UUID | None, caller: Caller, rows_max: int
) -> Sequence[AnyRow]:
    """Oldest first, replaced and returned ones too. An organisation's account is seen by whoever sees the whole city."""
    wanted = select(*_SHOWN).order_by(payee_account.c.id).limit(rows_max)
    if application_id is not None:
        wanted = wanted.where(payee_account.c.application_id == application_id)
    if uscc is not None:
        wanted = wanted.where(payee_account.c.uscc == uscc)
    if after_id is not None:
        wanted = wanted.where(payee_account.c.id > after_id)
    if caller.jurisdictions is not None:
        wanted = wanted.where(payee_account.c.jurisdiction_id.in_(caller.jurisdictions))
    return (await tx.execute(wanted)).all()
