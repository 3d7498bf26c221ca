"""Reading the case that a step belongs to."""

from uuid import UUID

from sqlalchemy import bindparam, select

from services.notifications.case.rules import Case
from services.notifications.case.tables import known_case
from services.notifications.organisation.tables import known_organisation
from shared.db import Tx

_FACTS = [column for column in known_case.columns if column.name != "application_id"]
_CASE = (
    select(*_FACTS, known_organisation.c.name.label("applicant_name"))
    .join(known_organisation, known_organisation.c.uscc == known_case.c.applicant_uscc, isouter=True)
    .where(known_case.c.application_id == bindparam("application_id"))
)


async def case_of(tx: Tx, application_id: UUID) -> Case:
    """The filing is the first event of its key and the inbox keeps their order, so a case that is missing is a fault."""
    row = (await tx.execute(_CASE, {"application_id": application_id})).one_or_none()
    assert row is not None, "a step came before the filing of its case"
    return Case(**row._mapping)
