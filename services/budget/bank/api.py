"""HTTP edge of the bank's files: confirmations and returns in, the reconciliation list out."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.budget import policy
from services.budget.bank import commands, queries
from services.budget.bank.commands import RowAnswer
from services.budget.bank.rules import ROWS_PER_FILE_MAX, BankOutcome, BankRow, Effect, ToReconcile
from services.budget.edge import Document, PayingNow, Reference, Remark, act_of
from services.budget.ledger.rules import require_whole_city
from services.budget.payee.rules import without_numbers
from services.budget.policy.paying import Route
from shared.auth import may
from shared.caller import Caller
from shared.day import Day
from shared.db import AnyRow
from shared.errors import problem
from shared.idempotency import Once
from shared.money import Fen
from shared.observability import current_trace_id
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.visible import Reason
from shared.web import IfMatch, Live, Wire, etag, require_version
from shared.web import router as new_router

router = new_router("bank-confirmations")

Status = Literal["matched", "reconcile"]
Reconciliation = Literal["open", "settled"]


class BankRowBody(Wire):
    """`bank_reference` is that of the payment order; a return has a reason. Account numbers in a reason are cut down when it is read."""

    bank_reference: Reference
    outcome: BankOutcome
    settled_on: Day
    amount_fen: Fen | None = None
    reason: Remark | None = None

    @model_validator(mode="after")
    def check_reason(self) -> Self:
        if (self.outcome is BankOutcome.RETURNED) != (self.reason is not None):
            raise PydanticCustomError("return-reason", "A return has a reason, a payment has none.", {"detail_zh": "退回须填写原因，到账不填。"})
        return self

    def row(self) -> BankRow:
        return BankRow(
            bank_reference=self.bank_reference,
            outcome=self.outcome,
            settled_on=self.settled_on,
            amount_fen=self.amount_fen,
            reason=None if self.reason is None else without_numbers(self.reason),
        )


class PostBankConfirmations(Wire):
    """One file of the bank: `document` is its name or number, and is what each posting names."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "document": "回单文件20250930-01",
                    "rows": [
                        {"bank_reference": "PO-2025-000001", "outcome": "paid", "settled_on": "2025-09-30"},
                        {"bank_reference": "PO-2025-000002", "outcome": "returned", "settled_on": "2025-09-30", "reason": "户名不符"},
                    ],
                }
            ]
        }
    )

    document: Document
    rows: list[BankRowBody] = Field(min_length=1, max_length=ROWS_PER_FILE_MAX)


class BankRowResult(BaseModel):
    """`status` is changed, unchanged (a repeat), reconcile (kept for a person to look at) or refused (not kept)."""

    index: int
    status: str
    payment_order_id: UUID | None = None
    problem: dict[str, Any] | None = None

    @classmethod
    def of(cls, answer: RowAnswer, *, index: int) -> Self:
        judged = answer.judged
        if isinstance(judged, Effect):
            status = "unchanged" if judged is Effect.NOTHING_NEW else "changed"
            return cls(index=index, status=status, payment_order_id=answer.payment_order_id)
        told = problem(judged, trace_id=current_trace_id())
        status = "reconcile" if isinstance(judged, ToReconcile) else "refused"
        return cls(index=index, status=status, payment_order_id=answer.payment_order_id, problem=told)


class BankRowResults(BaseModel):
    results: list[BankRowResult]


class SettleBankConfirmation(Wire):
    """What was found out. Account numbers are cut down when it is read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "银行重复推送，已与回单核对"}]})

    reason: Reason


class BankConfirmationView(BaseModel):
    """`cause` says why a row is on the reconciliation list, `settled_reason` what was found out about it; settling is its version 2."""

    id: UUID
    bank_reference: str
    outcome: BankOutcome
    settled_on: date
    amount_fen: int | None
    reason: str | None
    document: str
    status: Status
    cause: str | None
    payment_order_id: UUID | None
    received_by: str
    received_at: datetime
    settled_reason: str | None
    settled_by: str | None
    settled_at: datetime | None
    version: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


@router.post("/v1/bank-confirmations", response_model=BankRowResults, summary="A bank's file of payments and returns | 导入银行回执")
async def post_bank_confirmations(
    body: PostBankConfirmations, caller: Annotated[Caller, may("bank-confirmations:post")], once: Once, live: Live, paying: PayingNow
) -> Response:
    require_whole_city(caller)
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        answers = await commands.take_confirmations(
            tx,
            [each.row() for each in body.rows],
            said_by=Route.TREASURY,
            document=body.document,
            act=act_of(once, moment=live.now()),
            catalogue=policy.current(),
            paying=paying,
        )
        results = [BankRowResult.of(each, index=index) for index, each in enumerate(answers)]
        return await once.keep(tx, BankRowResults(results=results), status=200)


@router.get("/v1/bank-confirmations", summary="What the bank said; the reconciliation list | 查询银行回执与对账清单")
async def list_bank_confirmations(
    caller: Annotated[Caller, may("bank-confirmations:read")],
    live: Live,
    status: Status | None = None,
    reconciliation: Annotated[
        Reconciliation | None, Query(description="Rows of the reconciliation list by their state | 对账清单按办理状态筛选")
    ] = None,
    bank_reference: Annotated[str | None, Query(max_length=60)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[BankConfirmationView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.confirmations_after(
            tx,
            status=status,
            reconciliation_state=reconciliation,
            bank_reference=bank_reference,
            after_id=id_of_last(cursor),
            rows_max=limit + 1,
        )
    return page_of(rows, rows_max=limit, view=BankConfirmationView.of, place=lambda row: (row.id,))


@router.post(
    "/v1/bank-confirmations/{bank_confirmation_id}:settle",
    response_model=BankConfirmationView,
    summary="Settle a row of the reconciliation list | 办结对账事项",
)
async def settle_bank_confirmation(
    bank_confirmation_id: UUID,
    body: SettleBankConfirmation,
    caller: Annotated[Caller, may("bank-confirmations:settle")],
    once: Once,
    expected: IfMatch,
    live: Live,
) -> Response:
    require_whole_city(caller)
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        confirmation = await queries.confirmation_of(tx, bank_confirmation_id)
        require_version(current=confirmation.version, expected=expected)
        settled = await commands.settle(tx, confirmation, reason=without_numbers(body.reason), act=act_of(once, moment=live.now()))
        return await once.keep(tx, BankConfirmationView.of(settled), status=200, headers=etag(settled.version))
