"""HTTP edge of late payments: what the bank paid after all, or says that it did."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict

from services.budget import policy
from services.budget.edge import act_of
from services.budget.late_payment import commands, queries
from services.budget.late_payment.rules import LateOutcome
from services.budget.ledger.rules import require_whole_city
from services.budget.payee.rules import without_numbers
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow
from shared.idempotency import Once
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.visible import Reason
from shared.web import IfMatch, Live, Wire, etag
from shared.web import router as new_router

router = new_router("late-payments")


class DecideLatePayment(Wire):
    """What was found out with the bank. Account numbers in the reason are cut down when it is read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "bank_error", "reason": "银行重复推送，经电话核实款项未到账"}]})

    outcome: LateOutcome
    reason: Reason


class LatePaymentView(BaseModel):
    """While `outcome` is absent, the case is paid to nobody. `said_fen` is the amount of the bank's row where it had one."""

    id: UUID
    payment_order_id: UUID
    application_id: UUID
    bank_reference: str
    amount_fen: int
    said_fen: int | None
    returned_on: date | None
    settled_on: date
    document: str
    received_by: str
    received_at: datetime
    outcome: LateOutcome | None
    reason: str | None
    decided_by: str | None
    decided_at: datetime | None
    version: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


@router.get("/v1/late-payments", summary="Returned payments that the bank reports as paid | 查询退回后又报到账的款项")
async def list_late_payments(
    caller: Annotated[Caller, may("late-payments:read")],
    live: Live,
    decision: Annotated[Literal["open", "decided"] | None, Query(description="Open or decided | 待核实或已办结")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LatePaymentView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.late_payments_after(tx, decision=decision, after_id=id_of_last(cursor), rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=LatePaymentView.of, place=lambda row: (row.id,))


@router.post(
    "/v1/late-payments/{late_payment_id}:decide",
    response_model=LatePaymentView,
    summary="Decide whether a returned payment arrived after all | 核实退回款项是否已到账",
)
async def decide_late_payment(
    late_payment_id: UUID,
    body: DecideLatePayment,
    caller: Annotated[Caller, may("late-payments:decide")],
    once: Once,
    expected: IfMatch,
    live: Live,
) -> Response:
    require_whole_city(caller)
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        decided = await commands.decide_late_payment(
            tx,
            late_payment_id,
            version=expected,
            outcome=body.outcome,
            reason=without_numbers(body.reason),
            act=act_of(once, moment=live.now()),
            catalogue=policy.current(),
        )
        return await once.keep(tx, LatePaymentView.of(decided), status=200, headers=etag(decided.version))
