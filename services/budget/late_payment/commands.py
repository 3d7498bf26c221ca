"""Writes about late payments. The caller owns the transaction."""

from uuid import UUID

from sqlalchemy import text, update

from services.budget.allotment.rules import fund_spending_in
from services.budget.bank import commands as bank
from services.budget.clawback.rules import booking_day
from services.budget.close.queries import closed_years
from services.budget.entry.commands import lock_books
from services.budget.late_payment import queries, rules
from services.budget.late_payment.rules import Late, LateOutcome
from services.budget.late_payment.tables import late_payment
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import Act, Kind, Signers, move
from services.budget.policy.catalogue import Catalogue
from services.budget.waiting import commands as waiting
from services.budget.waiting.rules import ReservationState
from shared import outbox
from shared.db import AnyRow, Tx
from shared.events.budget import PaymentConfirmed, PaymentOrdered

_YEAR = text("""
SELECT r.fiscal_year FROM late_payment l JOIN payment_order o ON o.id = l.payment_order_id
    JOIN reservation r ON r.application_id = o.application_id AND r.proposal_id = o.proposal_id
WHERE l.bank_confirmation_id = :id
""")
_LOCK = text("""
SELECT l.outcome, l.version, b.received_by, b.document, b.settled_on, b.amount_fen AS said_fen, o.id AS order_id, o.maker, o.checker, r.state,
    (SELECT entered_by FROM payee_account a WHERE a.id = o.payee_account_id) AS account_entered_by,
    r.application_id, r.proposal_id, r.case_number, r.applicant_uscc, r.fiscal_year, r.line_id, r.jurisdiction_id, r.amount_fen, r.policy_version,
    r.funding_source, r.expenditure_category
FROM late_payment l JOIN bank_confirmation b ON b.id = l.bank_confirmation_id JOIN payment_order o ON o.id = l.payment_order_id
    JOIN reservation r ON r.application_id = o.application_id AND r.proposal_id = o.proposal_id
WHERE l.bank_confirmation_id = :id FOR UPDATE OF r, o, l
""")
_DECIDE = update(late_payment).values(version=late_payment.c.version + 1)
# An issue that was begun before the news came would pay what is paid.
_CANCEL_REISSUE = text("""
UPDATE payment_order SET state = 'cancelled', reason = :reason, version = version + 1
WHERE application_id = :application_id AND state IN ('made', 'checked')
""")
# The bank's return stays beside it, since the bank may say it again; a withdrawal was nothing that the bank said, and it did not hold.
_PAID = text("""
UPDATE payment_order SET state = 'paid', paid_on = :paid_on, version = version + 1, rejected_by = NULL,
    returned_on = CASE WHEN state = 'returned' THEN returned_on END, reason = CASE WHEN state = 'returned' THEN reason END
WHERE id = :order_id
""")


async def decide_late_payment(
    tx: Tx, late_payment_id: UUID, *, version: int, outcome: LateOutcome, reason: str, act: Act, catalogue: Catalogue
) -> AnyRow:
    """Say what it was; a payment that arrived after all is booked as one, under its own reference, with the decider as approver."""
    await _lock_fund(tx, late_payment_id, catalogue=catalogue)
    found = (await tx.execute(_LOCK, {"id": late_payment_id})).one_or_none()
    if found is None:
        raise queries.no_such_late_payment()
    rules.check_deciding(_late(found), version=version, outcome=outcome, decider=act.caller)
    decided = {"outcome": outcome, "reason": reason, "decided_by": act.caller, "decided_at": act.at}
    await tx.execute(_DECIDE.where(late_payment.c.bank_confirmation_id == late_payment_id).values(decided))
    await bank.settle_decided(tx, late_payment_id, reason=reason, act=act)
    if outcome is LateOutcome.PAID_AFTER_ALL:
        await _book(tx, found, reason=reason, act=act)
    return await queries.late_payment_of(tx, late_payment_id)


async def _book(tx: Tx, found: AnyRow, *, reason: str, act: Act) -> None:
    """From the pools that the case has its money of, in the year that holds it now; a day of a closed year is booked today."""
    day = booking_day(found.settled_on, closed=await closed_years(tx), on=act.on)
    case, signers = waiting.case_money(found), Signers(maker=found.maker, checker=found.checker, approver=act.caller)
    postings = [move(case, kind=kind, document=found.document, effective_on=day, signers=signers) for kind in (Kind.ORDER, Kind.CONFIRM)]
    ordered, confirmed = await ledger.post_entries(tx, postings, act=act)
    await tx.execute(_CANCEL_REISSUE, {"application_id": case.application_id, "reason": reason})
    await tx.execute(_PAID, {"order_id": found.order_id, "paid_on": found.settled_on})
    await waiting.mark(tx, [case], state=ReservationState.PAID, what="paid_after_all", reasons=[reason], act=act)
    facts = waiting.event_facts(case, act=act) | {"payment_order_id": found.order_id}
    await outbox.append(tx, PaymentOrdered(**facts, voucher=ordered), PaymentConfirmed(**facts, voucher=confirmed, paid_on=found.settled_on))


async def _lock_fund(tx: Tx, late_payment_id: UUID, *, catalogue: Catalogue) -> None:
    """The year that holds the money of the case: a close may have moved it since the order, and moves it no more once the books are ours."""
    await lock_books(tx)
    fiscal_year: int | None = (await tx.execute(_YEAR, {"id": late_payment_id})).scalar_one_or_none()
    if fiscal_year is None:
        raise queries.no_such_late_payment()
    await ledger.lock_fund(tx, fiscal_year=fiscal_year, policy_id=fund_spending_in(fiscal_year, catalogue=catalogue).id)


def _late(found: AnyRow) -> Late:
    return Late(
        outcome=None if found.outcome is None else LateOutcome(found.outcome),
        version=found.version,
        received_by=found.received_by,
        maker=found.maker,
        checker=found.checker,
        account_entered_by=found.account_entered_by,
        held_as=ReservationState(found.state),
        amount_fen=found.amount_fen,
        said_fen=found.said_fen,
    )
