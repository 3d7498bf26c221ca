"""Reads of contacts."""

from sqlalchemy import select

from services.registry.contact.rules import NoContact
from services.registry.contact.tables import contact
from shared.db import AnyRow, Tx


async def contact_of(tx: Tx, *, uscc: str) -> AnyRow:
    """The caller has seen to it that the organisation is the caller's to know."""
    row = (await tx.execute(select(contact).where(contact.c.uscc == uscc))).one_or_none()
    if row is None:
        raise NoContact("No contact is recorded for this organisation.", detail_zh="该组织未登记联系人。")
    return row
