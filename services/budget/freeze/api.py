"""HTTP edge of orders to stop."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, model_validator
from pydantic_core import PydanticCustomError

from services.budget import policy
from services.budget.allotment.rules import check_line_of_any
from services.budget.edge import Document, DryRun, LineId, Remark, act_of, example, rehearsable
from services.budget.freeze import commands, queries
from services.budget.freeze.rules import Scope
from services.budget.ledger.rules import require_whole_city
from shared.auth import may
from shared.caller import Caller
from shared.day import Day
from shared.db import AnyRow
from shared.idempotency import Once
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.visible import Name
from shared.web import IfMatch, Live, Wire, etag
from shared.web import router as new_router

router = new_router("freezes")


class OrderFreeze(Wire):
    """Of a case with its id, of a line with its id, or of the whole fund. `authority` gave the document and is to be asked."""

    model_config = example(
        scope="case",
        application_id="01994e6e-7c1a-7000-8000-000000000001",
        document="审通〔2025〕7号",
        authority="示例审计局",
        reason="核查中，暂停拨付",
        ordered_on="2025-09-01",
    )

    scope: Literal["case", "line", "fund"]
    application_id: UUID | None = None
    line_id: LineId | None = None
    document: Document
    authority: Name
    reason: Remark
    ordered_on: Day

    @model_validator(mode="after")
    def check_scope(self) -> Self:
        if (self.scope == "case") != (self.application_id is not None) or (self.scope == "line") != (self.line_id is not None):
            raise PydanticCustomError(
                "names-its-scope",
                "Name the case for a case, the line for a line, neither for the fund.",
                {"detail_zh": "范围为案件须填案件标识，为项目须填支出项目，为全部资金则两者均不填。"},
            )
        return self


class LiftFreeze(Wire):
    model_config = example(document="审通〔2025〕12号")

    document: Document


class FreezeView(BaseModel):
    """In force until it names a lifting document."""

    id: UUID
    scope: Scope
    application_id: UUID | None
    line_id: str | None
    uscc: str | None
    jurisdiction_id: str | None
    document: str
    authority: str
    reason: str
    ordered_on: date
    ordered_by: str
    ordered_at: datetime
    lifting_document: str | None
    lifted_by: str | None
    lifted_at: datetime | None
    version: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


@router.post("/v1/freezes", status_code=201, response_model=FreezeView, summary="Order to stop a case, a line or the fund | 登记暂停通知")
async def order_freeze(
    body: OrderFreeze, caller: Annotated[Caller, may("freezes:order")], once: Once, live: Live, dry_run: DryRun = False
) -> Response:
    require_whole_city(caller)
    # An order that names no line of ours would stop nothing, and nobody would know.
    check_line_of_any(body.line_id, catalogue=policy.current(), pointer="/line_id")
    async with rehearsable(live, dry_run=dry_run) as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        ordered = await commands.order_freeze(
            tx,
            scope=Scope(body.scope),
            application_id=body.application_id,
            line_id=body.line_id,
            document=body.document,
            authority=body.authority,
            reason=body.reason,
            ordered_on=body.ordered_on,
            act=act_of(once, moment=live.now()),
        )
        return await once.keep(tx, FreezeView.of(ordered), status=201, headers=etag(ordered.version))


@router.post("/v1/freezes/{freeze_id}:lift", response_model=FreezeView, summary="Lift an order to stop under its document | 解除暂停")
async def lift_freeze(
    freeze_id: UUID,
    body: LiftFreeze,
    caller: Annotated[Caller, may("freezes:lift")],
    once: Once,
    version: IfMatch,
    live: Live,
    dry_run: DryRun = False,
) -> Response:
    require_whole_city(caller)
    async with rehearsable(live, dry_run=dry_run) as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        act = act_of(once, moment=live.now())
        lifted = await commands.lift_freeze(tx, freeze_id, version=version, document=body.document, act=act, catalogue=policy.current())
        return await once.keep(tx, FreezeView.of(lifted), status=200, headers=etag(lifted.version))


@router.get("/v1/freezes", summary="Orders to stop, in force and lifted | 查询暂停通知")
async def list_freezes(caller: Annotated[Caller, may("freezes:read")], live: Live, limit: Limit = 50, cursor: Cursor = None) -> Page[FreezeView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.freezes(tx, after_id=id_of_last(cursor), rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=FreezeView.of, place=lambda row: (row.id,))
