"""HTTP edge of the trial balance."""

from datetime import date, timedelta
from typing import Annotated, Self

from fastapi import Query, Response
from pydantic import BaseModel

from services.budget.ledger.rules import require_whole_city
from services.budget.snapshot.api import AsOfAsked, DaysAsked, KnownTags, SnapshotView, sealed, unchanged
from services.budget.snapshot.queries import movements, snapshot_of
from services.budget.snapshot.rules import AsOf, Days, Movement, Snapshot
from services.budget.trial_balance.rules import Sides, TrialBalance, TrialRow, trial_balance
from shared.auth import may
from shared.caller import Caller
from shared.db import Tx
from shared.paging import Cursor, Limit, next_cursor, read_cursor
from shared.web import Live
from shared.web import router as new_router

router = new_router("ledger")


class SidesView(BaseModel):
    dr_fen: int
    cr_fen: int

    @classmethod
    def of(cls, sides: Sides) -> Self:
        return cls(dr_fen=sides.dr_fen, cr_fen=sides.cr_fen)


class TrialRowView(BaseModel):
    """Two rows have no account of this year: 上年结转 and 结转下年 face the money that came from and went to the years beside it."""

    account: str
    name: str
    origin_year: int | None
    line_id: str | None
    jurisdiction_id: str | None
    opening: SidesView
    turnover: SidesView
    closing: SidesView

    @classmethod
    def of(cls, row: TrialRow) -> Self:
        return cls(
            account=row.code,
            name=row.name,
            origin_year=row.account.origin_year if row.account else None,
            line_id=row.account.line_id if row.account else None,
            jurisdiction_id=row.account.jurisdiction_id if row.account else None,
            opening=SidesView.of(row.opening),
            turnover=SidesView.of(row.turnover),
            closing=SidesView.of(row.closing),
        )


class TrialBalanceView(SnapshotView):
    """The totals are of all rows, also of those on other pages; `balanced` says that each pair of them is equal."""

    fiscal_year: int
    balanced: bool
    opening: SidesView
    turnover: SidesView
    closing: SidesView
    rows: list[TrialRowView]
    next_cursor: str | None


@router.get("/v1/ledger/trial-balance", response_model=TrialBalanceView, summary="Trial balance of a fiscal year | 试算平衡表")
async def get_trial_balance(
    caller: Annotated[Caller, may("ledger:read")],
    live: Live,
    fiscal_year: Annotated[int, Query(ge=2000, le=2999, description="Fiscal year | 预算年度")],
    as_of: AsOfAsked,
    days: DaysAsked,
    known: KnownTags,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> Response:
    """Without `effective_from` the opening is what was carried over. Every page is of the row that the first was of; the ETag is its chain."""
    require_whole_city(caller)
    seq, after_code = read_cursor(cursor, int, str) or (None, "")
    async with live.snapshot() as tx:
        snapshot = await snapshot_of(tx, as_of if seq is None else AsOf(seq=max(seq, 0)))
        if (answer := unchanged(snapshot, known=known)) is not None:
            return answer
        before = await _moved_before(tx, days.first, fiscal_year=fiscal_year, snapshot=snapshot)
        within = await movements(tx, fiscal_year=fiscal_year, until_seq=snapshot.seq, days=days)
    found = trial_balance(before=before, within=within, fiscal_year=fiscal_year)
    return sealed(_view(found, fiscal_year=fiscal_year, after_code=after_code, rows_max=limit, snapshot=snapshot), snapshot=snapshot)


async def _moved_before(tx: Tx, day: date | None, *, fiscal_year: int, snapshot: Snapshot) -> list[Movement]:
    if day is None or day == date.min:
        return []
    return await movements(tx, fiscal_year=fiscal_year, until_seq=snapshot.seq, days=Days(last=day - timedelta(days=1)))


def _view(found: TrialBalance, *, fiscal_year: int, after_code: str, rows_max: int, snapshot: Snapshot) -> TrialBalanceView:
    rows = [row for row in found.rows if row.code > after_code]
    return TrialBalanceView(
        **SnapshotView.of(snapshot).model_dump(),
        fiscal_year=fiscal_year,
        balanced=found.is_balanced,
        opening=SidesView.of(found.opening),
        turnover=SidesView.of(found.turnover),
        closing=SidesView.of(found.closing),
        rows=[TrialRowView.of(row) for row in rows[:rows_max]],
        next_cursor=next_cursor(rows, rows_max=rows_max, place=lambda row: (snapshot.seq, row.code)),
    )
