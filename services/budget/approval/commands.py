"""Writes about approvals of payment orders: behind the lock of the books, or decided on what was read and written by one statement.

Also what takes one back, while nobody was asked to pay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import insert, text

from services.budget.approval.queries import Picture
from services.budget.entry.commands import account_rows, entry_rows, lock_books
from services.budget.entry.rules import Voucher
from services.budget.freeze.queries import in_force
from services.budget.freeze.rules import Freeze, check_case_free
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import AccountName, Act, CaseMoney, Kind, Posting, Signers, move, return_money
from services.budget.payment import rules
from services.budget.payment.commands import Answer, Step, judge_steps, jurisdictions_of, lock_orders, order_of, shown_orders
from services.budget.payment.rules import Approvable, OrderState
from services.budget.payment.tables import payment_acknowledgement
from services.budget.policy.paying import Caution, Paying
from services.budget.waiting import commands as waiting
from services.budget.waiting.rules import ReservationState
from shared import outbox
from shared.caller import Caller
from shared.db import AnyRow, Tx, fetch
from shared.errors import Refusal
from shared.events.budget import PaymentOrdered, PaymentReturned

_ACKNOWLEDGE = insert(payment_acknowledgement)
_APPROVE = text("""
UPDATE payment_order o SET state = 'in_transit', approver = c.approver, approved_at = :at, ordered_on = :on, bank_reference = c.voucher,
    version = version + 1
FROM unnest(CAST(:ids AS uuid[]), CAST(:vouchers AS text[]), CAST(:approvers AS text[])) AS c (id, voucher, approver) WHERE o.id = c.id
""")
_WHERE_IT_IS = text("""
SELECT EXISTS (SELECT FROM quota_payment WHERE payment_order_id = :id) OR EXISTS (SELECT FROM requested_payment WHERE payment_order_id = :id)
        AS is_sent_on,
    EXISTS (
        SELECT FROM payment_order o JOIN bank_confirmation b USING (bank_reference)
        WHERE o.id = :id AND b.outcome = 'paid' AND b.status = 'reconcile'
            AND NOT EXISTS (SELECT FROM reconciliation s WHERE s.bank_confirmation_id = b.id)
    ) AS is_reported_paid
""")
_WITHDRAW = text("""
UPDATE payment_order SET state = 'withdrawn', rejected_by = :by, reason = :reason, returned_on = :on, version = version + 1 WHERE id = :id
""")
_APPEND = "SELECT append_approvals($1, $2, $3, $4, $5::entry_row[], $6::account_row[], $7, $8, $9::approval_row[], $10::event_row[])"
# The books or an order are not as they were read, a constraint knows better, or two transactions met: nothing was written.
_DECIDED_ON_THE_PAST = ("BK", "23", "40")


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A step of somebody's own; those of one call have one act, and all that are decided together have one moment."""

    step: Step
    caller: Caller
    act: Act
    traceparent: str | None = None


class Ordered(NamedTuple):
    """An approval that was granted; `shown` are the columns of the order as it is once this is written."""

    approval: Approval
    found: Approvable
    shown: Mapping[str, Any]
    voucher: str
    caution: Caution | None


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What each approval comes to, by its place, and what follows for the books. Nothing of it is written yet."""

    outcomes: Sequence[Ordered | Refusal]
    ordered: Sequence[Ordered]
    bookings: tuple[object, ...]


async def approve_orders(tx: Tx, approvals: Sequence[Approval], *, paying: Mapping[str, Paying]) -> list[Answer]:
    """财政 审批: the money is on its way from here on, and nobody can have it back but the bank."""
    await lock_books(tx)
    freezes = await in_force(tx)
    locked = await lock_orders(tx, [each.step for each in approvals])
    found = {id_: _approvable(row) for id_, row in locked.items()}
    judged = _judge(approvals, found=found, freezes=freezes, paying=paying)
    approved = [(each, found[id_]) for each, id_ in zip(approvals, judged, strict=True) if not isinstance(id_, Refusal)]
    if approved:
        await _order_payments(tx, approved, paying=paying)
    return await shown_orders(tx, judged)


def decide_approvals(approvals: Sequence[Approval], *, picture: Picture, paying: Mapping[str, Paying]) -> Decided | None:
    """The same on a picture; its books move along. None where one is paid from several pools, or from a year before, or its key is in the journal.

    At least one of the approvals, none of them about the same order or under the same key as another.
    """
    judged = _judge(approvals, found=picture.found, freezes=picture.freezes, paying=paying)
    approved = [(each, picture.found[id_]) for each, id_ in zip(approvals, judged, strict=True) if not isinstance(id_, Refusal)]
    books, act = picture.books, approvals[0].act
    if any(found.order.id in picture.not_plain or books.items.get((each.act.caller, each.act.key), 0) for each, found in approved):
        return None
    head = (books.seq, books.chain, books.epoch)
    vouchers = [Voucher(legs=(_posting(found, act=each.act),), act=each.act) for each, found in approved]
    written = books.write(vouchers)
    ordered = [
        _ordered(each, found, shown=picture.shown[found.order.id], voucher=str(row.entry.voucher), paying=paying)
        for (each, found), row in zip(approved, written, strict=True)
    ]
    granted = iter(ordered)
    return Decided(
        outcomes=[id_ if isinstance(id_, Refusal) else next(granted) for id_ in judged],
        ordered=ordered,
        bookings=(*head, books.booked_at, entry_rows(written), account_rows(vouchers, known=set()), act.at, act.on),
    )


async def append_approvals(tx: Tx, decided: Decided, *, answers: Sequence[tuple[str, bytes]]) -> None:
    """Write it with the answers (headers and body of each that was granted), all or none: a statement that is its own transaction.

    The database takes it only if everything is as the picture has it. Entries and whatever is decided behind the lock of the books (orders to
    stop, closed years, releases, what a close carries) move the number or the epoch of the head, and the head is locked first. A rejection, a
    change of the payee's account and news of a late payment move neither: they are asked for again in the updates, behind that lock, as are
    the order's version and the state of the case. A key that was answered meanwhile meets the key of the table. Raises what
    `was_decided_on_the_past` knows.
    """
    approvals = [
        (
            found.order.id,
            found.order.version,
            shown["payee_account_id"],
            found.money.application_id,
            found.money.proposal_id,
            voucher,
            approval.act.caller,
            None if caution is None else caution.code,
            None if caution is None else approval.step.acknowledgement,
            approval.act.key,
            approval.act.fingerprint,
            headers,
            body,
        )
        for (approval, found, shown, voucher, caution), (headers, body) in zip(decided.ordered, answers, strict=True)
    ]
    events = [_event(each.found, voucher=each.voucher, act=each.approval.act) for each in decided.ordered]
    announced = outbox.rows_of(events, traceparents=[each.approval.traceparent for each in decided.ordered])
    await fetch(tx, _APPEND, *decided.bookings, approvals, announced)


async def withdraw_approval(tx: Tx, step: Step, *, document: str, reason: str, caller: Caller, act: Act) -> Answer:
    """撤回: the money is reserved for its case again, and the case payable by a new order.

    Whoever asks for payment, and whoever brings the bank's news of it, locks the books before too.
    """
    await lock_books(tx)
    locked = await lock_orders(tx, [step])
    where = (await tx.execute(_WHERE_IT_IS, {"id": step.order_id})).one()

    def check(_place: int) -> None:
        order = order_of(locked[step.order_id])
        rules.check_withdrawing(
            order, version=step.version, is_sent_on=where.is_sent_on, is_reported_paid=where.is_reported_paid, withdrawn_by=act.caller
        )

    judged = judge_steps([step], found=jurisdictions_of(locked), callers=[caller], check=check)
    if not isinstance(judged[0], Refusal):
        row = locked[step.order_id]
        money, signers = waiting.case_money(row), Signers(maker=row.maker, checker=row.checker, approver=act.caller)
        posting = return_money(money, was=AccountName.IN_TRANSIT, document=document, effective_on=act.on, signers=signers)
        (voucher,) = await ledger.post_entries(tx, [posting], act=act)
        await tx.execute(_WITHDRAW, {"id": row.id, "by": act.caller, "reason": reason, "on": act.on})
        await waiting.mark(tx, [money], state=ReservationState.RESERVED, what="withdrawn", reasons=[reason], act=act)
        await outbox.append(tx, PaymentReturned(**waiting.event_facts(money, act=act), payment_order_id=row.id, voucher=voucher, reason=reason))
    (answer,) = await shown_orders(tx, judged)
    return answer


def was_decided_on_the_past(error: asyncpg.PostgresError) -> bool:
    """Whether the same is worth deciding again behind the lock."""
    return str(error.sqlstate).startswith(_DECIDED_ON_THE_PAST)


def _judge(
    approvals: Sequence[Approval], *, found: Mapping[UUID, Approvable], freezes: Sequence[Freeze], paying: Mapping[str, Paying]
) -> list[UUID | Refusal]:
    def check(place: int) -> None:
        step, act = approvals[place].step, approvals[place].act
        approvable = found[step.order_id]
        rules.check_approving(approvable.order, version=step.version, approver=act.caller)
        check_case_free(approvable.money, freezes=freezes)
        rules.check_acknowledged(_caution(approvable.money, paying=paying), acknowledgement=step.acknowledgement)

    jurisdictions = {id_: approvable.money.jurisdiction_id for id_, approvable in found.items()}
    return judge_steps([each.step for each in approvals], found=jurisdictions, callers=[each.caller for each in approvals], check=check)


async def _order_payments(tx: Tx, approved: Sequence[tuple[Approval, Approvable]], *, paying: Mapping[str, Paying]) -> None:
    act = approved[0][0].act
    postings = [_posting(found, act=each.act) for each, found in approved]
    vouchers = await ledger.post_of_acts(tx, postings, acts=[each.act for each, _ in approved])
    written = {
        "ids": [found.order.id for _, found in approved],
        "vouchers": vouchers,
        "approvers": [each.act.caller for each, _ in approved],
    }
    await tx.execute(_APPROVE, {**written, "at": act.at, "on": act.on})
    await _keep_acknowledgements(tx, approved, paying=paying)
    await waiting.mark(tx, [found.money for _, found in approved], state=ReservationState.IN_TRANSIT, what="ordered", act=act)
    events = [_event(found, voucher=voucher, act=act) for (_, found), voucher in zip(approved, vouchers, strict=True)]
    await outbox.append(tx, *events, traceparents=[each.traceparent for each, _ in approved])


async def _keep_acknowledgements(tx: Tx, approved: Sequence[tuple[Approval, Approvable]], *, paying: Mapping[str, Paying]) -> None:
    """Only of what policy cautions about: an acknowledgement of anything else says nothing."""
    kept = [
        {
            "payment_order_id": found.order.id,
            "caution": caution.code,
            "reason": each.step.acknowledgement,
            "acknowledged_by": each.act.caller,
            "acknowledged_at": each.act.at,
        }
        for each, found in approved
        if (caution := _caution(found.money, paying=paying)) is not None
    ]
    if kept:
        await tx.execute(_ACKNOWLEDGE, kept)


def _approvable(row: AnyRow) -> Approvable:
    return Approvable(order=order_of(row), money=waiting.case_money(row), notice_number=row.notice_number)


def _posting(found: Approvable, *, act: Act) -> Posting:
    signers = Signers(maker=found.order.maker, checker=found.order.checker, approver=act.caller)
    return move(found.money, kind=Kind.ORDER, document=found.notice_number, effective_on=act.on, signers=signers)


def _ordered(approval: Approval, found: Approvable, *, shown: Mapping[str, Any], voucher: str, paying: Mapping[str, Paying]) -> Ordered:
    act = approval.act
    changed = {
        "state": OrderState.IN_TRANSIT,
        "version": found.order.version + 1,
        "bank_reference": voucher,
        "approver": act.caller,
        "approved_at": act.at,
        "ordered_on": act.on,
    }
    # What only comes to an order that left the approver.
    nothing_yet = dict.fromkeys(("paid_on", "returned_on", "rejected_by", "reason"))
    return Ordered(approval, found, {**shown, **changed, **nothing_yet}, voucher, _caution(found.money, paying=paying))


def _caution(money: CaseMoney, *, paying: Mapping[str, Paying]) -> Caution | None:
    way = paying[money.line_id.partition("/")[0]]
    return way.caution_about(expenditure_category=money.expenditure_category, funding_source=money.funding_source)


def _event(found: Approvable, *, voucher: str, act: Act) -> PaymentOrdered:
    return PaymentOrdered(**waiting.event_facts(found.money, act=act), payment_order_id=found.order.id, voucher=voucher)
