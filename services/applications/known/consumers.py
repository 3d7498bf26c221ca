"""Keeps the local copy of what the registry tells; copies only, so it can be rebuilt from the first event."""

from datetime import timedelta

from sqlalchemy.dialects.postgresql import insert

from services.applications.known.tables import known_assessment, known_organisation, known_park, known_permit, known_recognition
from shared.db import Tx
from shared.events.registry import (
    InstitutionChanged,
    InstitutionEnded,
    InstitutionEvent,
    InstitutionRecorded,
    OrganisationChanged,
    OrganisationEnded,
    OrganisationEvent,
    OrganisationRegistered,
    ParkAssessed,
    ParkChanged,
    ParkEvent,
    ParkRecognised,
    ParkRegistered,
)
from shared.inbox import Handler


async def copy_organisation(tx: Tx, event: OrganisationEvent) -> None:
    values = {
        "kind": event.kind,
        "name": event.name,
        "jurisdiction_id": event.jurisdiction_id,
        "is_active": event.status == "active",
        "version": event.version,
    }
    await tx.execute(insert(known_organisation).values(uscc=event.uscc, **values).on_conflict_do_update(index_elements=["uscc"], set_=values))


async def copy_permit(tx: Tx, event: InstitutionEvent) -> None:
    # The registry tells the first day on which it is no longer good.
    last_before_end = event.ended_on - timedelta(days=1) if isinstance(event, InstitutionEnded) else None
    days = [day for day in (event.last_day, last_before_end) if day is not None]
    values = {"uscc": event.uscc, "first_day": event.first_day, "last_day": min(days, default=None)}
    await tx.execute(
        insert(known_permit)
        .values(institution_id=event.institution_id, **values)
        .on_conflict_do_update(index_elements=["institution_id"], set_=values)
    )


async def copy_park(tx: Tx, event: ParkEvent) -> None:
    values = {
        "name": event.name,
        "operator_uscc": event.operator_uscc,
        "jurisdiction_id": event.jurisdiction_id,
        "version": event.version or 0,
    }
    copy = insert(known_park).values(park_code=event.park_code, **values)
    await tx.execute(copy.on_conflict_do_update(index_elements=["park_code"], set_=values, where=known_park.c.version <= copy.excluded.version))


async def copy_recognition(tx: Tx, event: ParkRecognised) -> None:
    await copy_park(tx, event)
    values = {"approved_on": event.approved_on, "document": event.document}
    await tx.execute(
        insert(known_recognition)
        .values(park_code=event.park_code, level=event.level, **values)
        .on_conflict_do_update(index_elements=["park_code", "level"], set_=values)
    )


async def copy_assessment(tx: Tx, event: ParkAssessed) -> None:
    await copy_park(tx, event)
    values = {"result": event.result, "document": event.document}
    await tx.execute(
        insert(known_assessment)
        .values(park_code=event.park_code, year=event.year, **values)
        .on_conflict_do_update(index_elements=["park_code", "year"], set_=values)
    )


HANDLERS = (
    *(Handler(event=event, kind="copy", handle=copy_organisation) for event in (OrganisationRegistered, OrganisationChanged, OrganisationEnded)),
    *(Handler(event=event, kind="copy", handle=copy_permit) for event in (InstitutionRecorded, InstitutionChanged, InstitutionEnded)),
    *(Handler(event=event, kind="copy", handle=copy_park) for event in (ParkRegistered, ParkChanged)),
    Handler(event=ParkRecognised, kind="copy", handle=copy_recognition),
    Handler(event=ParkAssessed, kind="copy", handle=copy_assessment),
)
