"""Reading portal records within the caller's jurisdictions."""

from uuid import UUID

from sqlalchemy import func, select

from services.notifications.portal.rules import RecordKind, RecordState
from services.notifications.portal.tables import portal_case, portal_record
from shared.caller import Caller
from shared.db import AnyRow, Tx

_RECORD = select(portal_record, portal_case.c.projid).join(portal_case, portal_case.c.application_id == portal_record.c.application_id)
_COUNTS = (
    select(portal_record.c.kind, portal_record.c.state, func.count().label("records"))
    .group_by(portal_record.c.kind, portal_record.c.state)
    .order_by(portal_record.c.kind, portal_record.c.state)
)


async def records(
    tx: Tx,
    *,
    caller: Caller,
    case_number: str | None,
    kind: RecordKind | None,
    state: RecordState | None,
    after_id: UUID | None,
    rows_max: int,
) -> list[AnyRow]:
    """In the order in which they were written, so a case's records stand in the order in which they go out."""
    wanted = _RECORD.order_by(portal_record.c.id).limit(rows_max)
    if (jurisdictions := caller.jurisdiction_list()) is not None:
        wanted = wanted.where(portal_record.c.jurisdiction_id.in_(jurisdictions))
    if case_number is not None:
        wanted = wanted.where(portal_record.c.case_number == case_number)
    if kind is not None:
        wanted = wanted.where(portal_record.c.kind == kind)
    if state is not None:
        wanted = wanted.where(portal_record.c.state == state)
    if after_id is not None:
        wanted = wanted.where(portal_record.c.id > after_id)
    return list((await tx.execute(wanted)).all())


async def counts(tx: Tx, *, caller: Caller) -> list[AnyRow]:
    """How many records of each kind are in each state."""
    wanted = _COUNTS
    if (jurisdictions := caller.jurisdiction_list()) is not None:
        wanted = wanted.where(portal_record.c.jurisdiction_id.in_(jurisdictions))
    return list((await tx.execute(wanted)).all())
