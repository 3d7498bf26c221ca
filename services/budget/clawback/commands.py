"""Writes about recovery: the order, its receipts, and what goes on to the treasury. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from services.budget.allotment.queries import held_parts
from services.budget.allotment.rules import fund_spending_in
from services.budget.clawback import queries, rules
from services.budget.clawback.rules import ClawbackState, Recovery
from services.budget.clawback.tables import clawback, clawback_receipt
from services.budget.close.queries import closed_years
from services.budget.entry.commands import append_vouchers, lock_books
from services.budget.entry.rules import Voucher
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import Act, CaseMoney, Part, Signers
from services.budget.payment.queries import no_such_order
from services.budget.payment.rules import OrderState
from services.budget.policy.catalogue import Catalogue
from services.budget.waiting import commands as waiting
from shared import outbox
from shared.db import AnyRow, Tx
from shared.events.budget import PaymentClawedBack
from shared.ids import new_id

_PAYMENT = text("""
SELECT o.state, o.amount_fen,
    (SELECT coalesce(sum(ordered_fen), 0)::bigint FROM clawback c WHERE c.payment_order_id = o.id AND c.state <> 'cancelled') AS ordered_fen
FROM payment_order o WHERE o.id = :id
""")
_ORDER = insert(clawback).on_conflict_do_nothing(constraint="clawback_payment_order_id_document_key").returning(clawback.c.id)
_LOCK = text("""
SELECT c.id, c.payment_order_id, c.state, c.version, c.ordered_fen, c.received_fen, c.to_remit_fen, c.document, c.reason,
    o.state AS order_state, o.paid_on, r.application_id, r.proposal_id, r.case_number, r.applicant_uscc, r.fiscal_year, r.line_id,
    r.jurisdiction_id, r.amount_fen, r.policy_version, r.funding_source, r.expenditure_category,
    (SELECT coalesce(sum(b.received_fen), 0)::bigint FROM clawback b WHERE b.payment_order_id = c.payment_order_id) AS received_of_payment_fen
FROM clawback c JOIN payment_order o ON o.id = c.payment_order_id JOIN reservation r USING (application_id, proposal_id)
WHERE c.id = :id FOR UPDATE OF c
""")
_KEEP = insert(clawback_receipt).on_conflict_do_nothing(constraint="clawback_receipt_bank_reference_key")
_COUNT = text("""
UPDATE clawback SET received_fen = received_fen + :amount_fen, to_remit_fen = to_remit_fen + :to_remit_fen,
    state = CASE WHEN received_fen + :amount_fen = ordered_fen THEN 'received' ELSE 'open' END, version = version + 1
WHERE id = :id
""")
_REMIT = text("UPDATE clawback SET to_remit_fen = 0, version = version + 1 WHERE id = :id")
_CANCEL = text("""
UPDATE clawback SET state = 'cancelled', version = version + 1
WHERE payment_order_id = ANY(CAST(:ids AS uuid[])) AND state = 'open' AND received_fen = 0
""")


@dataclass(frozen=True, kw_only=True)
class Receipt:
    amount_fen: int
    received_on: date
    bank_reference: str


async def order_clawback(
    tx: Tx, *, payment_order_id: UUID, amount_fen: int, document: str, reason: str, act: Act, misuse_case_id: UUID | None = None
) -> AnyRow:
    """A receivable beside the books: no money moves by it."""
    await lock_books(tx)
    paid = (await tx.execute(_PAYMENT, {"id": payment_order_id})).one_or_none()
    if paid is None:
        raise no_such_order()
    rules.check_ordering(order_state=OrderState(paid.state), paid_fen=paid.amount_fen, ordered_fen=paid.ordered_fen, asked_fen=amount_fen)
    row: dict[str, object] = {
        "id": new_id(),
        "payment_order_id": payment_order_id,
        "misuse_case_id": misuse_case_id,
        "ordered_fen": amount_fen,
        "received_fen": 0,
    }
    row |= {"to_remit_fen": 0, "document": document, "reason": reason, "state": ClawbackState.OPEN, "ordered_by": act.caller, "ordered_at": act.at}
    ordered_id: UUID | None = (await tx.execute(_ORDER, {**row, "version": 1})).scalar_one_or_none()
    if ordered_id is None:
        raise rules.ClawbackOrdered(f"{document} is recorded for this payment.", detail_zh=f"{document}已登记。", pointer="/document")
    return await queries.clawback_of(tx, ordered_id)


async def receive(tx: Tx, clawback_id: UUID, *, receipt: Receipt, version: int, act: Act, catalogue: Catalogue) -> AnyRow:
    """Only now money moves: never back to what can be spent, unless policy data says so for the year of the payment."""
    await lock_books(tx)
    row = await _lock(tx, clawback_id)
    rules.check_receiving(_recovery(row), amount_fen=receipt.amount_fen, received_on=receipt.received_on, version=version, on=act.on)
    case, parts = waiting.case_money(row), await _parts(tx, row)
    fund = fund_spending_in(case.fiscal_year, catalogue=catalogue)
    booked_on = rules.booking_day(receipt.received_on, closed=await closed_years(tx), on=act.on)
    books = await ledger.open_year(tx, fiscal_year=booked_on.year, policy_id=fund.id, effective_on=booked_on)
    legs = rules.received(
        case,
        parts=parts,
        before_fen=row.received_of_payment_fen,
        amount_fen=receipt.amount_fen,
        booked_on=booked_on,
        document=row.document,
        fund=fund,
        signers=Signers(maker=act.caller),
    )
    voucher = (await append_vouchers(tx, [Voucher(legs=legs, act=act)], books=books))[0].entry.voucher
    assert voucher is not None, "what is posted has a number"
    await _keep(tx, clawback_id, receipt, voucher=voucher, act=act)
    to_remit_fen = receipt.amount_fen if rules.waits_to_be_remitted(legs) else 0
    await tx.execute(_COUNT, {"id": clawback_id, "amount_fen": receipt.amount_fen, "to_remit_fen": to_remit_fen})
    await outbox.append(tx, _told(row, case=case, amount_fen=receipt.amount_fen, voucher=voucher, act=act))
    return await queries.clawback_of(tx, clawback_id)


async def remit(tx: Tx, clawback_id: UUID, *, version: int, document: str, act: Act, catalogue: Catalogue) -> AnyRow:
    """All of it that waits goes to the treasury, under the payment-in document."""
    await lock_books(tx)
    row = await _lock(tx, clawback_id)
    rules.check_remitting(_recovery(row), version=version)
    case = waiting.case_money(row)
    fund = fund_spending_in(case.fiscal_year, catalogue=catalogue)
    books = await ledger.open_year(tx, fiscal_year=case.fiscal_year, policy_id=fund.id, effective_on=act.on)
    legs = rules.remitted(
        case,
        waiting=await queries.to_remit(tx, case),
        amount_fen=row.to_remit_fen,
        on=act.on,
        document=document,
        signers=Signers(maker=act.caller),
    )
    await append_vouchers(tx, [Voucher(legs=legs, act=act)], books=books)
    await tx.execute(_REMIT, {"id": clawback_id})
    return await queries.clawback_of(tx, clawback_id)


async def cancel_unreceived(tx: Tx, payment_order_ids: Sequence[UUID]) -> None:
    """The bank returned these payments: nothing is left to recover. The caller holds the books."""
    await tx.execute(_CANCEL, {"ids": list(payment_order_ids)})


async def _lock(tx: Tx, clawback_id: UUID) -> AnyRow:
    row: AnyRow | None = (await tx.execute(_LOCK, {"id": clawback_id})).one_or_none()
    if row is None:
        raise queries.no_such_clawback()
    return row


async def _parts(tx: Tx, row: AnyRow) -> tuple[Part, ...]:
    return (await held_parts(tx, [row.application_id])).get((row.application_id, row.proposal_id), ())


async def _keep(tx: Tx, clawback_id: UUID, receipt: Receipt, *, voucher: str, act: Act) -> None:
    row = {"id": new_id(), "clawback_id": clawback_id, "amount_fen": receipt.amount_fen, "received_on": receipt.received_on}
    row |= {"bank_reference": receipt.bank_reference, "voucher": voucher, "recorded_by": act.caller, "recorded_at": act.at}
    if not (await tx.execute(_KEEP, row)).rowcount:
        raise rules.ReceiptRecorded(
            f"{receipt.bank_reference} was taken in before.", detail_zh=f"凭证号{receipt.bank_reference}此前已登记。", pointer="/bank_reference"
        )


def _recovery(row: AnyRow) -> Recovery:
    return Recovery(
        state=ClawbackState(row.state),
        version=row.version,
        ordered_fen=row.ordered_fen,
        received_fen=row.received_fen,
        to_remit_fen=row.to_remit_fen,
        order_state=OrderState(row.order_state),
        paid_on=row.paid_on,
    )


def _told(row: AnyRow, *, case: CaseMoney, amount_fen: int, voucher: str, act: Act) -> PaymentClawedBack:
    return PaymentClawedBack(
        **waiting.event_facts(case, act=act, amount_fen=amount_fen),
        payment_order_id=row.payment_order_id,
        clawback_id=row.id,
        received_fen=row.received_fen + amount_fen,
        ordered_fen=row.ordered_fen,
        reason=row.reason,
        voucher=voucher,
    )
