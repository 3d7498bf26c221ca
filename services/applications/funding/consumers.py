"""The budget's answers about a case: each moves it, or came late and is only written down."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from services.applications.application.commands import By, Case, Move, event_fields, lock_cases, move_cases, note_step
from services.applications.deadline.rules import Deadline
from services.applications.intake.rules import ENDED, BudgetAnswer, Position, State, after_answer, waiting_on
from services.applications.policy.in_use import catalogue
from shared import outbox
from shared.clock import Moment
from shared.db import Tx
from shared.events import Event
from shared.events.applications import (
    ApplicationClawedBack,
    ApplicationFunded,
    ApplicationLapsed,
    ApplicationPaid,
    ApplicationRefused,
    ApplicationWaiting,
    ApplicationWithdrawn,
    CaseEvent,
    FundingRefused,
    PaymentReturned,
    PaymentStarted,
    ReleaseUndone,
)
from shared.events.budget import (
    FundsReleased,
    FundsReserved,
    FundsWaiting,
    MoneyEvent,
    PaymentClawedBack,
    PaymentConfirmed,
    PaymentOrdered,
    ReleaseRefused,
    ReservationRefused,
)
from shared.events.budget import PaymentReturned as MoneyReturned
from shared.inbox import Handler
from shared.money import yuan_text

BUDGET = By(caller="service:budget")

Announce: TypeAlias = "Callable[[Case, Case, MoneyEvent], CaseEvent]"


async def lock_answered(tx: Tx, events: Sequence[Event]) -> None:
    """Before the answers of one poll are taken: their cases, in the order in which every call locks them."""
    ids = {event.application_id for event in events if isinstance(event, MoneyEvent)}
    if len(ids) > 1:
        await lock_cases(tx, ids=sorted(ids))


async def on_answer(tx: Tx, event: MoneyEvent) -> None:
    """Move the case as its state table says. An answer to an earlier proposal, or one that its state does not wait for, is history only."""
    moment = Moment(at=event.happened_at, on=event.happened_on)
    case = (await lock_cases(tx, ids=[event.application_id])).get(event.application_id)
    assert case is not None, "the budget answers only about cases that were proposed to it"
    answer = BudgetAnswer(event.type)
    found = after_answer(_position(case), answer=answer) if case.proposal_id == event.proposal_id else None
    rule = catalogue().policy(case.policy_id).money_step_on(answer.step_id, on=case.filed_on)
    if found is None:
        reason = f"late answer of the budget to proposal {event.proposal_id}: {event.type}"
        await note_step(tx, case, action="late_answer", reason=reason, rule=rule, by=BUDGET, moment=moment)
        return
    position, transition = found
    after = _after(case, position=position, event=event)
    move = Move(
        before=case,
        after=after,
        action=answer.step_id,
        clause=rule.clause,
        rule_version=rule.version,
        reason=getattr(event, "reason", None),
        facts={name: told for name in ("voucher", "reason_code") if (told := getattr(event, name, None))},
    )
    (moved,) = await move_cases(tx, [move], by=BUDGET, moment=moment)
    if transition is not None:
        await outbox.append(tx, _ANNOUNCED[transition.event](case, moved, event))


async def on_clawed_back(tx: Tx, event: PaymentClawedBack) -> None:
    """A part of what was ordered back is history; the last of it moves the case."""
    if event.received_fen == event.ordered_fen:
        await on_answer(tx, event)
        return
    moment = Moment(at=event.happened_at, on=event.happened_on)
    case = (await lock_cases(tx, ids=[event.application_id])).get(event.application_id)
    assert case is not None, "the budget answers only about cases that were proposed to it"
    rule = catalogue().policy(case.policy_id).money_step_on(BudgetAnswer(event.type).step_id, on=case.filed_on)
    reason = f"{event.reason}：已追回{yuan_text(event.received_fen)}元，应追回{yuan_text(event.ordered_fen)}元"
    await note_step(tx, case, action="payment_clawed_back", reason=reason, rule=rule, by=BUDGET, moment=moment)


def _position(case: Case) -> Position:
    if case.state is not State.RELEASING:
        return Position(state=case.state)
    assert case.release_target is not None
    assert case.release_from is not None
    return Position(state=case.state, target=State(case.release_target), origin=State(case.release_from))


def _after(case: Case, *, position: Position, event: MoneyEvent) -> Case:
    policy = catalogue().policy(case.policy_id)
    after = replace(
        case,
        state=position.state,
        release_target=position.target,
        release_from=position.origin,
        waiting_on=waiting_on(position.state, acceptance=policy.acceptance_on(case.filed_on), pending=()),
    )
    if position.state is not State.RELEASING:
        after = replace(after, release_reason=None)
    if position.state in ENDED:
        return replace(after, once_key=None)
    if position.state is State.IN_REVIEW:
        # Not a matter of money: both sides of the last stage decide anew, in a round of their own.
        last = policy.stages_on(case.filed_on)[-1]
        again = replace(after, stage=last.id, round=case.round + 1, proposal_id=None, amount_fen=None, waiting_on=tuple(last.deciders))
        # An event brings no calendar: the job that computes open deadlines finds the day.
        return again.due_by(Deadline(working_days=last.decide_working_days, from_day=event.happened_on, due_on=None))
    return after


def _funded(_before: Case, after: Case, event: MoneyEvent) -> CaseEvent:
    return ApplicationFunded(**_fields(after, event), proposal_id=event.proposal_id, amount_fen=event.amount_fen)


def _waiting(_before: Case, after: Case, event: MoneyEvent) -> CaseEvent:
    assert isinstance(event, FundsWaiting)
    return ApplicationWaiting(**_fields(after, event), proposal_id=event.proposal_id, amount_fen=event.amount_fen, short_by_fen=event.short_by_fen)


def _funding_refused(_before: Case, after: Case, event: MoneyEvent) -> CaseEvent:
    assert isinstance(event, ReservationRefused)
    return FundingRefused(**_fields(after, event), proposal_id=event.proposal_id, reason_code=event.reason_code, reason=event.reason)


def _release_undone(_before: Case, after: Case, event: MoneyEvent) -> CaseEvent:
    assert isinstance(event, ReleaseRefused)
    return ReleaseUndone(**_fields(after, event), proposal_id=event.proposal_id, reason=event.reason)


def _payment_started(_before: Case, after: Case, event: MoneyEvent) -> CaseEvent:
    return PaymentStarted(**_fields(after, event), amount_fen=event.amount_fen)


def _paid(_before: Case, after: Case, event: MoneyEvent) -> CaseEvent:
    assert isinstance(event, PaymentConfirmed)
    return ApplicationPaid(**_fields(after, event), amount_fen=event.amount_fen, paid_on=event.paid_on)


def _payment_returned(_before: Case, after: Case, event: MoneyEvent) -> CaseEvent:
    assert isinstance(event, MoneyReturned)
    return PaymentReturned(**_fields(after, event), amount_fen=event.amount_fen, reason=event.reason)


def _clawed_back(_before: Case, after: Case, event: MoneyEvent) -> CaseEvent:
    assert isinstance(event, PaymentClawedBack)
    return ApplicationClawedBack(**_fields(after, event), amount_fen=event.received_fen, reason=event.reason)


def _refused(before: Case, after: Case, event: MoneyEvent) -> CaseEvent:
    return ApplicationRefused(**_fields(after, event), stage=before.release_from or before.state, reason=_why_left(before))


def _withdrawn(before: Case, after: Case, event: MoneyEvent) -> CaseEvent:
    return ApplicationWithdrawn(**_fields(after, event), reason=_why_left(before))


def _lapsed(before: Case, after: Case, event: MoneyEvent) -> CaseEvent:
    return ApplicationLapsed(**_fields(after, event), stage=before.release_from or before.state, reason=_why_left(before))


def _why_left(before: Case) -> str:
    return before.release_reason or "资金安排已释放"


def _fields(case: Case, event: MoneyEvent) -> dict[str, Any]:
    return event_fields(case, moment=Moment(at=event.happened_at, on=event.happened_on))


_ANNOUNCED: dict[str, Announce] = {
    ApplicationFunded.type: _funded,
    ApplicationWaiting.type: _waiting,
    FundingRefused.type: _funding_refused,
    ReleaseUndone.type: _release_undone,
    PaymentStarted.type: _payment_started,
    ApplicationPaid.type: _paid,
    PaymentReturned.type: _payment_returned,
    ApplicationClawedBack.type: _clawed_back,
    ApplicationRefused.type: _refused,
    ApplicationWithdrawn.type: _withdrawn,
    ApplicationLapsed.type: _lapsed,
}

_ON_ANSWER = (
    FundsReserved,
    FundsWaiting,
    ReservationRefused,
    FundsReleased,
    ReleaseRefused,
    PaymentOrdered,
    PaymentConfirmed,
    MoneyReturned,
)

HANDLERS = (
    *(Handler(event=event, kind="effect", handle=on_answer) for event in _ON_ANSWER),
    Handler(event=PaymentClawedBack, kind="effect", handle=on_clawed_back),
)
