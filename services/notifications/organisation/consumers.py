"""Keeps the names of organisations; a copy only, so it can be rebuilt from the first event."""

from sqlalchemy.dialects.postgresql import insert

from services.notifications.organisation.tables import known_organisation
from shared.db import Tx
from shared.events.registry import OrganisationChanged, OrganisationEnded, OrganisationEvent, OrganisationRegistered
from shared.inbox import Handler

_INSERT = insert(known_organisation)
_COPY = _INSERT.on_conflict_do_update(
    index_elements=["uscc"],
    set_={"name": _INSERT.excluded.name, "version": _INSERT.excluded.version},
    where=known_organisation.c.version < _INSERT.excluded.version,
)


async def copy_organisation(tx: Tx, event: OrganisationEvent) -> None:
    await tx.execute(_COPY, {"uscc": event.uscc, "name": event.name, "version": event.version})


HANDLERS = tuple(
    Handler(event=kind, kind="copy", handle=copy_organisation) for kind in (OrganisationRegistered, OrganisationChanged, OrganisationEnded)
)
