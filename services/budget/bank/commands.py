"""Writes about the bank's files. The caller owns the transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from services.budget.allotment.commands import keep_parts
from services.budget.allotment.rules import pool_account
from services.budget.bank import queries, rules
from services.budget.bank.rules import BankOutcome, BankRow, Effect, Issue, Judged, PaymentClosed, ToReconcile
from services.budget.bank.tables import bank_confirmation, reconciliation
from services.budget.clawback import commands as clawback
from services.budget.clawback.rules import booking_day
from services.budget.close.queries import closed_years
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import AccountName, Act, CaseMoney, Kind, Part, Posting, Signers, move, return_after_close, return_money
from services.budget.payee import commands as payee
from services.budget.payment.rules import OrderState
from services.budget.policy.catalogue import Catalogue
from services.budget.policy.paying import Paying, Route
from services.budget.waiting import commands as waiting
from services.budget.waiting.rules import ReservationState
from shared import outbox
from shared.db import AnyRow, Tx
from shared.events.budget import PaymentConfirmed, PaymentReturned
from shared.ids import new_id

_YEARS = text("SELECT DISTINCT fiscal_year FROM payment_order WHERE bank_reference = ANY(CAST(:references AS text[])) ORDER BY fiscal_year")
_LOCK = text("""
SELECT o.id AS order_id, o.state AS order_state, o.bank_reference, o.ordered_on, o.paid_on, o.returned_on, o.maker, o.checker, o.approver,
    o.payee_account_id, r.application_id, r.proposal_id, r.case_number, r.applicant_uscc, r.fiscal_year, r.line_id, r.jurisdiction_id,
    r.amount_fen, r.policy_version, r.funding_source, r.expenditure_category,
    (SELECT coalesce(sum(received_fen), 0)::bigint FROM clawback c WHERE c.payment_order_id = o.id) AS recovered_fen,
    EXISTS (SELECT FROM quota_payment q WHERE q.payment_order_id = o.id) AS is_handed_down,
    EXISTS (SELECT FROM requested_payment p WHERE p.payment_order_id = o.id) AS is_requested
FROM payment_order o JOIN reservation r USING (application_id, proposal_id)
WHERE o.bank_reference = ANY(CAST(:references AS text[])) ORDER BY o.id FOR UPDATE OF o
""")
_MOVE_TO_YEAR = text("""
UPDATE reservation SET fiscal_year = :open_year WHERE application_id = :application_id AND proposal_id = :proposal_id
""")
_SETTLE = text("""
UPDATE payment_order o SET state = s.state, paid_on = coalesce(s.paid_on, o.paid_on), returned_on = s.returned_on, reason = s.reason,
    version = version + 1
FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:paid_on AS date[]), CAST(:returned_on AS date[]), CAST(:reasons AS text[]))
    AS s (id, state, paid_on, returned_on, reason)
WHERE o.id = s.id
""")
# By what the row says, not by why it was kept first: the bank may have said the same before the money came back, when it only differed in the day.
_NOTE_LATE = text("""
INSERT INTO late_payment (bank_confirmation_id, payment_order_id, application_id, version)
SELECT b.id, o.id, o.application_id, 1
FROM unnest(CAST(:references AS text[]), CAST(:days AS date[]), CAST(:amounts_fen AS bigint[])) AS news (bank_reference, settled_on, amount_fen)
    JOIN bank_confirmation b USING (bank_reference, settled_on) JOIN payment_order o USING (bank_reference)
WHERE b.outcome = 'paid' AND b.status = 'reconcile' AND b.amount_fen IS NOT DISTINCT FROM news.amount_fen ON CONFLICT DO NOTHING
""")
_KEEP = insert(bank_confirmation).on_conflict_do_nothing()
_SETTLE_ROW = insert(reconciliation).on_conflict_do_nothing()


@dataclass(frozen=True)
class RowAnswer:
    """What became of one row, and the order it was about where there is one."""

    judged: Judged
    payment_order_id: UUID | None


@dataclass(frozen=True)
class Moving:
    """A row that moves money."""

    row: BankRow
    effect: Effect
    order: AnyRow


async def take_confirmations(
    tx: Tx, rows: Sequence[BankRow], *, said_by: Route, document: str, act: Act, catalogue: Catalogue, paying: Mapping[str, Paying]
) -> list[RowAnswer]:
    """Book what became of payments, row by row in the order of the file; what fits nothing is kept for reconciliation."""
    references = sorted({row.bank_reference for row in rows})
    await _lock_funds(tx, references, catalogue=catalogue)
    orders = {row.bank_reference: row for row in await tx.execute(_LOCK, {"references": references})}
    issues = {reference: _issue(order, paying=paying) for reference, order in orders.items()}
    judged = rules.judge_rows(rows, issues=issues, said_by=said_by, on=act.on)
    moving = [
        Moving(row, each, orders[row.bank_reference])
        for row, each in zip(rows, judged, strict=True)
        if isinstance(each, Effect) and each is not Effect.NOTHING_NEW
    ]
    answers = [RowAnswer(each, _order_id(orders, row)) for row, each in zip(rows, judged, strict=True)]
    await _keep(tx, rows, answers=answers, document=document, act=act)
    closed = await closed_years(tx)
    vouchers = await ledger.post_entries(tx, [_posting(each, document=document, closed=closed, on=act.on) for each in moving], act=act)
    await _settle(tx, moving, act=act)
    for each in moving:
        if each.effect is Effect.RETURN_PAID and each.order.fiscal_year in closed:
            await _hold_in_open_year(tx, waiting.case_money(each.order), open_year=booking_day(each.row.settled_on, closed=closed, on=act.on).year)
    await outbox.append(tx, *(_event(each, voucher=voucher, act=act) for each, voucher in zip(moving, vouchers, strict=True)))
    return answers


async def settle(tx: Tx, confirmation: AnyRow, *, reason: str, act: Act) -> AnyRow:
    """Write down what was found out about a row that fitted nothing; of two who settle it at once the first has it."""
    rules.check_settling(status=confirmation.status, settled_by=confirmation.settled_by, is_late_payment=confirmation.is_late_payment)
    is_first = await _write_settled(tx, confirmation.id, reason=reason, act=act)
    now = await queries.confirmation_of(tx, confirmation.id)
    if not is_first:
        rules.check_settling(status=now.status, settled_by=now.settled_by, is_late_payment=now.is_late_payment)
    return now


async def settle_decided(tx: Tx, confirmation_id: UUID, *, reason: str, act: Act) -> None:
    """The decision about a late payment settles the bank's row that brought the news."""
    await _write_settled(tx, confirmation_id, reason=reason, act=act)


async def _write_settled(tx: Tx, confirmation_id: UUID, *, reason: str, act: Act) -> bool:
    """Whether nobody was faster."""
    settled = {"bank_confirmation_id": confirmation_id, "reason": reason, "settled_by": act.caller, "settled_at": act.at, "settled_on": act.on}
    return (await tx.execute(_SETTLE_ROW.values(**settled))).rowcount == 1


async def _lock_funds(tx: Tx, references: Sequence[str], *, catalogue: Catalogue) -> None:
    for fiscal_year in (await tx.execute(_YEARS, {"references": list(references)})).scalars():
        fund = catalogue.fund_spending_in(fiscal_year)
        assert fund is not None, f"the fund of {fiscal_year} is gone from the policy"
        await ledger.lock_fund(tx, fiscal_year=fiscal_year, policy_id=fund.id)


async def _settle(tx: Tx, moving: Sequence[Moving], *, act: Act) -> None:
    """Orders, reservations and accounts after the rows; an order that was paid and returned in one file passes through both."""
    paid = [each for each in moving if each.effect is Effect.PAY]
    returned = [each for each in moving if each.effect is not Effect.PAY]
    for state, group in ((OrderState.PAID, paid), (OrderState.RETURNED, returned)):
        await _settle_orders(tx, group, state=state)
    paid_cases = [waiting.case_money(each.order) for each in paid]
    await waiting.mark(tx, paid_cases, state=ReservationState.PAID, what="paid", act=act)
    returned_cases = [waiting.case_money(each.order) for each in returned]
    reasons = [each.row.reason for each in returned]
    await waiting.mark(tx, returned_cases, state=ReservationState.RESERVED, what="returned", reasons=reasons, act=act)
    if returned:
        await payee.mark_returned(tx, [each.order.payee_account_id for each in returned])
        await clawback.cancel_unreceived(tx, [each.order.order_id for each in returned])


async def _settle_orders(tx: Tx, group: Sequence[Moving], *, state: OrderState) -> None:
    if not group:
        return
    days: list[date | None] = [each.row.settled_on for each in group]
    none: list[date | None] = [None] * len(group)
    await tx.execute(
        _SETTLE,
        {
            "ids": [each.order.order_id for each in group],
            "states": [state] * len(group),
            "paid_on": days if state is OrderState.PAID else none,
            "returned_on": days if state is OrderState.RETURNED else none,
            "reasons": [each.row.reason for each in group],
        },
    )


async def _keep(tx: Tx, rows: Sequence[BankRow], *, answers: Sequence[RowAnswer], document: str, act: Act) -> None:
    """Every row that moved money or must be looked at; a repeat or a row with a wrong day says nothing that is not known."""
    kept = []
    for row, answer in zip(rows, answers, strict=True):
        reconcile = isinstance(answer.judged, ToReconcile)
        if not reconcile and (not isinstance(answer.judged, Effect) or answer.judged is Effect.NOTHING_NEW):
            continue
        kept.append(
            {
                "id": new_id(),
                "bank_reference": row.bank_reference,
                "outcome": row.outcome,
                "settled_on": row.settled_on,
                "amount_fen": row.amount_fen,
                "reason": row.reason,
                "document": document,
                "status": "reconcile" if reconcile else "matched",
                "cause": answer.judged.code if isinstance(answer.judged, ToReconcile) else None,
                "payment_order_id": answer.payment_order_id,
                "received_by": act.caller,
                "received_at": act.at,
            }
        )
    if kept:
        await tx.execute(_KEEP, kept)
    late = [row for row, answer in zip(rows, answers, strict=True) if row.outcome is BankOutcome.PAID and isinstance(answer.judged, PaymentClosed)]
    if late:
        await tx.execute(
            _NOTE_LATE,
            {
                "references": [row.bank_reference for row in late],
                "days": [row.settled_on for row in late],
                "amounts_fen": [row.amount_fen for row in late],
            },
        )


def _issue(order: AnyRow, *, paying: Mapping[str, Paying]) -> Issue:
    route = paying[order.line_id.partition("/")[0]].route_taken(
        line_id=order.line_id, jurisdiction_id=order.jurisdiction_id, is_handed_down=order.is_handed_down, is_requested=order.is_requested
    )
    return Issue(
        state=OrderState(order.order_state),
        amount_fen=order.amount_fen,
        ordered_on=order.ordered_on,
        paid_on=order.paid_on,
        returned_on=order.returned_on,
        route=route,
        recovered_fen=order.recovered_fen,
    )


def _order_id(orders: Mapping[str, AnyRow], row: BankRow) -> UUID | None:
    order = orders.get(row.bank_reference)
    return None if order is None else order.order_id


async def _hold_in_open_year(tx: Tx, case: CaseMoney, *, open_year: int) -> None:
    """What came back after the close is the same case's, as money of the year it was paid in."""
    named = {"application_id": case.application_id, "proposal_id": case.proposal_id, "open_year": open_year}
    await tx.execute(_MOVE_TO_YEAR, named)
    pool = pool_account(open_year, origin_year=case.fiscal_year, line_id=case.line_id, jurisdiction_id=case.jurisdiction_id)
    moved = case._replace(fiscal_year=open_year)
    await keep_parts(tx, moved, parts=[Part(pool=pool, amount_fen=case.amount_fen)])


def _posting(moving: Moving, *, document: str, closed: Collection[int], on: date) -> Posting:
    case, day = waiting.case_money(moving.order), booking_day(moving.row.settled_on, closed=closed, on=on)
    signers = Signers(maker=moving.order.maker, checker=moving.order.checker, approver=moving.order.approver)
    if moving.effect is Effect.PAY:
        return move(case, kind=Kind.CONFIRM, document=document, effective_on=day, signers=signers)
    if case.fiscal_year in closed:
        return return_after_close(case, open_year=day.year, document=document, effective_on=day, signers=signers)
    was = AccountName.PAID if moving.effect is Effect.RETURN_PAID else AccountName.IN_TRANSIT
    return return_money(case, was=was, document=document, effective_on=day, signers=signers)


def _event(moving: Moving, *, voucher: str, act: Act) -> PaymentConfirmed | PaymentReturned:
    order, row = moving.order, moving.row
    facts = waiting.event_facts(order, act=act) | {"payment_order_id": order.order_id, "voucher": voucher}
    if row.outcome is BankOutcome.PAID:
        return PaymentConfirmed(**facts, paid_on=row.settled_on)
    return PaymentReturned(**facts, reason=row.reason or "")
