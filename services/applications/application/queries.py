"""Reading applications: one with its history, a filtered list, and the feed of what changed."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text

from services.applications.application.tables import application, late_change, step
from services.applications.review.tables import decision
from shared.caller import Caller
from shared.db import AnyRow, Tx
from shared.errors import NotFound

FILTERS = ("state", "item_id", "jurisdiction_id", "applicant_uscc", "case_number", "row_reference", "proposal_id")


async def get_application(tx: Tx, *, application_id: UUID, caller: Caller) -> AnyRow:
    row: AnyRow | None = (await tx.execute(_within(select(application), caller=caller).where(application.c.id == application_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such application.", detail_zh="未找到该申报。")
    return row


async def list_applications(tx: Tx, *, caller: Caller, filters: Mapping[str, Any], after: UUID | None, limit: int) -> Sequence[AnyRow]:
    """In the order of filing."""
    statement = _within(select(application), caller=caller).order_by(application.c.id).limit(limit)
    for name in FILTERS:
        if filters.get(name) is not None:
            statement = statement.where(application.c[name] == filters[name])
    if after is not None:
        statement = statement.where(application.c.id > after)
    rows: Sequence[AnyRow] = (await tx.execute(statement)).all()
    return rows


# Only rows whose transaction, and every one before it, has ended: a row that commits late is never passed over.
_CHANGED = text("""
SELECT a.*, CAST(a.changed_xid AS text) AS place FROM application a
WHERE (a.changed_xid, a.id) > (CAST(:xid AS xid8), CAST(:id AS uuid)) AND a.changed_xid < pg_snapshot_xmin(pg_current_snapshot())
    AND (CAST(:jurisdictions AS text[]) IS NULL OR a.jurisdiction_id = ANY(CAST(:jurisdictions AS text[])))
ORDER BY a.changed_xid, a.id LIMIT :limit
""")


async def changed_applications(tx: Tx, *, caller: Caller, after: tuple[str, UUID], limit: int) -> Sequence[AnyRow]:
    """Each application once, as it stands, after the place given; the place of a row is (`place`, `id`)."""
    values = {"xid": after[0], "id": after[1], "jurisdictions": caller.jurisdiction_list(), "limit": limit}
    return (await tx.execute(_CHANGED, values)).all()


async def history(tx: Tx, *, application_id: UUID) -> Sequence[AnyRow]:
    return (await tx.execute(select(step).where(step.c.application_id == application_id).order_by(step.c.id))).all()


async def decisions(tx: Tx, *, application_id: UUID) -> Sequence[AnyRow]:
    return (await tx.execute(select(decision).where(decision.c.application_id == application_id).order_by(decision.c.id))).all()


async def late_changes(tx: Tx, *, application_id: UUID) -> Sequence[AnyRow]:
    return (await tx.execute(select(late_change).where(late_change.c.application_id == application_id).order_by(late_change.c.id))).all()


def _within(statement: Select[Any], *, caller: Caller) -> Select[Any]:
    allowed = caller.jurisdiction_list()
    return statement if allowed is None else statement.where(application.c.jurisdiction_id.in_(allowed))
