"""Objections over HTTP, entered and decided by officers of the city."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.applications.intake.commands import Ground
from services.applications.intake.rules import State
from services.applications.notice.rules import ObjectionState, next_step_of_objection
from services.applications.objection import commands, queries
from services.applications.policy.in_use import catalogue
from services.applications.review.rules import REASON_CHARS_MAX
from shared.auth import may
from shared.caller import Caller
from shared.day import Instant
from shared.db import AnyRow
from shared.idempotency import Once
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.visible import Visible
from shared.web import IfMatch, Live, Wire, etag, require_version, router

objections = router("objections")

OBJECTION_EXAMPLE: dict[str, Any] = {
    "notice_id": "01994e6e-7c1a-7000-8000-000000000001",
    "application_id": "01994e6e-7c1a-7000-8000-000000000002",
    "grounds": "该项目与另一单位申报的项目内容重复",
    "received_at": "2025-09-29T10:20:00+08:00",
}


class EnterObjection(Wire):
    """`received_at` is when it reached the office: what counts for the last day of the notice."""

    model_config = ConfigDict(json_schema_extra={"examples": [OBJECTION_EXAMPLE]})

    notice_id: UUID
    application_id: UUID
    grounds: Annotated[str, Field(min_length=4, max_length=4_000), Visible(4)]
    received_at: Instant


class DecideObjection(Wire):
    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "admitted", "reason": "情况属实，需要核查"}]})

    decision: Literal["admitted", "not_admitted", "upheld", "dismissed"]
    reason: str = Field(max_length=REASON_CHARS_MAX)


class ObjectionView(BaseModel):
    """Grounds and reason may name people: they are shown to the officers who decide, and go nowhere else.

    `entered_late`: received in time, and entered when the award was confirmed already; the next step says what can still be done.
    """

    id: UUID
    notice_id: UUID
    application_id: UUID
    state: str
    version: int
    grounds: str
    received_at: datetime
    entered_by: str
    entered_late: bool
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    case_state: str
    next_step_zh: str
    next_step_en: str

    @classmethod
    def of(cls, row: AnyRow, *, case_state: str) -> "ObjectionView":
        next_zh, next_en = next_step_of_objection(ObjectionState(row.state), case=State(case_state))
        return cls.model_validate({**row._mapping, "case_state": case_state, "next_step_zh": next_zh, "next_step_en": next_en})


@objections.post("/v1/objections", status_code=201, response_model=ObjectionView, summary="Enter an objection to a notice | 登记公示异议")
async def enter_objection(body: EnterObjection, caller: Annotated[Caller, may("objections:enter")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        entered = await commands.enter_objection(
            tx,
            notice_id=body.notice_id,
            application_id=body.application_id,
            grounds=body.grounds,
            received_at=body.received_at,
            ground=Ground(catalogue=catalogue(), calendar=live.calendar, city=live.city),
            caller=caller,
            moment=live.now(),
        )
        return await once.keep(
            tx, ObjectionView.of(entered.objection, case_state=entered.case.state), status=201, headers=etag(entered.objection.version)
        )


@objections.get("/v1/objections", summary="Objections with their grounds | 公示异议列表")
async def list_objections(
    caller: Annotated[Caller, may("objections:read")],
    live: Live,
    state: Annotated[ObjectionState | None, Query()] = None,
    notice_id: Annotated[UUID | None, Query()] = None,
    application_id: Annotated[UUID | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ObjectionView]:
    filters = {"state": state, "notice_id": notice_id, "application_id": application_id}
    async with live.transaction() as tx:
        rows = await queries.objections_after(tx, caller=caller, filters=filters, after_id=id_of_last(cursor), rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=lambda row: ObjectionView.of(row, case_state=row.case_state), place=lambda row: (row.id,))


@objections.post("/v1/objections/{objection_id}:decide", response_model=ObjectionView, summary="Decide on an objection | 处理公示异议")
async def decide_objection(
    objection_id: UUID, body: DecideObjection, caller: Annotated[Caller, may("objections:decide")], once: Once, expected: IfMatch, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        standing = await commands.lock_objection(tx, objection_id=objection_id, caller=caller)
        require_version(current=standing.version, expected=expected)
        decided = await commands.decide_objection(
            tx,
            standing,
            target=ObjectionState(body.decision),
            reason=body.reason,
            ground=Ground(catalogue=catalogue(), calendar=live.calendar, city=live.city),
            caller=caller,
            moment=live.now(),
        )
        view = ObjectionView.of(decided.objection, case_state=decided.case.state)
        return await once.keep(tx, view, status=200, headers=etag(decided.objection.version))
