"""HTTP of portal records: what the portal was sent, what it has, and how much is left."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel

from services.notifications.case.rules import CaseNumber
from services.notifications.portal import queries
from services.notifications.portal.rules import RecordKind, RecordState
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.web import Live
from shared.web import router as new_router

router = new_router("portal-records")


class PortalRecordView(BaseModel):
    """`content` is what is sent, in the interface's own fields, without the applicant's mobile number."""

    id: UUID
    application_id: UUID
    case_number: str
    projid: str
    jurisdiction_id: str
    case_version: int
    event_type: str
    position: int
    kind: RecordKind
    sn: int
    dataver: int
    content: dict[str, str]
    state: RecordState
    attempts: int
    last_answer: str | None
    created_at: datetime
    accepted_at: datetime | None

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class RecordCount(BaseModel):
    kind: RecordKind
    state: RecordState
    records: int


class RecordSummary(BaseModel):
    counts: list[RecordCount]


@router.get("/v1/portal-records", summary="List portal records in the order of reporting | 查询上报记录")
async def list_portal_records(
    caller: Annotated[Caller, may("portal-records:read")],
    live: Live,
    case_number: CaseNumber | None = None,
    kind: RecordKind | None = None,
    state: RecordState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PortalRecordView]:
    after_id = id_of_last(cursor)
    async with live.transaction() as tx:
        rows = await queries.records(tx, caller=caller, case_number=case_number, kind=kind, state=state, after_id=after_id, rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=PortalRecordView.of, place=lambda row: (row.id,))


@router.get("/v1/portal-records/summary", summary="Count portal records by kind and state | 上报记录统计")
async def count_portal_records(caller: Annotated[Caller, may("portal-records:read")], live: Live) -> RecordSummary:
    async with live.transaction() as tx:
        rows = await queries.counts(tx, caller=caller)
    return RecordSummary(counts=[RecordCount(kind=row.kind, state=row.state, records=row.records) for row in rows])
