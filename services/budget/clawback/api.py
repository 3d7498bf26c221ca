"""HTTP edge of recovery: the order, each receipt, and what goes on to the treasury."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel

from services.budget import policy
from services.budget.clawback import commands, queries
from services.budget.clawback.commands import Receipt
from services.budget.clawback.rules import ClawbackState
from services.budget.edge import Document, DryRun, Reference, act_of, example, rehearsable
from services.budget.ledger.rules import require_whole_city
from services.budget.payee.rules import without_numbers
from shared.auth import may
from shared.caller import Caller
from shared.day import Day
from shared.db import AnyRow
from shared.idempotency import Once
from shared.money import Fen
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.visible import Reason
from shared.web import IfMatch, Live, Wire, etag
from shared.web import router as new_router

router = new_router("clawbacks")


class OrderClawback(Wire):
    """The reason is announced: account numbers in it are cut down when it is read."""

    model_config = example(
        payment_order_id="01994e6e-7c1a-7000-8000-000000000001", amount_fen=3_000_000, document="财追〔2025〕1号", reason="项目未按承诺实施"
    )

    payment_order_id: UUID
    amount_fen: Fen
    document: Document
    reason: Reason


class ReceiveClawback(Wire):
    """One payment-in as the bank shows it; several may make up the order."""

    model_config = example(amount_fen=1_000_000, received_on="2025-09-10", bank_reference="20250910000123")

    amount_fen: Fen
    received_on: Day
    bank_reference: Reference


class RemitClawback(Wire):
    model_config = example(document="非税缴款书0001")

    document: Document


class ClawbackView(BaseModel):
    """A receivable beside the books; `to_remit_fen` was received and still has to go to the treasury."""

    id: UUID
    payment_order_id: UUID
    application_id: UUID
    case_number: str
    line_id: str
    jurisdiction_id: str
    fiscal_year: int
    misuse_case_id: UUID | None
    ordered_fen: int
    received_fen: int
    to_remit_fen: int
    document: str
    reason: str
    state: ClawbackState
    receipt_vouchers: list[str]
    ordered_by: str
    ordered_at: datetime
    version: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


@router.post("/v1/clawbacks", status_code=201, response_model=ClawbackView, summary="Order a payment back | 责令追回已支付资金")
async def order_clawback(
    body: OrderClawback, caller: Annotated[Caller, may("clawbacks:order")], once: Once, live: Live, dry_run: DryRun = False
) -> Response:
    require_whole_city(caller)
    async with rehearsable(live, dry_run=dry_run) as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        ordered = await commands.order_clawback(
            tx,
            payment_order_id=body.payment_order_id,
            amount_fen=body.amount_fen,
            document=body.document,
            reason=without_numbers(body.reason),
            act=act_of(once, moment=live.now()),
        )
        return await once.keep(tx, ClawbackView.of(ordered), status=201, headers=etag(ordered.version))


@router.post("/v1/clawbacks/{clawback_id}:receive", response_model=ClawbackView, summary="Take in recovered money | 登记追回到账")
async def receive_clawback(
    clawback_id: UUID,
    body: ReceiveClawback,
    caller: Annotated[Caller, may("clawbacks:receive")],
    once: Once,
    version: IfMatch,
    live: Live,
    dry_run: DryRun = False,
) -> Response:
    require_whole_city(caller)
    async with rehearsable(live, dry_run=dry_run) as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        receipt = Receipt(amount_fen=body.amount_fen, received_on=body.received_on, bank_reference=body.bank_reference)
        act = act_of(once, moment=live.now())
        received = await commands.receive(tx, clawback_id, receipt=receipt, version=version, act=act, catalogue=policy.current())
        return await once.keep(tx, ClawbackView.of(received), status=200, headers=etag(received.version))


@router.post("/v1/clawbacks/{clawback_id}:remit", response_model=ClawbackView, summary="Remit what was recovered to the treasury | 追回资金上缴财政")
async def remit_clawback(
    clawback_id: UUID,
    body: RemitClawback,
    caller: Annotated[Caller, may("clawbacks:remit")],
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
        remitted = await commands.remit(tx, clawback_id, version=version, document=body.document, act=act, catalogue=policy.current())
        return await once.keep(tx, ClawbackView.of(remitted), status=200, headers=etag(remitted.version))


@router.get("/v1/clawbacks", summary="Orders to recover and what came in | 查询追回事项")
async def list_clawbacks(
    caller: Annotated[Caller, may("clawbacks:read")],
    live: Live,
    payment_order_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ClawbackView]:
    async with live.transaction() as tx:
        rows = await queries.clawbacks(tx, payment_order_id=payment_order_id, after_id=id_of_last(cursor), caller=caller, rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=ClawbackView.of, place=lambda row: (row.id,))
