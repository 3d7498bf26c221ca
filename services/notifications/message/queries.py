"""Reading messages within the caller's jurisdictions."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from services.notifications.contact.tables import contact
from services.notifications.message.tables import message
from shared.caller import Caller, require_reading_in
from shared.db import AnyRow, Tx
from shared.errors import NotFound

_MESSAGE: Select[Any] = select(message, contact.c.contact_name, contact.c.mobile).join(contact, contact.c.uscc == message.c.uscc, isouter=True)


async def message_for(tx: Tx, message_id: UUID, *, caller: Caller) -> AnyRow:
    row: AnyRow | None = (await tx.execute(_MESSAGE.where(message.c.id == message_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such message.", detail_zh="未找到该记录。")
    require_reading_in(caller, row.jurisdiction_id, what="message")
    return row


async def messages(
    tx: Tx, *, caller: Caller, uscc: str | None, case_number: str | None, unread: bool, before_id: UUID | None, rows_max: int
) -> list[AnyRow]:
    """Newest first, at most `rows_max`; `before_id` is the last one of the page before."""
    wanted = _MESSAGE.order_by(message.c.id.desc()).limit(rows_max)
    if (jurisdictions := caller.jurisdiction_list()) is not None:
        wanted = wanted.where(message.c.jurisdiction_id.in_(jurisdictions))
    if uscc is not None:
        wanted = wanted.where(message.c.uscc == uscc)
    if case_number is not None:
        wanted = wanted.where(message.c.case_number == case_number)
    if unread:
        wanted = wanted.where(message.c.read_at.is_(None))
    if before_id is not None:
        wanted = wanted.where(message.c.id < before_id)
    return list((await tx.execute(wanted)).all())
