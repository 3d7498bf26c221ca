"""Writes about contacts; they are announced on the compacted topic that notifications alone reads."""

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from services.registry.contact import rules
from services.registry.contact.tables import contact
from services.registry.organisation.rules import check_is_active
from shared import outbox
from shared.caller import Caller
from shared.clock import Moment
from shared.db import AnyRow, Tx
from shared.events.registry import ContactErased, ContactRecorded


async def record_contact(tx: Tx, organisation: AnyRow, *, contact_name: str, mobile: str, caller: Caller, moment: Moment) -> AnyRow:
    """`organisation` is locked. The contact recorded before is replaced; the same one again announces nothing."""
    check_is_active(status=organisation.status, ended_on=organisation.ended_on)
    said = {"contact_name": contact_name, "mobile": rules.checked_mobile(mobile)}
    current: AnyRow | None = (await tx.execute(select(contact).where(contact.c.uscc == organisation.uscc))).one_or_none()
    if current is not None and (current.contact_name, current.mobile) == (said["contact_name"], said["mobile"]):
        return current
    values = {**said, "recorded_at": moment.at, "recorded_by": caller.id}
    statement = insert(contact).values(uscc=organisation.uscc, **values).on_conflict_do_update(index_elements=["uscc"], set_=values)
    recorded: AnyRow = (await tx.execute(statement.returning(contact))).one()
    await outbox.append(tx, recording_of(recorded, moment=moment))
    return recorded


async def erase_contact(tx: Tx, organisation: AnyRow, *, moment: Moment) -> None:
    """`organisation` is locked. The tombstone makes everyone else forget it too."""
    erased = await tx.execute(delete(contact).where(contact.c.uscc == organisation.uscc))
    if erased.rowcount == 0:
        raise rules.NoContact("No contact is recorded for this organisation.", detail_zh="该组织未登记联系人。")
    await outbox.append(tx, ContactErased(happened_at=moment.at, happened_on=moment.on, uscc=organisation.uscc))


def recording_of(row: AnyRow, *, moment: Moment) -> ContactRecorded:
    return ContactRecorded(happened_at=moment.at, happened_on=moment.on, uscc=row.uscc, contact_name=row.contact_name, mobile=row.mobile)
