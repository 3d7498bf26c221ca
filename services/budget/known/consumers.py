"""Keeps the local copy of what the registry tells; copies only, so it can be rebuilt from the first event."""

from sqlalchemy.dialects.postgresql import insert

from services.budget.known.tables import known_institution, known_organisation
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
)
from shared.inbox import Handler

_ORGANISATION = insert(known_organisation)
_COPY_ORGANISATION = _ORGANISATION.on_conflict_do_update(
    index_elements=["uscc"],
    set_={name: _ORGANISATION.excluded[name] for name in ("ended_on", "cause_title_zh", "version")},
    where=known_organisation.c.version < _ORGANISATION.excluded.version,
)
_INSTITUTION = insert(known_institution)
# These events have no version. What ended is never changed again: its end is always the last word, and takes the days of before with it.
_COPY_INSTITUTION = _INSTITUTION.on_conflict_do_update(
    index_elements=["institution_id"],
    set_={name: _INSTITUTION.excluded[name] for name in ("uscc", "first_day", "last_day", "ended_on", "cause_title_zh", "told_at")},
    where=_INSTITUTION.excluded.ended_on.is_not(None)
    | known_institution.c.ended_on.is_(None) & (known_institution.c.told_at <= _INSTITUTION.excluded.told_at),
)


async def copy_organisation(tx: Tx, event: OrganisationEvent) -> None:
    ended_on, cause_title_zh = None, None
    if isinstance(event, OrganisationEnded):
        # The first events told no day; an end is recorded on its day or later, so that nothing is suspected too early.
        ended_on, cause_title_zh = event.ended_on or event.happened_on, event.cause_title_zh or event.cause
    await tx.execute(_COPY_ORGANISATION, {"uscc": event.uscc, "version": event.version, "ended_on": ended_on, "cause_title_zh": cause_title_zh})


async def copy_institution(tx: Tx, event: InstitutionEvent) -> None:
    ended_on, cause_title_zh = None, None
    if isinstance(event, InstitutionEnded):
        ended_on, cause_title_zh = event.ended_on, event.cause_title_zh or event.cause
    row = {
        "institution_id": event.institution_id,
        "uscc": event.uscc,
        "first_day": event.first_day,
        "last_day": event.last_day,
        "ended_on": ended_on,
        "cause_title_zh": cause_title_zh,
        "told_at": event.happened_at,
    }
    await tx.execute(_COPY_INSTITUTION, row)


HANDLERS = (
    *(Handler(event=event, kind="copy", handle=copy_organisation) for event in (OrganisationRegistered, OrganisationChanged, OrganisationEnded)),
    *(Handler(event=event, kind="copy", handle=copy_institution) for event in (InstitutionRecorded, InstitutionChanged, InstitutionEnded)),
)
