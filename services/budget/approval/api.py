"""HTTP edge of approvals of payment orders: one by one, those that arrive together being written together, or many in one call; and taken back."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg
import structlog
from fastapi import Depends, Request, Response
from pydantic import Field

from services.budget.approval import commands, queries
from services.budget.approval.commands import Approval, Ordered
from services.budget.edge import Document, act_of, example
from services.budget.payee.rules import without_numbers
from services.budget.payment.api import OrderResults, PaymentOrderView, answer_step
from services.budget.payment.commands import Answer, Step
from services.budget.payment.rules import ORDERS_PER_CALL_MAX
from services.budget.policy import paying
from shared.auth import may
from shared.caller import Caller
from shared.clock import Moment
from shared.errors import Refusal
from shared.gathering import Gathering
from shared.idempotency import Answered, Attempt, Once, answer_together, stored_answer
from shared.live import Live as LiveState
from shared.observability import current_traceparent
from shared.visible import Reason
from shared.web import IfMatch, Live, Wire, etag
from shared.web import router as new_router

log = structlog.get_logger()

router = new_router("payment-orders")

_ID = "01994e6e-7c1a-7000-8000-000000000001"


class ApprovePaymentOrder(Wire):
    """`acknowledgement` says on what ground a payment may be made that policy cautions about; account numbers in it are cut down."""

    model_config = example(acknowledgement="省人社厅批复同意用于园区服务设施")

    acknowledgement: Reason | None = None

    def ground(self) -> str | None:
        return None if self.acknowledgement is None else without_numbers(self.acknowledgement)


# Most payments need none, and are approved without a body.
NO_GROUND = ApprovePaymentOrder()


class ApproveListed(ApprovePaymentOrder):
    model_config = example(payment_order_id=_ID, version=2)

    payment_order_id: UUID
    version: int = Field(strict=True, ge=1)


class ApprovePaymentOrders(Wire):
    model_config = example(orders=[{"payment_order_id": _ID, "version": 2}])

    orders: list[ApproveListed] = Field(min_length=1, max_length=ORDERS_PER_CALL_MAX)


class WithdrawApproval(Wire):
    """The applicant is told the reason; account numbers in it are cut down."""

    model_config = example(document="财支撤〔2025〕3号", reason="按审计机关要求暂停支付")

    document: Document
    reason: Reason


class ApprovalCall(NamedTuple):
    """One call of the single route, waiting for its turn."""

    step: Step
    caller: Caller
    once: Attempt
    traceparent: str | None

    def approval(self, moment: Moment) -> Approval:
        return Approval(step=self.step, caller=self.caller, act=act_of(self.once, moment=moment), traceparent=self.traceparent)

    def key(self) -> tuple[str, str]:
        return self.once.caller.id, self.once.key


def approval_desk(live: LiveState) -> Gathering[ApprovalCall, Response]:
    """Single approvals that arrive together are written together."""
    return Gathering(together=partial(_approve_together, live), portion_max=ORDERS_PER_CALL_MAX)


async def desk(request: Request) -> Gathering[ApprovalCall, Response]:
    waiting: Gathering[ApprovalCall, Response] = request.app.state.approval_desk
    return waiting


Desk: TypeAlias = Annotated[Gathering[ApprovalCall, Response], Depends(desk)]


@router.post(
    "/v1/payment-orders/{payment_order_id}:approve",
    response_model=PaymentOrderView,
    summary="Approve an order: the money is on its way | 审批支付申请（财政）",
)
async def approve_payment_order(
    payment_order_id: UUID,
    caller: Annotated[Caller, may("payment-orders:approve")],
    once: Once,
    version: IfMatch,
    desk: Desk,
    body: ApprovePaymentOrder = NO_GROUND,
) -> Response:
    step = Step(order_id=payment_order_id, version=version, acknowledgement=body.ground())
    return await desk.take(ApprovalCall(step, caller, once, current_traceparent()))


@router.post("/v1/payment-orders:approve-batch", response_model=OrderResults, summary="Approve up to 300 orders | 批量审批支付申请（财政）")
async def approve_payment_orders(
    body: ApprovePaymentOrders, caller: Annotated[Caller, may("payment-orders:approve")], once: Once, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        steps = [Step(order_id=each.payment_order_id, version=each.version, acknowledgement=each.ground()) for each in body.orders]
        moment, trace = live.now(), current_traceparent()
        approvals = [ApprovalCall(step, caller, once, trace).approval(moment) for step in steps]
        answers = await commands.approve_orders(tx, approvals, paying=paying.current())
        return await once.keep(tx, OrderResults.of(answers, status="changed"), status=200)


@router.post(
    "/v1/payment-orders/{payment_order_id}:withdraw",
    response_model=PaymentOrderView,
    summary="Take an approval back before anybody was asked to pay | 撤回支付审批（财政）",
)
async def withdraw_payment_order(
    payment_order_id: UUID,
    body: WithdrawApproval,
    caller: Annotated[Caller, may("payment-orders:withdraw")],
    once: Once,
    version: IfMatch,
    live: Live,
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        step, act = Step(order_id=payment_order_id, version=version), act_of(once, moment=live.now())
        reason = without_numbers(body.reason)
        withdrawn = await commands.withdraw_approval(tx, step, document=body.document, reason=reason, caller=caller, act=act)
        return await answer_step(tx, withdrawn, once=once, status=200)


async def _approve_together(live: LiveState, calls: Sequence[ApprovalCall]) -> list[Response | Exception]:
    """Each is judged and answered by itself: on what can be read at once, or behind the lock where that was not enough or not so any more."""
    if len({call.step.order_id for call in calls}) == len({call.key() for call in calls}) == len(calls):
        try:
            answers = await _approve_as_read(live, calls)
        except asyncpg.PostgresError as error:
            if not commands.was_decided_on_the_past(error):
                raise
            log.info("approvals_decided_again", sqlstate=error.sqlstate, size=len(calls))
        else:
            if answers is not None:
                return answers
    return await _approve_behind_lock(live, calls)


async def _approve_as_read(live: LiveState, calls: Sequence[ApprovalCall]) -> list[Response | Exception] | None:
    """By two statements: one that reads, and one that writes all of it if it still is so. None where it takes more than they can do."""
    moment = live.now()
    async with live.database.statement() as tx:
        picture = await queries.read_picture(tx, [call.step.order_id for call in calls], keys=[call.key() for call in calls])
        answers: dict[int, Response | Exception] = {
            place: stored_answer(call.once, row=picture.answers[call.key()]) for place, call in enumerate(calls) if call.key() in picture.answers
        }
        new = [place for place in range(len(calls)) if place not in answers]
        if new:
            decided = commands.decide_approvals([calls[place].approval(moment) for place in new], picture=picture, paying=paying.current())
            if decided is None:
                return None
            granted = {place: outcome for place, outcome in zip(new, decided.outcomes, strict=True) if not isinstance(outcome, Refusal)}
            rendered = [_granted(outcome, once=calls[place].once).rendered() for place, outcome in granted.items()]
            if rendered:
                await commands.append_approvals(tx, decided, answers=[(each.headers, each.body) for each in rendered])
                live.database.bell.ring()
            answers |= {place: outcome for place, outcome in zip(new, decided.outcomes, strict=True) if isinstance(outcome, Refusal)}
            answers |= {place: each.response for place, each in zip(granted, rendered, strict=True)}
    return [answers[place] for place in range(len(calls))]


async def _approve_behind_lock(live: LiveState, calls: Sequence[ApprovalCall]) -> list[Response | Exception]:
    """In one transaction. A second call about an order waits for what the first has made of it."""

    def choose(places: Sequence[int]) -> list[int]:
        return sorted({calls[place].step.order_id: place for place in reversed(places)}.values())

    async with live.transaction() as tx:
        moment = live.now()

        async def approve(places: Sequence[int]) -> list[Answered | Refusal]:
            approvals = [calls[place].approval(moment) for place in places]
            approved = await commands.approve_orders(tx, approvals, paying=paying.current())
            return [_answered(answer, once=calls[place].once) for answer, place in zip(approved, places, strict=True)]

        return await answer_together(tx, [call.once for call in calls], choose=choose, act=approve)


def _answered(answer: Answer, *, once: Attempt) -> Answered | Refusal:
    if isinstance(answer, Refusal):
        return answer
    return Answered(attempt=once, view=PaymentOrderView.of(answer), status=200, headers=etag(answer.version))


def _granted(ordered: Ordered, *, once: Attempt) -> Answered:
    return Answered(attempt=once, view=PaymentOrderView.of_columns(ordered.shown), status=200, headers=etag(ordered.shown["version"]))
