"""Writes about quota documents. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, text, update
from sqlalchemy.dialects.postgresql import insert as insert_unless

from services.budget.bank import commands as bank
from services.budget.bank.commands import RowAnswer
from services.budget.bank.rules import BankOutcome, BankRow, Effect
from services.budget.entry.commands import lock_books
from services.budget.freeze.queries import in_force
from services.budget.freeze.rules import Freeze
from services.budget.ledger.rules import Act
from services.budget.payment.rules import OrderState
from services.budget.policy.catalogue import Catalogue
from services.budget.policy.paying import Paying, Route
from services.budget.quota import queries, rules
from services.budget.quota.rules import Candidate, Document, Held, Reported, Unfit
from services.budget.quota.tables import quota_document, quota_payment
from services.budget.waiting.commands import case_money
from shared.caller import Caller
from shared.db import AnyRow, Tx
from shared.errors import Refusal
from shared.ids import new_id

# First the locks, then a look of its own: one statement would see what stood in other tables before it waited.
_LOCK = text("SELECT id FROM payment_order WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE")
_CANDIDATES = text("""
SELECT o.id, o.state AS order_state, o.fiscal_year, o.ordered_on, r.application_id, r.proposal_id, r.case_number, r.applicant_uscc, r.line_id,
    r.jurisdiction_id, r.amount_fen, r.policy_version, r.funding_source, r.expenditure_category,
    EXISTS (SELECT FROM quota_payment p WHERE p.payment_order_id = o.id) AS is_handed_down,
    EXISTS (SELECT FROM requested_payment p WHERE p.payment_order_id = o.id) AS is_requested
FROM payment_order o JOIN reservation r ON r.application_id = o.application_id AND r.proposal_id = o.proposal_id
WHERE o.id = ANY(CAST(:ids AS uuid[]))
""")
_RECORD = insert_unless(quota_document).on_conflict_do_nothing().returning(quota_document.c.id)
_LIST = insert(quota_payment)
_KEEP_VOUCHERS = text("""
UPDATE quota_payment p SET voucher = v.voucher FROM unnest(CAST(:ids AS uuid[]), CAST(:vouchers AS text[])) AS v (payment_order_id, voucher)
WHERE p.payment_order_id = v.payment_order_id
""")


@dataclass(frozen=True, kw_only=True)
class NewDocument:
    number: str
    document: Document
    payment_order_ids: Sequence[UUID]


async def record_document(tx: Tx, new: NewDocument, *, caller: Caller, act: Act, paying: Mapping[str, Paying]) -> AnyRow:
    """Hand approved payments down to a district, all or none: nobody is paid by it. Raises PaymentsUnfit with each that is not fit, and why."""
    rules.check_day(new.document, on=act.on)
    ids = new.payment_order_ids
    await lock_books(tx)
    freezes = await in_force(tx)
    await tx.execute(_LOCK, {"ids": list(ids)})
    found = {row.id: row for row in await tx.execute(_CANDIDATES, {"ids": list(ids)})}
    judged = {order_id: rules.unfit(_candidate(found.get(order_id), freezes=freezes, paying=paying), document=new.document) for order_id in ids}
    judged |= {order_id: Unfit.NAMED_TWICE for order_id in ids if ids.count(order_id) > 1}
    rules.refuse_unfit({order_id: why for order_id, why in judged.items() if why is not None})
    document_id = new_id()
    of_document = {
        "fiscal_year": new.document.fiscal_year,
        "jurisdiction_id": new.document.jurisdiction_id,
        "handed_down_on": new.document.handed_down_on,
    }
    signed = {"recorded_by": act.caller, "recorded_at": act.at, "version": 1}
    if (await tx.execute(_RECORD, {"id": document_id, "number": new.number, **of_document, **signed})).one_or_none() is None:
        raise rules.DocumentExists(f"{new.number} is recorded.", detail_zh=f"文号{new.number}已录入。", pointer="/number")
    await tx.execute(_LIST, [{"quota_document_id": document_id, "place": place, "payment_order_id": each} for place, each in enumerate(ids, start=1)])
    return await queries.document_of(tx, document_id, caller=caller)


async def take_reports(
    tx: Tx,
    quota: AnyRow,
    *,
    rows: Sequence[Reported],
    version: int,
    document: str,
    act: Act,
    catalogue: Catalogue,
    paying: Mapping[str, Paying],
) -> list[RowAnswer]:
    """Book what the district did with the money that it was handed; only this makes it paid."""
    rules.check_version(quota.version, expected=version)
    as_read = (quota_document.c.id == quota.id, quota_document.c.version == version)
    if (await tx.execute(update(quota_document).where(*as_read).values(version=version + 1))).rowcount == 0:
        raise rules.DocumentStale("Another report was taken at the same moment.", detail_zh="该指标文件刚有其他支付结果报入。")
    held = {row.payment_order_id: Held(bank_reference=row.bank_reference, voucher=row.voucher) for row in await queries.payments_of(tx, quota.id)}
    judged = rules.judge_reports(rows, held=held, handed_down_on=quota.handed_down_on)
    fit = [each for each in judged if isinstance(each, BankRow)]
    taken = iter(await _take(tx, fit, document=document, act=act, catalogue=catalogue, paying=paying))
    answers = [RowAnswer(each, None) if isinstance(each, Refusal) else next(taken) for each in judged]
    await _keep_vouchers(tx, rows, answers=answers)
    return answers


async def _take(tx: Tx, rows: Sequence[BankRow], *, document: str, act: Act, catalogue: Catalogue, paying: Mapping[str, Paying]) -> list[RowAnswer]:
    if not rows:
        return []
    return await bank.take_confirmations(tx, rows, said_by=Route.QUOTA, document=document, act=act, catalogue=catalogue, paying=paying)


async def _keep_vouchers(tx: Tx, rows: Sequence[Reported], *, answers: Sequence[RowAnswer]) -> None:
    kept = {
        row.payment_order_id: row.voucher
        for row, answer in zip(rows, answers, strict=True)
        if answer.judged is Effect.PAY and row.outcome is BankOutcome.PAID
    }
    if kept:
        await tx.execute(_KEEP_VOUCHERS, {"ids": list(kept), "vouchers": list(kept.values())})


def _candidate(row: AnyRow | None, *, freezes: Sequence[Freeze], paying: Mapping[str, Paying]) -> Candidate | None:
    if row is None:
        return None
    money = case_money(row)
    return Candidate(
        state=OrderState(row.order_state),
        fiscal_year=row.fiscal_year,
        jurisdiction_id=row.jurisdiction_id,
        route=paying[row.line_id.partition("/")[0]].route_taken(
            line_id=row.line_id, jurisdiction_id=row.jurisdiction_id, is_handed_down=row.is_handed_down, is_requested=row.is_requested
        ),
        ordered_on=row.ordered_on,
        is_handed_down=row.is_handed_down,
        is_stopped=any(freeze.stops(money) for freeze in freezes),
    )
