"""Writes about payment orders: made, checked or rejected, one or many at once. The caller owns the transaction."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import insert, text
from sqlalchemy.dialects.postgresql import insert as insert_unless

from services.budget.freeze.queries import in_force
from services.budget.freeze.rules import check_case_free
from services.budget.ledger.rules import Act
from services.budget.payee import commands as payee
from services.budget.payee.rules import AccountDiffers, PayeeState, account_unreadable
from services.budget.payment import queries, rules
from services.budget.payment.rules import Order, OrderState, Reserved
from services.budget.payment.tables import payable, payment_order
from services.budget.sealing import Seal
from services.budget.waiting import commands as waiting
from services.budget.waiting.rules import ReservationState
from shared.caller import Caller
from shared.db import AnyRow, Tx
from shared.errors import Refusal
from shared.ids import new_id

Answer: TypeAlias = "AnyRow | Refusal"

_HELD = text("""
SELECT r.application_id, r.proposal_id, r.state, r.case_number, r.applicant_uscc, r.fiscal_year, r.line_id, r.jurisdiction_id, r.amount_fen,
    r.policy_version, r.funding_source, r.expenditure_category, p.amount_fen AS awarded_fen, p.notice_number
FROM reservation r LEFT JOIN payable p USING (application_id, proposal_id)
WHERE r.application_id = ANY(CAST(:application_ids AS uuid[])) AND r.state IN ('waiting', 'reserved', 'in_transit', 'paid')
ORDER BY r.application_id FOR UPDATE OF r
""")
_ISSUED = text("""
SELECT application_id, max(issue) AS issue, bool_or(state IN ('made', 'checked', 'in_transit', 'paid')) AS has_open,
    max(made_at) FILTER (WHERE state = 'returned') AS returned_made_at,
    EXISTS (SELECT FROM late_payment l WHERE l.application_id = payment_order.application_id AND l.outcome IS NULL) AS has_late_payment
FROM payment_order WHERE application_id = ANY(CAST(:application_ids AS uuid[])) GROUP BY application_id
""")
_ACCOUNTS = text("""
SELECT id, application_id, uscc, entered_at FROM payee_account
WHERE state IN ('entered', 'confirmed') AND (application_id = ANY(CAST(:application_ids AS uuid[])) OR uscc = ANY(CAST(:usccs AS text[])))
""")
_CONFIRM = insert_unless(payable).on_conflict_do_nothing()
_NOTE_CONFIRMATION = text("""
INSERT INTO reservation_history (application_id, proposal_id, what, state, happened_at, happened_on)
VALUES (
    :application_id, :proposal_id, :what,
    coalesce((SELECT state FROM reservation WHERE application_id = :application_id AND proposal_id = :proposal_id), 'unknown'), :at, :on
)
""")
_MAKE = insert(payment_order)
_LOCK_ORDERS = text("""
SELECT o.id, o.state, o.version, o.maker, o.checker, o.notice_number, o.payee_account_id,
    EXISTS (SELECT FROM late_payment l WHERE l.application_id = o.application_id AND l.outcome IS NULL) AS has_late_payment,
    account_state(a.id, o.application_id) AS account_state, a.entered_by AS account_entered_by, a.number_sealed, a.number_last_4,
    r.state AS reservation_state, r.application_id, r.proposal_id, r.case_number, r.applicant_uscc, r.fiscal_year, r.line_id, r.jurisdiction_id,
    r.amount_fen, r.policy_version, r.funding_source, r.expenditure_category
FROM payment_order o JOIN reservation r USING (application_id, proposal_id) JOIN payee_account a ON a.id = o.payee_account_id
WHERE o.id = ANY(CAST(:ids AS uuid[])) ORDER BY o.id FOR UPDATE OF o
""")
_CHECK = text("""
UPDATE payment_order SET state = 'checked', checker = :checker, checked_at = :at, version = version + 1 WHERE id = ANY(CAST(:ids AS uuid[]))
""")
_REJECT = text("""
UPDATE payment_order SET state = 'rejected', rejected_by = :rejected_by, reason = :reason, version = version + 1 WHERE id = :id
""")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One order that is to go on: the version that was looked at; for checking the account number typed again, for approving a ground."""

    order_id: UUID
    version: int
    number: str = field(default="", repr=False)
    acknowledgement: str | None = None


async def confirm_award(
    tx: Tx, *, application_id: UUID, proposal_id: UUID, amount_fen: int, notice_number: str, confirmed_on: date, act: Act
) -> None:
    """The award may be paid from here on. What comes twice, or after the money was released, is noted and changes nothing."""
    named = {"application_id": application_id, "proposal_id": proposal_id}
    confirmed = await tx.execute(_CONFIRM, {**named, "amount_fen": amount_fen, "notice_number": notice_number, "confirmed_on": confirmed_on})
    what = "award_confirmed" if confirmed.rowcount else "repeated_confirmation"
    await tx.execute(_NOTE_CONFIRMATION, {**named, "what": what, "at": act.at, "on": act.on})


async def make_orders(tx: Tx, application_ids: Sequence[UUID], *, caller: Caller, act: Act) -> list[Answer]:
    """An order for each case that may be paid; the answers stand in the order of the cases."""
    held = {row.application_id: row for row in await tx.execute(_HELD, {"application_ids": list(application_ids)})}
    issued = {row.application_id: row for row in await tx.execute(_ISSUED, {"application_ids": list(held)})}
    accounts = await _accounts(tx, held)
    # The approval decides by them again, behind the lock of the books.
    freezes = await in_force(tx)
    ids: list[UUID | Refusal] = []
    rows: list[dict[str, object]] = []
    for index, application_id in enumerate(application_ids):
        case, before, order_id = held.get(application_id), issued.get(application_id), new_id()
        try:
            _refuse_repeat(application_id, seen=application_ids[:index])
            if case is None or not caller.covers(case.jurisdiction_id):
                raise rules.NoMoneyHeld("No live reservation belongs to this case.", detail_zh="该案件没有有效的预留资金。")
            check_case_free(waiting.case_money(case), freezes=freezes)
            rules.check_making(_reserved(case, before=before, account=accounts.get(application_id)))
        except Refusal as refusal:
            ids.append(refusal)
            continue
        ids.append(order_id)
        issue = before.issue + 1 if before is not None else 1
        rows.append(_new_order(case, order_id=order_id, issue=issue, payee_account_id=accounts[application_id].id, act=act))
    if rows:
        await tx.execute(_MAKE, rows)
    return await shown_orders(tx, ids)


async def check_orders(tx: Tx, steps: Sequence[Step], *, seal: Seal, caller: Caller, act: Act) -> list[Answer]:
    """人社 复核: a second person typed the account number again, and it is the same."""
    locked = await lock_orders(tx, steps)

    def check(place: int) -> None:
        step, row = steps[place], locked[steps[place].order_id]
        rules.check_checking(order_of(row), version=step.version, checker=act.caller)
        _check_number(row, number=step.number, seal=seal)

    judged = judge_steps(steps, found=jurisdictions_of(locked), callers=[caller] * len(steps), check=check)
    checked = [locked[each] for each in judged if not isinstance(each, Refusal)]
    if checked:
        await tx.execute(_CHECK, {"ids": [row.id for row in checked], "checker": act.caller, "at": act.at})
        await payee.confirm_accounts(tx, [row.payee_account_id for row in checked], act=act)
    return await shown_orders(tx, judged)


async def reject_order(tx: Tx, step: Step, *, reason: str, caller: Caller, act: Act) -> Answer:
    """Back to the maker with a reason; the case is payable again by a new order."""
    locked = await lock_orders(tx, [step])

    def check(_place: int) -> None:
        rules.check_rejecting(order_of(locked[step.order_id]), version=step.version, rejected_by=act.caller)

    judged = judge_steps([step], found=jurisdictions_of(locked), callers=[caller], check=check)
    if not isinstance(judged[0], Refusal):
        await tx.execute(_REJECT, {"id": step.order_id, "rejected_by": act.caller, "reason": reason})
    (answer,) = await shown_orders(tx, judged)
    return answer


async def lock_orders(tx: Tx, steps: Sequence[Step]) -> dict[UUID, AnyRow]:
    return {row.id: row for row in await tx.execute(_LOCK_ORDERS, {"ids": [step.order_id for step in steps]})}


def jurisdictions_of(locked: Mapping[UUID, AnyRow]) -> dict[UUID, str]:
    return {order_id: row.jurisdiction_id for order_id, row in locked.items()}


def judge_steps(steps: Sequence[Step], *, found: Mapping[UUID, str], callers: Sequence[Caller], check: Callable[[int], None]) -> list[UUID | Refusal]:
    """The id of each order that may take its step, or why it may not. `found` are the jurisdictions of the orders there are.

    `check` gets the place of a step whose order is there for its caller, and has not been named before.
    """
    judged: list[UUID | Refusal] = []
    seen: set[UUID] = set()
    for place, (step, caller) in enumerate(zip(steps, callers, strict=True)):
        jurisdiction_id = found.get(step.order_id)
        try:
            if jurisdiction_id is None or not caller.covers(jurisdiction_id):
                raise queries.no_such_order()
            _refuse_repeat(step.order_id, seen=seen)
            check(place)
        except Refusal as refusal:
            judged.append(refusal)
        else:
            judged.append(step.order_id)
        seen.add(step.order_id)
    return judged


async def shown_orders(tx: Tx, judged: Sequence[UUID | Refusal]) -> list[Answer]:
    """Each order as it is now, each refusal as it was given."""
    orders = await queries.orders(tx, [each for each in judged if not isinstance(each, Refusal)])
    return [each if isinstance(each, Refusal) else orders[each] for each in judged]


async def _accounts(tx: Tx, held: Mapping[UUID, AnyRow]) -> dict[UUID, AnyRow]:
    """The current account of each case: its own, else that of its organisation."""
    usccs = sorted({row.applicant_uscc for row in held.values()})
    found = (await tx.execute(_ACCOUNTS, {"application_ids": list(held), "usccs": usccs})).all()
    of_case = {row.application_id: row for row in found if row.application_id is not None}
    of_organisation = {row.uscc: row for row in found if row.uscc is not None}
    accounts = {application_id: of_case.get(application_id, of_organisation.get(row.applicant_uscc)) for application_id, row in held.items()}
    return {application_id: account for application_id, account in accounts.items() if account is not None}


def _check_number(row: AnyRow, *, number: str, seal: Seal) -> None:
    try:
        is_same = seal.holds(row.number_sealed, record_id=row.payee_account_id, number=number)
    except InvalidTag as error:
        raise account_unreadable(row.payee_account_id, last_4=row.number_last_4) from error
    if not is_same:
        raise AccountDiffers("The two numbers differ.", detail_zh="两次录入的账号不一致。", pointer="/account_number")


def _refuse_repeat(named: UUID, *, seen: Collection[UUID]) -> None:
    if named in seen:
        raise rules.NamedTwice(f"{named} stands further up already.", detail_zh=f"{named}在本次请求中重复出现。")


def _reserved(case: AnyRow, *, before: AnyRow | None, account: AnyRow | None) -> Reserved:
    return Reserved(
        state=ReservationState(case.state),
        amount_fen=case.amount_fen,
        awarded_fen=case.awarded_fen,
        has_open_order=before is not None and before.has_open,
        account_entered_at=None if account is None else account.entered_at,
        returned_order_made_at=None if before is None else before.returned_made_at,
        has_late_payment=before is not None and before.has_late_payment,
    )


def _new_order(case: AnyRow, *, order_id: UUID, issue: int, payee_account_id: UUID, act: Act) -> dict[str, object]:
    return {
        "id": order_id,
        "application_id": case.application_id,
        "proposal_id": case.proposal_id,
        "issue": issue,
        "fiscal_year": case.fiscal_year,
        "jurisdiction_id": case.jurisdiction_id,
        "amount_fen": case.amount_fen,
        "notice_number": case.notice_number,
        "payee_account_id": payee_account_id,
        "state": OrderState.MADE,
        "maker": act.caller,
        "made_at": act.at,
        "version": 1,
    }


def order_of(row: AnyRow) -> Order:
    return Order(
        id=row.id,
        state=OrderState(row.state),
        version=row.version,
        maker=row.maker,
        checker=row.checker,
        account_state=PayeeState(row.account_state),
        account_entered_by=row.account_entered_by,
        has_late_payment=row.has_late_payment,
    )
