"""HTTP edge of allotments: free money of the year narrowed to a line, a jurisdiction or both."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel

from services.budget import policy
from services.budget.allotment import commands, queries
from services.budget.edge import Document, DryRun, FiscalYear, JurisdictionId, LineId, act_of, example, rehearsable, require_jurisdiction
from services.budget.ledger.rules import require_whole_city
from shared.auth import may
from shared.caller import Caller
from shared.day import Day
from shared.db import AnyRow
from shared.idempotency import Once
from shared.money import Fen
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.web import Live, Wire
from shared.web import router as new_router

router = new_router("allotments")


class RecordAllotment(Wire):
    model_config = example(
        fiscal_year=2025, line_id="2023-15/2", jurisdiction_id=None, amount_fen=30_000_000, document="财预指〔2025〕9号", approved_on="2025-03-01"
    )

    fiscal_year: FiscalYear
    line_id: LineId | None = None
    jurisdiction_id: JurisdictionId | None = None
    amount_fen: Fen
    document: Document
    approved_on: Day


class AllotmentView(BaseModel):
    id: UUID
    fiscal_year: int
    line_id: str | None
    jurisdiction_id: str | None
    amount_fen: int
    document: str
    approved_on: date
    voucher: str
    recorded_by: str
    recorded_at: datetime

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


@router.post(
    "/v1/allotments", status_code=201, response_model=AllotmentView, summary="Allot money to a line, a jurisdiction or both | 分配资金到项目、辖区"
)
async def record_allotment(
    body: RecordAllotment, caller: Annotated[Caller, may("allotments:record")], once: Once, live: Live, dry_run: DryRun = False
) -> Response:
    require_whole_city(caller)
    require_jurisdiction(live, jurisdiction_id=body.jurisdiction_id)
    async with rehearsable(live, dry_run=dry_run) as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        recorded = await commands.allot(
            tx,
            fiscal_year=body.fiscal_year,
            line_id=body.line_id,
            jurisdiction_id=body.jurisdiction_id,
            amount_fen=body.amount_fen,
            document=body.document,
            approved_on=body.approved_on,
            act=act_of(once, moment=live.now()),
            catalogue=policy.current(),
        )
        return await once.keep(tx, AllotmentView.of(recorded), status=201)


@router.get("/v1/allotments", summary="Allotments as they were recorded | 查询资金分配")
async def list_allotments(
    caller: Annotated[Caller, may("allotments:read")],
    live: Live,
    fiscal_year: Annotated[int | None, Query(ge=2000, le=2999)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AllotmentView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.allotments(tx, fiscal_year=fiscal_year, after_id=id_of_last(cursor), rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=AllotmentView.of, place=lambda row: (row.id,))
