"""HTTP edge of the daily reconciliation: what each day moved, what is open, and whether all books agree."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from services.budget.bank.rules import BankOutcome
from services.budget.ledger.rules import require_whole_city
from services.budget.payment.rules import OrderState
from services.budget.payment_request.rules import DifferenceKind
from services.budget.reconciliation import queries
from services.budget.reconciliation.rules import SIDES, Check, Checked, Day, age_days, check_days, days_between, is_balanced
from services.budget.snapshot.api import SnapshotView
from services.budget.snapshot.queries import snapshot_of
from services.budget.snapshot.rules import AsOf
from shared.auth import may
from shared.caller import Caller
from shared.day import Day as WrittenDay
from shared.db import AnyRow
from shared.web import Live
from shared.web import router as new_router

router = new_router("ledger")

DAYS_BY_DEFAULT = 7


class DayView(BaseModel):
    """By the day of booking. `answers` were refused or wait and moved nothing; `in_transit_fen` is what was on its way at the end of the day."""

    day: date
    vouchers: int
    answers: int
    ordered_fen: int
    confirmed_fen: int
    returned_fen: int
    in_transit_fen: int

    @classmethod
    def of(cls, day: Day) -> Self:
        moved = day.moved
        return cls(
            day=day.day,
            vouchers=moved.vouchers,
            answers=moved.answers,
            ordered_fen=moved.ordered_fen,
            confirmed_fen=moved.confirmed_fen,
            returned_fen=moved.returned_fen,
            in_transit_fen=day.in_transit_fen,
        )


class OpenOrderView(BaseModel):
    id: UUID
    bank_reference: str
    case_number: str
    jurisdiction_id: str
    fiscal_year: int
    amount_fen: int
    ordered_on: date
    age_days: int

    @classmethod
    def of(cls, row: AnyRow, *, on: date) -> Self:
        return cls.model_validate({**row._mapping, "age_days": age_days(row.ordered_on, on=on)})


class UnmatchedView(BaseModel):
    """`cause` says why the row fits nothing; `expected_fen` and `order_state` are what we have under its reference."""

    id: UUID
    bank_reference: str
    outcome: BankOutcome
    settled_on: date
    amount_fen: int | None
    reason: str | None
    document: str
    cause: str
    received_at: datetime
    expected_fen: int | None
    order_state: OrderState | None


class SheetDifferenceView(BaseModel):
    """How a sheet that came back differed from its request for payment."""

    payment_request_id: UUID
    document: str
    imported_at: datetime
    kind: DifferenceKind
    row: int | None
    bank_reference: str
    expected: str | None
    found: str | None


class CheckView(BaseModel):
    """Two sums from two places: of money in fen, of rows and vouchers their number."""

    check: Check
    title_zh: str
    left_is: str
    right_is: str
    left: int
    right: int
    equal: bool

    @classmethod
    def of(cls, checked: Checked) -> Self:
        title_zh, left_is, right_is = SIDES[checked.check]
        return cls(
            check=checked.check,
            title_zh=title_zh,
            left_is=left_is,
            right_is=right_is,
            left=checked.left,
            right=checked.right,
            equal=checked.is_equal,
        )


class ReconciliationView(SnapshotView):
    """Lists show their first 200 rows; the counts and sums beside them are of all."""

    balanced: bool
    checks: list[CheckView]
    days: list[DayView]
    in_transit_orders: int
    in_transit_fen: int
    in_transit: list[OpenOrderView]
    unmatched_rows: int
    unmatched: list[UnmatchedView]
    difference_rows: int
    differences: list[SheetDifferenceView]


@router.get("/v1/ledger/reconciliation", summary="Daily reconciliation of the books | 每日对账")
async def get_reconciliation(
    caller: Annotated[Caller, may("ledger:read")],
    live: Live,
    first_day: Annotated[WrittenDay | None, Query(description="By default six days before the last | 默认最后一日前六天")] = None,
    last_day: Annotated[WrittenDay | None, Query(description="By default today | 默认今日")] = None,
) -> ReconciliationView:
    """At most 31 days. The checks, what is in transit and what is unmatched are as of now, whatever days are asked for."""
    require_whole_city(caller)
    today, zone = live.now().on, live.clock.zone
    last = last_day or today
    first = first_day or date.fromordinal(max(1, last.toordinal() - DAYS_BY_DEFAULT + 1))
    check_days(first, last=last, today=today)
    async with live.snapshot() as tx:
        snapshot = await snapshot_of(tx, AsOf())
        moved = await queries.moved_since(tx, first, zone=zone, snapshot=snapshot)
        in_transit_fen = await queries.in_transit_fen(tx)
        checks = await queries.checks(tx, snapshot=snapshot)
        orders, unmatched = await queries.open_orders(tx), await queries.unmatched_rows(tx)
        differences = await queries.differences(tx, first=first, last=last, zone=zone)
    return ReconciliationView(
        **SnapshotView.of(snapshot).model_dump(),
        balanced=is_balanced(checks),
        checks=[CheckView.of(each) for each in checks],
        days=[DayView.of(each) for each in days_between(first, last=last, moved=moved, in_transit_fen=in_transit_fen)],
        in_transit_orders=orders[0].orders_in_all if orders else 0,
        in_transit_fen=in_transit_fen,
        in_transit=[OpenOrderView.of(row, on=today) for row in orders],
        unmatched_rows=_in_all(unmatched),
        unmatched=[UnmatchedView.model_validate(row._mapping) for row in unmatched],
        difference_rows=_in_all(differences),
        differences=[SheetDifferenceView.model_validate(row._mapping) for row in differences],
    )


def _in_all(rows: Sequence[AnyRow]) -> int:
    return int(rows[0].rows_in_all) if rows else 0
