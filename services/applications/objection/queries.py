"""Reading objections, for those who may decide on them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.applications.application.queries import visible_to
from services.applications.application.tables import application
from services.applications.notice.tables import objection
from shared.caller import Caller
from shared.db import AnyRow, Tx

FILTERS = ("state", "notice_id", "application_id")


async def objections_after(tx: Tx, *, caller: Caller, filters: Mapping[str, Any], after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """In the order of their entry, each with the state of its case."""
    statement = (
        select(objection, application.c.state.label("case_state"))
        .join(application, application.c.id == objection.c.application_id)
        .where(*visible_to(caller))
        .order_by(objection.c.id)
        .limit(rows_max)
    )
    for name in FILTERS:
        if filters.get(name) is not None:
            statement = statement.where(objection.c[name] == filters[name])
    if after_id is not None:
        statement = statement.where(objection.c.id > after_id)
    return (await tx.execute(statement)).all()
