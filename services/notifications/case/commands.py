"""Keeping what a filing told, and what a correction changed of it."""

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from services.notifications.case.tables import known_case
from shared.db import Tx
from shared.events.applications import ApplicationCorrected, ApplicationFiled

_REMEMBER = insert(known_case).on_conflict_do_nothing()


async def remember_case(tx: Tx, event: ApplicationFiled) -> None:
    kept = {column.name: getattr(event, column.name) for column in known_case.columns}
    await tx.execute(_REMEMBER, kept)


async def change_case(tx: Tx, event: ApplicationCorrected) -> None:
    """A correction may be for another item. One from before it named its titles leaves what is known."""
    if event.item_title_zh is None or event.item_short_name_zh is None:
        return
    changed = {
        "jurisdiction_id": event.jurisdiction_id,
        "item_id": event.item_id,
        "item_title_zh": event.item_title_zh,
        "item_short_name_zh": event.item_short_name_zh,
    }
    await tx.execute(update(known_case).where(known_case.c.application_id == event.application_id).values(changed))
