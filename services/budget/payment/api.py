"""HTTP edge of payments: what is payable, and the orders with their three signatures, singly or many at once."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from services.budget.edge import act_of, seal_of
from services.budget.payee.rules import AccountNumber, masked_number, without_numbers
from services.budget.payment import commands, queries
from services.budget.payment.commands import Answer, Step
from services.budget.payment.rules import ORDERS_PER_CALL_MAX, OrderState
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow, Tx
from shared.errors import Refusal, problem
from shared.idempotency import Attempt, Once
from shared.observability import current_trace_id
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.visible import Reason
from shared.web import IfMatch, Live, Wire, etag
from shared.web import router as new_router

router = new_router("payment-orders")

_ID = "01994e6e-7c1a-7000-8000-000000000001"
_NUMBER = "6200000000000000001"


def _example(body: JsonDict) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [body]})


class MakePaymentOrder(Wire):
    model_config = _example({"application_id": _ID})

    application_id: UUID


class MakePaymentOrders(Wire):
    model_config = _example({"orders": [{"application_id": _ID}]})

    orders: list[MakePaymentOrder] = Field(min_length=1, max_length=ORDERS_PER_CALL_MAX)


class CheckPaymentOrder(Wire):
    """The number as the checker reads it from the payee's own paper."""

    model_config = _example({"account_number": _NUMBER})

    account_number: Annotated[AccountNumber, Field(repr=False)]


class CheckListed(CheckPaymentOrder):
    model_config = _example({"payment_order_id": _ID, "version": 1, "account_number": _NUMBER})

    payment_order_id: UUID
    version: int = Field(strict=True, ge=1)


class CheckPaymentOrders(Wire):
    model_config = _example({"orders": [{"payment_order_id": _ID, "version": 1, "account_number": _NUMBER}]})

    orders: list[CheckListed] = Field(min_length=1, max_length=ORDERS_PER_CALL_MAX)


class RejectPaymentOrder(Wire):
    model_config = _example({"reason": "户名与单位名称不一致"})

    reason: Reason


class PayeeView(BaseModel):
    payee_account_id: UUID
    account_name: str
    account_number_masked: str
    bank_name: str


class PaymentOrderView(BaseModel):
    """`issue` 2 and more follow a bank return, a rejection or a withdrawal, whose day is `returned_on`, and whose person `rejected_by`.

    `bank_reference` is the voucher of the approval: the bank's file names it.
    """

    id: UUID
    application_id: UUID
    proposal_id: UUID
    case_number: str
    applicant_uscc: str
    jurisdiction_id: str
    line_id: str
    fiscal_year: int
    issue: int
    amount_fen: int
    notice_number: str
    state: OrderState
    payee: PayeeView
    bank_reference: str | None
    maker: str
    checker: str | None
    approver: str | None
    made_at: datetime
    checked_at: datetime | None
    approved_at: datetime | None
    ordered_on: date | None
    paid_on: date | None
    returned_on: date | None
    rejected_by: str | None
    reason: str | None
    version: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.of_columns({**row._mapping})

    @classmethod
    def of_columns(cls, columns: Mapping[str, Any]) -> Self:
        payee = {**columns, "account_number_masked": masked_number(columns["number_last_4"])}
        return cls.model_validate({**columns, "payee": payee})


class OrderResult(BaseModel):
    """`status` is created, changed or refused; a refused one has its problem."""

    index: int
    status: str
    payment_order: PaymentOrderView | None = None
    problem: dict[str, Any] | None = None


class OrderResults(BaseModel):
    results: list[OrderResult]

    @classmethod
    def of(cls, answers: Sequence[Answer], *, status: str) -> Self:
        return cls(results=[_result(answer, index=index, status=status) for index, answer in enumerate(answers)])


class PayableView(BaseModel):
    application_id: UUID
    proposal_id: UUID
    case_number: str
    applicant_uscc: str
    jurisdiction_id: str
    line_id: str
    fiscal_year: int
    amount_fen: int
    notice_number: str
    confirmed_on: date
    has_account: bool

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


@router.get("/v1/payables", summary="Confirmed awards that may be ordered to be paid | 查询可支付的资助")
async def list_payables(
    caller: Annotated[Caller, may("payables:read")],
    live: Live,
    fiscal_year: Annotated[int | None, Query(ge=2000, le=2999)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PayableView]:
    async with live.transaction() as tx:
        rows = await queries.payables_after(tx, fiscal_year=fiscal_year, after_id=id_of_last(cursor), caller=caller, rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=PayableView.of, place=lambda row: (row.application_id,))


@router.post("/v1/payment-orders", status_code=201, response_model=PaymentOrderView, summary="Make a payment order | 提交支付申请（经办）")
async def make_payment_order(body: MakePaymentOrder, caller: Annotated[Caller, may("payment-orders:make")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        (made,) = await commands.make_orders(tx, [body.application_id], caller=caller, act=act_of(once, moment=live.now()))
        return await answer_step(tx, made, once=once, status=201)


@router.post("/v1/payment-orders:batch", response_model=OrderResults, summary="Make up to 300 payment orders | 批量提交支付申请（经办）")
async def make_payment_orders(body: MakePaymentOrders, caller: Annotated[Caller, may("payment-orders:make")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        cases = [order.application_id for order in body.orders]
        answers = await commands.make_orders(tx, cases, caller=caller, act=act_of(once, moment=live.now()))
        return await once.keep(tx, OrderResults.of(answers, status="created"), status=200)


@router.get("/v1/payment-orders", summary="Payment orders | 查询支付申请")
async def list_payment_orders(
    caller: Annotated[Caller, may("payment-orders:read")],
    live: Live,
    state: OrderState | None = None,
    fiscal_year: Annotated[int | None, Query(ge=2000, le=2999)] = None,
    application_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PaymentOrderView]:
    async with live.transaction() as tx:
        rows = await queries.orders_after(
            tx,
            state=state,
            fiscal_year=fiscal_year,
            application_id=application_id,
            after_id=id_of_last(cursor),
            caller=caller,
            rows_max=limit + 1,
        )
    return page_of(rows, rows_max=limit, view=PaymentOrderView.of, place=lambda row: (row.id,))


@router.get("/v1/payment-orders/{payment_order_id}", summary="A payment order | 查询一笔支付申请")
async def get_payment_order(
    payment_order_id: UUID, caller: Annotated[Caller, may("payment-orders:read")], live: Live, response: Response
) -> PaymentOrderView:
    async with live.transaction() as tx:
        row = await queries.order_of(tx, payment_order_id, caller=caller)
    response.headers.update(etag(row.version))
    return PaymentOrderView.of(row)


@router.post(
    "/v1/payment-orders/{payment_order_id}:check",
    response_model=PaymentOrderView,
    summary="Check an order by typing the account number again | 复核支付申请并核对账号",
)
async def check_payment_order(
    payment_order_id: UUID,
    body: CheckPaymentOrder,
    caller: Annotated[Caller, may("payment-orders:check")],
    once: Once,
    version: IfMatch,
    live: Live,
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        step = Step(order_id=payment_order_id, version=version, number=body.account_number)
        act = act_of(once, moment=live.now())
        (checked,) = await commands.check_orders(tx, [step], seal=seal_of(live), caller=caller, act=act)
        return await answer_step(tx, checked, once=once, status=200)


@router.post("/v1/payment-orders:check-batch", response_model=OrderResults, summary="Check up to 300 orders | 批量复核支付申请")
async def check_payment_orders(body: CheckPaymentOrders, caller: Annotated[Caller, may("payment-orders:check")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        steps = [Step(order_id=each.payment_order_id, version=each.version, number=each.account_number) for each in body.orders]
        answers = await commands.check_orders(tx, steps, seal=seal_of(live), caller=caller, act=act_of(once, moment=live.now()))
        return await once.keep(tx, OrderResults.of(answers, status="changed"), status=200)


@router.post(
    "/v1/payment-orders/{payment_order_id}:reject",
    response_model=PaymentOrderView,
    summary="Send an order back to its maker | 退回支付申请",
)
async def reject_payment_order(
    payment_order_id: UUID,
    body: RejectPaymentOrder,
    caller: Annotated[Caller, may("payment-orders:reject")],
    once: Once,
    version: IfMatch,
    live: Live,
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        step = Step(order_id=payment_order_id, version=version)
        reason = without_numbers(body.reason)
        rejected = await commands.reject_order(tx, step, reason=reason, caller=caller, act=act_of(once, moment=live.now()))
        return await answer_step(tx, rejected, once=once, status=200)


async def answer_step(tx: Tx, answer: Answer, *, once: Attempt, status: int) -> Response:
    """The answer of a call about one order, where a refusal is the call's own."""
    if isinstance(answer, Refusal):
        raise answer
    return await once.keep(tx, PaymentOrderView.of(answer), status=status, headers=etag(answer.version))


def _result(answer: Answer, *, index: int, status: str) -> OrderResult:
    if isinstance(answer, Refusal):
        return OrderResult(index=index, status="refused", problem=problem(answer, trace_id=current_trace_id()))
    return OrderResult(index=index, status=status, payment_order=PaymentOrderView.of(answer))
