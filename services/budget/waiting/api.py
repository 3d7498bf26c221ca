"""HTTP edge of the waiting list, read only: applications puts cases in, money takes them out."""

from datetime import date
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from services.budget.waiting import queries
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow
from shared.paging import Cursor, Limit, Page, number_of_last, page_of
from shared.web import Live
from shared.web import router as new_router

router = new_router("waiting-list")


class WaitingView(BaseModel):
    """`rank` 1 is served first."""

    rank: int
    application_id: UUID
    proposal_id: UUID
    case_number: str
    applicant_uscc: str
    fiscal_year: int
    line_id: str
    jurisdiction_id: str
    amount_fen: int
    proposed_on: date

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


@router.get("/v1/waiting-list", summary="Who waits for money, in rank order | 查询待安排资金名单（按次序）")
async def list_waiting(
    caller: Annotated[Caller, may("waiting-list:read")],
    live: Live,
    fiscal_year: Annotated[int, Query(ge=2000, le=2999, description="Fiscal year | 预算年度")],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[WaitingView]:
    async with live.transaction() as tx:
        rows = await queries.waiting_list(
            tx, fiscal_year=fiscal_year, jurisdictions=caller.jurisdiction_list(), after_place=number_of_last(cursor), rows_max=limit + 1
        )
    return page_of(rows, rows_max=limit, view=WaitingView.of, place=lambda row: (row.place,))
