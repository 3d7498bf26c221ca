"""HTTP edge of the books: balances and the journal, both read only."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from services.budget import policy
from services.budget.ledger import queries
from services.budget.ledger.queries import Balances
from services.budget.ledger.rules import require_whole_city
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow
from shared.paging import Cursor, Limit, Page, number_of_last, page_of
from shared.web import Live
from shared.web import router as new_router

router = new_router("ledger")

FiscalYear = Annotated[int, Query(ge=2000, le=2999, description="Fiscal year | 预算年度")]


class LineBalanceView(BaseModel):
    line_id: str
    title_zh: str | None
    title_en: str | None
    reserved_fen: int
    in_transit_fen: int
    paid_fen: int


class BalancesView(BaseModel):
    """appropriated = available + reserved + in transit + paid, as of the posting `as_of_seq`."""

    fiscal_year: int
    as_of_seq: int
    as_of_booked_at: datetime
    appropriated_fen: int
    available_fen: int
    reserved_fen: int
    in_transit_fen: int
    paid_fen: int
    lines: list[LineBalanceView]


class EntryView(BaseModel):
    seq: int
    voucher: str
    leg: int
    kind: str
    dr: str
    cr: str
    amount_fen: int
    fiscal_year: int
    origin_year: int
    line_id: str | None
    jurisdiction_id: str | None
    application_id: UUID | None
    proposal_id: UUID | None
    policy_version: str
    funding_source: str
    document: str
    expenditure_category: str | None
    maker: str | None
    checker: str | None
    approver: str | None
    booked_at: datetime
    effective_on: date
    caller: str
    key: str

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


@router.get("/v1/ledger/balances", summary="The fund of a year by line and state | 年度资金余额（按项目和状态）")
async def get_balances(caller: Annotated[Caller, may("ledger:read")], live: Live, fiscal_year: FiscalYear) -> BalancesView:
    require_whole_city(caller)
    fund = policy.current().fund_of_year(fiscal_year)
    async with live.snapshot() as tx:
        found = await queries.balances(tx, fiscal_year=fiscal_year, line_ids=[line.id for line in fund.lines] if fund else [])
    return _balances_view(found)


@router.get("/v1/ledger/entries", summary="The journal in its order | 查询记账分录")
async def list_entries(
    caller: Annotated[Caller, may("ledger:read")],
    live: Live,
    fiscal_year: Annotated[int | None, Query(ge=2000, le=2999)] = None,
    application_id: UUID | None = None,
    voucher: Annotated[str | None, Query(max_length=40)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EntryView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.entries(
            tx, fiscal_year=fiscal_year, application_id=application_id, voucher=voucher, after_seq=number_of_last(cursor), rows_max=limit + 1
        )
    return page_of(rows, rows_max=limit, view=EntryView.of, place=lambda row: (row.seq,))


def _balances_view(found: Balances) -> BalancesView:
    fund = policy.current().fund_of_year(found.fiscal_year)
    titles = {line.id: {"title_zh": line.title_zh, "title_en": line.title_en} for line in fund.lines} if fund else {}
    untitled = {"title_zh": None, "title_en": None}
    lines = [{**asdict(each), **titles.get(each.line_id, untitled)} for each in found.lines]
    return BalancesView.model_validate({**asdict(found), "lines": lines})
