"""HTTP edge of the case card: everything about one case in the budget, for the city and for its own district."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel

from services.budget.case_card import queries
from services.budget.case_card.rules import TITLE_ZH, Happened
from services.budget.payee.rules import masked_number
from services.budget.payment.api import PaymentOrderView
from services.budget.payment.queries import orders_after
from services.budget.snapshot.api import SnapshotView
from services.budget.snapshot.queries import snapshot_of
from services.budget.snapshot.rules import AsOf
from services.budget.waiting.rules import ReservationState
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow
from shared.paging import PAGE_ROWS_MAX
from shared.web import Live
from shared.web import router as new_router

router = new_router("ledger")


class ReservationView(BaseModel):
    """One proposal of the case. What is payable by it is absent until the award is confirmed."""

    proposal_id: UUID
    state: ReservationState
    case_number: str | None
    applicant_uscc: str | None
    fiscal_year: int | None
    line_id: str | None
    jurisdiction_id: str | None
    amount_fen: int | None
    policy_version: str | None
    proposed_on: date | None
    reason: str | None
    payable_fen: int | None
    notice_number: str | None
    confirmed_on: date | None


class HeldView(BaseModel):
    account: str
    held_fen: int


class HappeningView(BaseModel):
    """`what` is the kind, state or outcome of it; `id` is that of the order, bank row, freeze, clawback, document, account or proposal."""

    at: datetime
    on: date | None
    happened: Happened
    title_zh: str
    what: str
    seq: int | None
    voucher: str | None
    dr: str | None
    cr: str | None
    amount_fen: int | None
    document: str | None
    reason: str | None
    by: str | None
    id: UUID | None
    issue: int | None
    account_number_masked: str | None

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        masked = masked_number(row.number_last_4) if row.number_last_4 else None
        title_zh = TITLE_ZH[Happened(row.happened)]
        return cls.model_validate({**row._mapping, "on": row.on_day, "by": row.by_whom, "title_zh": title_zh, "account_number_masked": masked})


class CaseCardView(SnapshotView):
    """`complete` is false for a case of more than a thousand happenings: the journal has the rest."""

    application_id: UUID
    reservations: list[ReservationView]
    held: list[HeldView]
    payment_orders: list[PaymentOrderView]
    timeline: list[HappeningView]
    complete: bool


@router.get("/v1/ledger/case-cards/{application_id}", summary="Everything about one case in the budget | 单个案件的资金全程")
async def get_case_card(caller: Annotated[Caller, may("ledger:read")], live: Live, application_id: UUID) -> CaseCardView:
    async with live.snapshot() as tx:
        snapshot = await snapshot_of(tx, AsOf())
        reservations = await queries.reservations_of(tx, application_id, caller=caller)
        held = await queries.held_by(tx, application_id)
        timeline = await queries.timeline_of(tx, application_id, reservations=reservations, caller=caller)
        orders = await orders_after(
            tx, state=None, fiscal_year=None, application_id=application_id, after_id=None, caller=caller, rows_max=PAGE_ROWS_MAX
        )
    return CaseCardView(
        **SnapshotView.of(snapshot).model_dump(),
        application_id=application_id,
        reservations=[ReservationView.model_validate(row._mapping) for row in reservations],
        held=[HeldView.model_validate(row._mapping) for row in held],
        payment_orders=[PaymentOrderView.of(row) for row in orders],
        timeline=[HappeningView.of(row) for row in timeline],
        complete=len(timeline) < queries.TIMELINE_ROWS_MAX,
    )
