"""Keeps the contacts that the registry tells, and forgets those that it erases."""

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from services.notifications.contact.tables import contact
from shared.db import Tx
from shared.events.registry import ContactErased, ContactRecorded
from shared.inbox import Handler

_INSERT = insert(contact)
_COPY = _INSERT.on_conflict_do_update(
    index_elements=["uscc"], set_={"contact_name": _INSERT.excluded.contact_name, "mobile": _INSERT.excluded.mobile}
)


async def copy_contact(tx: Tx, event: ContactRecorded) -> None:
    await tx.execute(_COPY, {"uscc": event.uscc, "contact_name": event.contact_name, "mobile": event.mobile})


async def erase_contact(tx: Tx, event: ContactErased) -> None:
    await tx.execute(delete(contact).where(contact.c.uscc == event.uscc))


HANDLERS = (
    Handler(event=ContactRecorded, kind="copy", handle=copy_contact),
    Handler(event=ContactErased, kind="copy", handle=erase_contact),
)
