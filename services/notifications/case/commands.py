"""Keeping what a filing told."""

from sqlalchemy.dialects.postgresql import insert

from services.notifications.case.tables import known_case
from shared.db import Tx
from shared.events.applications import ApplicationFiled

_REMEMBER = insert(known_case).on_conflict_do_nothing()


async def remember_case(tx: Tx, event: ApplicationFiled) -> None:
    kept = {column.name: getattr(event, column.name) for column in known_case.columns}
    await tx.execute(_REMEMBER, kept)
