"""Telling an organisation about a step, and marking a message as read."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, update
from sqlalchemy.dialects.postgresql import insert

from services.notifications.case.rules import Case, deciding_jurisdiction, shown_values
from services.notifications.message import queries
from services.notifications.message.rules import compose
from services.notifications.message.tables import message
from services.notifications.policy.wording import Template, Wording
from shared.caller import Caller
from shared.city import City
from shared.db import AnyRow, Tx
from shared.events.applications import CaseEvent
from shared.ids import new_id

_TELL = insert(message).on_conflict_do_nothing(constraint="message_once")
# The first reading counts; a later one changes nothing.
_MARK = (
    update(message)
    .where(message.c.id == bindparam("message_id"))
    .values(read_at=func.coalesce(message.c.read_at, bindparam("at")), read_by=func.coalesce(message.c.read_by, bindparam("by")))
)


async def tell(tx: Tx, event: CaseEvent, *, case: Case, wording: Wording, city: City) -> None:
    """Put one message into the organisation's inbox; nothing for a step that is silent or was told already."""
    template = wording.template_for(event.type, on=event.happened_on)
    if template is None:
        return
    bureau_zh = city.jurisdiction(event.jurisdiction_id).bureaus.human_resources_zh
    told = compose(
        template,
        values=shown_values(event, case=case, bureau_zh=bureau_zh),
        remedy=_remedy(template, event=event, wording=wording, city=city),
    )
    await tx.execute(
        _TELL,
        {
            "id": new_id(),
            "application_id": event.application_id,
            "case_number": event.case_number,
            "case_version": event.case_version,
            "event_type": event.type,
            "uscc": event.applicant_uscc,
            "jurisdiction_id": event.jurisdiction_id,
            "title": told.title,
            "body": told.body,
            "next_step": told.next_step,
            "remedy": told.remedy,
            "happened_at": event.happened_at,
            "happened_on": event.happened_on,
        },
    )


def _remedy(template: Template, *, event: CaseEvent, wording: Wording, city: City) -> str | None:
    if template.remedy is None:
        return None
    decided_in = deciding_jurisdiction(template.remedy.decided_by, event=event, district_stages=wording.district_stages.stages, city_id=city.id)
    text = wording.remedy_text(template.remedy.kind, on=event.happened_on)
    return text.format(authority_zh=wording.authority_zh(decided_in))


async def mark_read(tx: Tx, message_id: UUID, *, caller: Caller, at: datetime) -> AnyRow:
    """Raises NotFound for a message that is absent or outside the caller's jurisdictions."""
    await queries.message_for(tx, message_id, caller=caller)
    await tx.execute(_MARK, {"message_id": message_id, "at": at, "by": caller.id})
    return await queries.message_for(tx, message_id, caller=caller)
