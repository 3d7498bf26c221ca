"""Reading applications: one with its history, a filtered list, and the feed of what changed."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Text, cast, func, literal, select, tuple_

from services.applications.application.commands import Case, case_of
from services.applications.application.rules import no_such_application, sees_own_only
from services.applications.application.tables import Xid8, application, late_change, step
from services.applications.intake.rules import BEFORE_ACCEPTANCE, OpenPoints, State, open_points
from services.applications.item.rules import Applicant, Park
from services.applications.known import queries as known
from services.applications.policy.catalogue import Catalogue, MoneyStepId
from services.applications.review.tables import decision
from shared.caller import Caller
from shared.db import AnyRow, Tx

FILTERS = ("state", "item_id", "jurisdiction_id", "applicant_uscc", "case_number", "row_reference", "portal_number", "proposal_id")


def visible_to(caller: Caller) -> list[ColumnElement[bool]]:
    """What application.rules.is_visible says, as conditions on `application`."""
    conditions: list[ColumnElement[bool]] = []
    if caller.jurisdictions is not None:
        conditions.append(application.c.jurisdiction_id.in_(sorted(caller.jurisdictions)))
    if sees_own_only(caller):
        conditions.append(application.c.caller == caller.id)
    return conditions


async def get_application(tx: Tx, *, application_id: UUID, caller: Caller) -> AnyRow:
    row: AnyRow | None = (await tx.execute(select(application).where(application.c.id == application_id, *visible_to(caller)))).one_or_none()
    if row is None:
        raise no_such_application()
    return row


async def applications_after(tx: Tx, *, caller: Caller, filters: Mapping[str, Any], after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """In the order of filing."""
    statement = select(application).where(*visible_to(caller)).order_by(application.c.id).limit(rows_max)
    for name in FILTERS:
        if filters.get(name) is not None:
            statement = statement.where(application.c[name] == filters[name])
    if after_id is not None:
        statement = statement.where(application.c.id > after_id)
    return (await tx.execute(statement)).all()


async def changed_applications(tx: Tx, *, caller: Caller, after: tuple[int, UUID], limit: int) -> Sequence[AnyRow]:
    """Each application once, as it stands, after the place given; the place of a row is (`place`, `id`).

    Only rows whose transaction, and every one before it, has ended: a row that commits late is never passed over.
    """
    start = tuple_(_xid(after[0]), literal(after[1]))
    ended = application.c.changed_xid < func.pg_snapshot_xmin(func.pg_current_snapshot())
    statement = (
        select(application, cast(cast(application.c.changed_xid, Text), BigInteger).label("place"))
        .where(tuple_(application.c.changed_xid, application.c.id) > start, ended, *visible_to(caller))
        .order_by(application.c.changed_xid, application.c.id)
        .limit(limit)
    )
    return (await tx.execute(statement)).all()


def _xid(place: int) -> ColumnElement[Any]:
    return cast(cast(literal(place, BigInteger), Text), Xid8)


async def open_points_of(tx: Tx, rows: Sequence[AnyRow], *, catalogue: Catalogue) -> dict[UUID, OpenPoints]:
    """By id, of those that are not accepted yet: judged by what the registry has told by now, not by what it had told at the filing."""
    cases = [(case_of(row._mapping), row) for row in rows if row.state in BEFORE_ACCEPTANCE]
    if not cases:
        return {}
    applicants = await known.applicants(tx, usccs={case.applicant_uscc for case, _ in cases})
    parks = await known.parks(tx, park_codes={case.park_code for case, _ in cases if case.park_code is not None})
    return {
        case.id: points_of(
            case,
            content=row.content,
            catalogue=catalogue,
            applicant=applicants.get(case.applicant_uscc),
            park=parks.get(case.park_code or ""),
        )
        for case, row in cases
    }


def points_of(case: Case, *, content: Mapping[str, Any], catalogue: Catalogue, applicant: Applicant | None, park: Park | None) -> OpenPoints:
    """Of one case by the rules that it is pinned to; none once it is accepted."""
    if case.state not in BEFORE_ACCEPTANCE:
        return OpenPoints()
    return open_points(
        catalogue.item_version(case.item_version),
        policy=catalogue.policy(case.policy_id),
        claim=case.claim,
        kinds=[each["kind"] for each in content["evidence"]],
        applicant=applicant,
        park=park,
        filed_on=case.filed_on,
    )


async def codes_of_refusals(tx: Tx, rows: Sequence[AnyRow]) -> dict[UUID, str]:
    """By id, of those in review: why the budget refused to reserve for them, the last time that it did."""
    ids = [row.id for row in rows if row.state == State.IN_REVIEW]
    if not ids:
        return {}
    refusals = select(step.c.application_id, step.c.facts["reason_code"].astext.label("code")).where(
        step.c.application_id.in_(ids), step.c.action == MoneyStepId.RESERVATION_REFUSED
    )
    # Those of a case in their order: the last one stays.
    found = await tx.execute(refusals.order_by(step.c.application_id, step.c.id))
    return {application_id: code for application_id, code in found if code is not None}


async def history(tx: Tx, *, application_id: UUID) -> Sequence[AnyRow]:
    return (await tx.execute(select(step).where(step.c.application_id == application_id).order_by(step.c.id))).all()


async def decisions(tx: Tx, *, application_id: UUID) -> Sequence[AnyRow]:
    return (await tx.execute(select(decision).where(decision.c.application_id == application_id).order_by(decision.c.id))).all()


async def late_changes(tx: Tx, *, application_id: UUID) -> Sequence[AnyRow]:
    return (await tx.execute(select(late_change).where(late_change.c.application_id == application_id).order_by(late_change.c.id))).all()
