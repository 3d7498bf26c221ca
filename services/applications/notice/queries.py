"""Notices as the public reads them, and as their commands lock them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select, text, tuple_

from services.applications.application.tables import application
from services.applications.intake.rules import ENDED
from services.applications.notice.rules import UNDECIDED, NoticeDays, NoticeState, ObjectionState
from services.applications.notice.tables import notice, notice_case, objection
from shared.db import AnyRow, Tx
from shared.errors import NotFound
from shared.events.applications import AwardMark


@dataclass(frozen=True, kw_only=True)
class Notice:
    id: UUID
    number: str
    state: NoticeState
    days: NoticeDays
    opened_at: datetime
    rule_version: str

    @classmethod
    def of(cls, row: AnyRow) -> "Notice":
        days = NoticeDays(first_day=row.first_day, last_day=row.last_day, closes_on=row.closes_on)
        return cls(id=row.id, number=row.number, state=NoticeState(row.state), days=days, opened_at=row.opened_at, rule_version=row.rule_version)


async def lock_notice(tx: Tx, *, notice_id: UUID) -> Notice:
    row = (await tx.execute(select(notice).where(notice.c.id == notice_id).with_for_update())).one_or_none()
    if row is None:
        raise NotFound("There is no such notice.", detail_zh="未找到该公示。")
    return Notice.of(row)


# A notice that only waits for a decision on objections is passed over, so that it never stands in the way of others.
_DUE = text("""
SELECT n.id FROM notice n
WHERE n.state = 'open' AND (n.closes_on < :on OR n.closes_on = :on AND n.rule_version = ANY(CAST(:closing_today AS text[]))) AND (
    EXISTS (
        SELECT FROM notice_case c JOIN application a ON a.id = c.application_id
        WHERE c.notice_id = n.id AND a.state = 'on_notice'
            AND NOT EXISTS (SELECT FROM objection o WHERE o.application_id = a.id AND o.state = ANY(CAST(:undecided AS text[])))
    ) OR NOT EXISTS (
        SELECT FROM notice_case c JOIN application a ON a.id = c.application_id WHERE c.notice_id = n.id AND a.state IN ('on_notice', 'suspended')
    )
)
ORDER BY n.closes_on, n.id LIMIT :most
""")


async def due_notices(tx: Tx, *, on: date, closing_today: Sequence[str], most: int) -> Sequence[UUID]:
    """Open notices past their closing day, or on it under one of the rules given, with something to do about them."""
    wanted = {"on": on, "closing_today": list(closing_today), "most": most, "undecided": [state.value for state in UNDECIDED]}
    return (await tx.execute(_DUE, wanted)).scalars().all()


async def case_ids(tx: Tx, *, notice_id: UUID) -> Sequence[UUID]:
    return (await tx.execute(select(notice_case.c.application_id).where(notice_case.c.notice_id == notice_id))).scalars().all()


async def objections_to(tx: Tx, *, ids: Sequence[UUID]) -> dict[UUID, list[ObjectionState]]:
    """All objections to these cases, by case."""
    rows = await tx.execute(
        select(objection.c.application_id, func.array_agg(objection.c.state))
        .where(objection.c.application_id.in_(ids))
        .group_by(objection.c.application_id)
    )
    return {application_id: [ObjectionState(state) for state in states] for application_id, states in rows}


async def marks_of(tx: Tx, *, ids: Sequence[UUID]) -> dict[UUID, tuple[AwardMark, ...]]:
    """By case, of the filing as it was accepted; one that named no number is absent."""
    named = application.c.content.has_key("marks")
    rows = await tx.execute(select(application.c.id, application.c.content["marks"]).where(application.c.id.in_(ids), named))
    return {
        application_id: tuple(AwardMark(kind=kind, value=value) for kind, values in sorted(of_case.items()) for value in values)
        for application_id, of_case in rows
    }


async def notices_after(tx: Tx, *, after: tuple[date, UUID] | None, rows_max: int) -> Sequence[AnyRow]:
    """Newest first."""
    statement = select(notice).order_by(notice.c.first_day.desc(), notice.c.id.desc()).limit(rows_max)
    if after is not None:
        statement = statement.where(tuple_(notice.c.first_day, notice.c.id) < after)
    return (await tx.execute(statement)).all()


async def cases_of(tx: Tx, *, notice_ids: Sequence[UUID]) -> dict[UUID, list[AnyRow]]:
    """By notice, each as it was published, and whether it has ended since."""
    has_ended = application.c.state.in_(sorted(ENDED)).label("has_ended")
    listed = select(notice_case, has_ended).join(application, application.c.id == notice_case.c.application_id)
    by_notice: dict[UUID, list[AnyRow]] = {notice_id: [] for notice_id in notice_ids}
    for row in await tx.execute(listed.where(notice_case.c.notice_id.in_(notice_ids)).order_by(notice_case.c.application_id)):
        by_notice[row.notice_id].append(row)
    return by_notice
