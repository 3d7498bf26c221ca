"""HTTP edge of the books: balances and the journal, both read only."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Depends, Query, Response
from pydantic import BaseModel

from services.budget import policy
from services.budget.entry.rules import Outcome
from services.budget.ledger import queries
from services.budget.ledger.queries import EntryFilter, Level, Place
from services.budget.ledger.rules import Account, AccountName, Kind, require_whole_city
from services.budget.snapshot.api import AsOfAsked, DaysAsked, KnownTags, SnapshotView, sealed, unchanged
from services.budget.snapshot.queries import snapshot_of
from services.budget.snapshot.rules import AsOf, Snapshot, totals_by_name
from shared.auth import may
from shared.caller import Caller
from shared.day import Instant
from shared.db import AnyRow
from shared.paging import BIGINT_END, Cursor, Limit, next_cursor, number_of_last
from shared.web import Live
from shared.web import router as new_router

router = new_router("ledger")

FiscalYear = Annotated[int, Query(ge=2000, le=2999, description="Fiscal year | 预算年度")]
LevelAsked = Annotated[Level | None, Query(description="What to tell apart in `levels` | 汇总口径")]

_FIELD = {
    AccountName.APPROVED: "appropriated_fen",
    AccountName.UNALLOTTED: "unallotted_fen",
    AccountName.AVAILABLE: "available_fen",
    AccountName.RESERVED: "reserved_fen",
    AccountName.IN_TRANSIT: "in_transit_fen",
    AccountName.PAID: "paid_fen",
    AccountName.TO_REMIT: "to_remit_fen",
    AccountName.RECOVERED_LATE: "recovered_late_fen",
    AccountName.REMITTED: "remitted_fen",
    AccountName.CARRIED: "carried_fen",
    AccountName.LAPSED: "lapsed_fen",
}


class FiguresView(BaseModel):
    """One sum for each account name of the books."""

    appropriated_fen: int
    unallotted_fen: int
    available_fen: int
    reserved_fen: int
    in_transit_fen: int
    paid_fen: int
    to_remit_fen: int
    recovered_late_fen: int
    remitted_fen: int
    carried_fen: int
    lapsed_fen: int


class LineBalanceView(FiguresView):
    line_id: str
    title_zh: str | None
    title_en: str | None


class LevelBalanceView(FiguresView):
    """What is absent is not told apart at this level, or the money is not narrowed to any."""

    line_id: str | None
    jurisdiction_id: str | None
    origin_year: int | None


class BalancesView(SnapshotView, FiguresView):
    """As of the row `as_of_seq`. Of a window of effective days these are the movements within it, and may be below zero."""

    fiscal_year: int
    lines: list[LineBalanceView]
    levels: list[LevelBalanceView]


class EntryView(BaseModel):
    """Only what is posted has a voucher and accounts; what was refused or waits has the reason."""

    seq: int
    outcome: Outcome
    voucher: str | None
    leg: int
    kind: Kind
    dr: str | None
    cr: str | None
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
    reverses_seq: int | None
    reason: str | None
    booked_at: datetime
    effective_on: date
    caller: str
    key: str
    item: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


class EntriesView(SnapshotView):
    """A page of the journal as it stood at the row `as_of_seq`; `next_cursor` is absent on the last page."""

    rows: list[EntryView]
    next_cursor: str | None


async def _entry_filter(
    days: DaysAsked,
    fiscal_year: Annotated[int | None, Query(ge=2000, le=2999)] = None,
    application_id: UUID | None = None,
    voucher: Annotated[str | None, Query(max_length=40)] = None,
    kind: Kind | None = None,
    line_id: Annotated[str | None, Query(max_length=40)] = None,
    jurisdiction_id: Annotated[str | None, Query(max_length=40)] = None,
    outcome: Outcome | None = None,
    booked_from: Annotated[Instant | None, Query(description="Booked at this instant or later | 记账时刻自")] = None,
    booked_to: Annotated[Instant | None, Query(description="Booked at this instant or earlier | 记账时刻至")] = None,
) -> EntryFilter:
    return EntryFilter(
        fiscal_year=fiscal_year,
        application_id=application_id,
        voucher=voucher,
        kind=kind,
        line_id=line_id,
        jurisdiction_id=jurisdiction_id,
        outcome=outcome,
        days=days,
        booked_from=booked_from,
        booked_to=booked_to,
    )


@router.get(
    "/v1/ledger/balances", response_model=BalancesView, summary="The fund of a year by line and state | 年度资金余额（按项目和状态，可查历史时点）"
)
async def get_balances(
    caller: Annotated[Caller, may("ledger:read")],
    live: Live,
    fiscal_year: FiscalYear,
    as_of: AsOfAsked,
    days: DaysAsked,
    known: KnownTags,
    by: LevelAsked = None,
) -> Response:
    """The ETag is the chain of the row that the answer is of; `If-None-Match` with it is answered 304 as long as nothing was booked."""
    require_whole_city(caller)
    async with live.snapshot() as tx:
        snapshot = await snapshot_of(tx, as_of)
        if (answer := unchanged(snapshot, known=known)) is not None:
            return answer
        found = await queries.balances(tx, fiscal_year=fiscal_year, as_of=as_of, snapshot=snapshot, days=days)
    return sealed(_balances_view(found, fiscal_year=fiscal_year, level=by, snapshot=snapshot), snapshot=snapshot)


@router.get("/v1/ledger/entries", response_model=EntriesView, summary="The journal in its order | 查询记账分录")
async def list_entries(
    caller: Annotated[Caller, may("ledger:read")],
    live: Live,
    wanted: Annotated[EntryFilter, Depends(_entry_filter)],
    known: KnownTags,
    after_seq: Annotated[int, Query(ge=0, lt=BIGINT_END, description="Rows after this one | 自该分录之后")] = 0,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """`If-None-Match` is answered as for the balances."""
    require_whole_city(caller)
    async with live.snapshot() as tx:
        snapshot = await snapshot_of(tx, AsOf())
        if (answer := unchanged(snapshot, known=known)) is not None:
            return answer
        rows = await queries.entries(tx, wanted, after_seq=max(after_seq, number_of_last(cursor)), rows_max=limit + 1)
    page = EntriesView(
        **SnapshotView.of(snapshot).model_dump(),
        rows=[EntryView.of(row) for row in rows[:limit]],
        next_cursor=next_cursor(rows, rows_max=limit, place=lambda row: (row.seq,)),
    )
    return sealed(page, snapshot=snapshot)


def _balances_view(found: Mapping[Account, int], *, fiscal_year: int, level: Level | None, snapshot: Snapshot) -> BalancesView:
    fund = policy.current().fund_spending_in(fiscal_year)
    titles = {line.id: {"title_zh": line.title_zh, "title_en": line.title_en} for line in fund.lines} if fund else {}
    by_line = queries.by_level(found, level=Level.LINE, places=[Place(line_id=line_id) for line_id in titles])
    untitled = {"title_zh": None, "title_en": None}
    lines = [
        {"line_id": place.line_id, **titles.get(place.line_id, untitled), **_figures(fen)}
        for place, fen in by_line.items()
        if place.line_id is not None
    ]
    levels = queries.by_level(found, level=level) if level is not None else {}
    return BalancesView.model_validate(
        {
            **SnapshotView.of(snapshot).model_dump(),
            **_figures(totals_by_name(found)),
            "fiscal_year": fiscal_year,
            "lines": lines,
            "levels": [{**_place(place), **_figures(fen)} for place, fen in levels.items()],
        }
    )


def _figures(fen: Mapping[AccountName, int]) -> dict[str, int]:
    return {field: fen.get(name, 0) for name, field in _FIELD.items()}


def _place(place: Place) -> dict[str, Any]:
    return {"line_id": place.line_id, "jurisdiction_id": place.jurisdiction_id, "origin_year": place.origin_year}
