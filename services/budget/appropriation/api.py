"""HTTP edge of appropriations."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.budget import policy
from services.budget.appropriation import commands, queries
from services.budget.edge import Document, act_of
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

router = new_router("appropriations")

FiscalYear = Annotated[int, Field(strict=True, ge=2000, le=2999)]


class RecordAppropriation(Wire):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"fiscal_year": 2025, "amount_fen": 200_000_000, "document": "财预指〔2025〕8号", "approved_on": "2025-01-20"}]
        }
    )

    fiscal_year: FiscalYear
    amount_fen: Fen
    document: Document
    approved_on: Day


class AppropriationView(BaseModel):
    """`issue` 2 and more follow on one under the same document that was taken back in full by reversals."""

    id: UUID
    fiscal_year: int
    policy_id: str
    amount_fen: int
    document: str
    approved_on: date
    voucher: str
    recorded_by: str
    recorded_at: datetime
    issue: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


@router.post(
    "/v1/appropriations",
    status_code=201,
    response_model=AppropriationView,
    summary="Record the money of a fiscal year under its document | 登记年度资金批复",
)
async def record_appropriation(
    body: RecordAppropriation, caller: Annotated[Caller, may("appropriations:record")], once: Once, live: Live
) -> Response:
    require_whole_city(caller)
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        recorded = await commands.record_appropriation(
            tx,
            fiscal_year=body.fiscal_year,
            amount_fen=body.amount_fen,
            document=body.document,
            approved_on=body.approved_on,
            act=act_of(once, moment=live.now()),
            catalogue=policy.current(),
        )
        return await once.keep(tx, AppropriationView.of(recorded), status=201)


@router.get("/v1/appropriations", response_model=Page[AppropriationView], summary="Appropriations as they were recorded | 查询年度资金批复")
async def list_appropriations(
    caller: Annotated[Caller, may("appropriations:read")],
    live: Live,
    fiscal_year: Annotated[int | None, Query(ge=2000, le=2999)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AppropriationView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.appropriations(tx, fiscal_year=fiscal_year, after_id=id_of_last(cursor), rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=AppropriationView.of, place=lambda row: (row.id,))
