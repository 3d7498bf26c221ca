"""Writes about organisations. The caller owns the transaction; nothing here commits."""

from datetime import date
from typing import Any

from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert

from services.registry import policy
from services.registry.institution.commands import end_institutions_of
from services.registry.organisation import rules
from services.registry.organisation.rules import OrganisationStatus, Particulars
from services.registry.organisation.tables import organisation
from services.registry.park.tables import park
from services.registry.policy.catalogue import EndingCause
from shared import outbox
from shared.caller import Caller, require_creating_in
from shared.city import City
from shared.clock import Moment
from shared.db import AnyRow, Tx
from shared.events.registry import OrganisationChanged, OrganisationEnded, OrganisationRegistered


async def register_organisation(tx: Tx, *, uscc: str, particulars: Particulars, city: City, caller: Caller, moment: Moment) -> AnyRow:
    rules.check_jurisdiction(particulars.jurisdiction_id, city=city, on=moment.on)
    require_creating_in(caller, particulars.jurisdiction_id, pointer="/jurisdiction_id")
    # Insert first and let the key judge: a look before the insert loses the race.
    statement = insert(organisation).values(
        uscc=uscc,
        **columns(particulars),
        status=OrganisationStatus.ACTIVE,
        version=1,
        registered_at=moment.at,
        changed_at=moment.at,
        changed_by=caller.id,
    )
    registered: AnyRow | None = (await tx.execute(statement.on_conflict_do_nothing().returning(organisation))).one_or_none()
    if registered is None:
        raise rules.AlreadyRegistered(f"{uscc} is registered already.", detail_zh=f"{uscc}已登记。", pointer="/uscc")
    await outbox.append(tx, registration_of(registered, moment=moment))
    return registered


async def change_organisation(tx: Tx, current: AnyRow, *, particulars: Particulars, city: City, caller: Caller, moment: Moment) -> AnyRow:
    """`current` is locked. What says nothing new changes nothing and announces nothing."""
    rules.check_is_active(status=current.status, ended_on=current.ended_on)
    if particulars == particulars_of(current):
        return current
    rules.check_jurisdiction(particulars.jurisdiction_id, city=city, on=moment.on)
    require_creating_in(caller, particulars.jurisdiction_id, pointer="/jurisdiction_id")
    statement = (
        update(organisation)
        .where(organisation.c.uscc == current.uscc)
        .values(**columns(particulars), version=current.version + 1, changed_at=moment.at, changed_by=caller.id)
        .returning(organisation)
    )
    changed: AnyRow = (await tx.execute(statement)).one()
    await outbox.append(tx, change_of(changed, moment=moment))
    return changed


async def end_organisation(tx: Tx, current: AnyRow, *, cause_id: str, ended_on: date, caller: Caller, moment: Moment) -> AnyRow:
    """`current` is locked. Its permits and filings end with it (行政许可法 70(3)); a park must have found another operator before."""
    rules.check_is_active(status=current.status, ended_on=current.ended_on)
    cause = policy.current().ending_cause(cause_id, on=ended_on)
    rules.check_ending(cause, of="organisation", ended_on=ended_on, today=moment.on)
    if (await tx.execute(select(exists().where(park.c.operator_uscc == current.uscc)))).scalar_one():
        raise rules.StillOperatesPark(f"{current.uscc} operates a park.", detail_zh=f"{current.uscc}仍在运营产业园。")
    statement = (
        update(organisation)
        .where(organisation.c.uscc == current.uscc)
        .values(
            status=OrganisationStatus.ENDED,
            ended_on=ended_on,
            ending_cause=cause.id,
            version=current.version + 1,
            changed_at=moment.at,
            changed_by=caller.id,
        )
        .returning(organisation)
    )
    ended: AnyRow = (await tx.execute(statement)).one()
    institutions_ended = await end_institutions_of(tx, uscc=ended.uscc, ended_on=ended_on, caller=caller, moment=moment)
    await outbox.append(tx, *institutions_ended, _ending_of(ended, cause=cause, moment=moment))
    return ended


def columns(particulars: Particulars) -> dict[str, str]:
    return {"kind": particulars.kind, "name": particulars.name, "jurisdiction_id": particulars.jurisdiction_id}


def particulars_of(row: AnyRow) -> Particulars:
    return Particulars(kind=rules.OrganisationKind(row.kind), name=row.name, jurisdiction_id=row.jurisdiction_id)


def registration_of(row: AnyRow, *, moment: Moment) -> OrganisationRegistered:
    return OrganisationRegistered(**_state(row, moment=moment))


def change_of(row: AnyRow, *, moment: Moment) -> OrganisationChanged:
    return OrganisationChanged(**_state(row, moment=moment))


def _ending_of(row: AnyRow, *, cause: EndingCause, moment: Moment) -> OrganisationEnded:
    return OrganisationEnded(**_state(row, moment=moment), cause=cause.id, ended_on=row.ended_on, cause_title_zh=cause.title_zh)


def _state(row: AnyRow, *, moment: Moment) -> dict[str, Any]:
    """The whole state after the change, so that a copy needs no history."""
    return {
        "happened_at": moment.at,
        "happened_on": moment.on,
        "uscc": row.uscc,
        "kind": row.kind,
        "name": row.name,
        "jurisdiction_id": row.jurisdiction_id,
        "status": row.status,
        "version": row.version,
    }
