"""Writes about requests for payment. The caller owns the transaction."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import insert, text, update

from services.budget.bank import commands as bank
from services.budget.bank.commands import RowAnswer
from services.budget.entry.commands import lock_books
from services.budget.freeze.queries import in_force
from services.budget.freeze.rules import Freeze
from services.budget.ledger.rules import Act
from services.budget.payee.rules import account_unreadable
from services.budget.payment.rules import OrderState
from services.budget.payment_request import queries, rules
from services.budget.payment_request.rules import Candidate, Difference, Expected, Payment, Read, Unfit
from services.budget.payment_request.tables import (
    payment_difference,
    payment_request,
    payment_request_export,
    payment_request_import,
    requested_payment,
)
from services.budget.performance import queries as performance
from services.budget.policy.catalogue import Catalogue
from services.budget.policy.paying import Paying, Route
from services.budget.sealing import Seal
from services.budget.spreadsheet import Format, write_sheet
from services.budget.waiting.commands import case_money
from shared.db import AnyRow, Tx
from shared.ids import new_id

# First the locks, then a look of its own: one statement would see what stood in other tables before it waited.
_LOCK = text("SELECT id FROM payment_order WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE")
_CANDIDATES = text("""
SELECT o.id, o.state AS order_state, o.fiscal_year, r.application_id, r.proposal_id, r.case_number, r.applicant_uscc, r.line_id,
    r.jurisdiction_id, r.amount_fen, r.policy_version, r.funding_source, r.expenditure_category, a.bank_name, a.bank_code,
    EXISTS (SELECT FROM requested_payment p WHERE p.payment_order_id = o.id) AS is_requested,
    EXISTS (SELECT FROM quota_payment q WHERE q.payment_order_id = o.id) AS is_handed_down
FROM payment_order o JOIN reservation r ON r.application_id = o.application_id AND r.proposal_id = o.proposal_id
    JOIN payee_account a ON a.id = o.payee_account_id
WHERE o.id = ANY(CAST(:ids AS uuid[]))
""")
_MAKE = insert(payment_request)
_LIST = insert(requested_payment)
_LOG_EXPORT = insert(payment_request_export)
_KEEP_IMPORT = insert(payment_request_import)
_KEEP_DIFFERENCES = insert(payment_difference)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of each row that was booked, and how the sheet differed."""

    rows: Sequence[Read]
    answers: Sequence[RowAnswer]
    differences: Sequence[Difference]


async def make_request(tx: Tx, order_ids: Sequence[UUID], *, fiscal_year: int, quota_document: str, act: Act, paying: Mapping[str, Paying]) -> AnyRow:
    """One request of many approved payments, all or none. Raises OrdersUnfit with each that is not fit, and why."""
    await lock_books(tx)
    freezes = await in_force(tx)
    await tx.execute(_LOCK, {"ids": list(order_ids)})
    found = {row.id: row for row in await tx.execute(_CANDIDATES, {"ids": list(order_ids)})}
    judged = {order_id: _unfit(found.get(order_id), fiscal_year=fiscal_year, freezes=freezes, paying=paying) for order_id in order_ids}
    judged |= {order_id: Unfit.NAMED_TWICE for order_id in order_ids if order_ids.count(order_id) > 1}
    rules.refuse_unfit({order_id: why for order_id, why in judged.items() if why is not None})
    line_ids = {row.line_id for row in found.values()}
    missing = await performance.lines_not_evaluated(tx, line_ids, fiscal_year=fiscal_year - 1)
    wanted = {line_id: _paying(line_id, paying=paying).performance.missing_self_evaluation for line_id in missing}
    warnings = rules.warnings_about(wanted)
    request_id = new_id()
    made = {"id": request_id, "fiscal_year": fiscal_year, "quota_document": quota_document, "warnings": warnings, "version": 1}
    await tx.execute(_MAKE, {**made, "made_by": act.caller, "made_at": act.at})
    listed = [{"payment_request_id": request_id, "place": place, "payment_order_id": each} for place, each in enumerate(order_ids, start=1)]
    # Locked above, an order is in no request that is not seen here: the constraint stands behind that.
    await tx.execute(_LIST, listed)
    return await queries.request_of(tx, request_id)


async def export_request(
    tx: Tx, request: AnyRow, *, sheet_format: Format, seal: Seal, exported_by: str, exported_at: datetime, paying: Mapping[str, Paying]
) -> bytes:
    """The file for the treasury, and who took it."""
    payments = [_payment(row, request=request, seal=seal, paying=paying) for row in await queries.payments_of(tx, request.id)]
    content = write_sheet(rules.sheet_of(payments), sheet_format=sheet_format, made_at=request.made_at)
    logged = {"payment_request_id": request.id, "format": sheet_format, "sha256": hashlib.sha256(content).digest()}
    await tx.execute(_LOG_EXPORT, {**logged, "exported_by": exported_by, "exported_at": exported_at})
    return content


async def import_rows(
    tx: Tx,
    request: AnyRow,
    *,
    rows: Sequence[Read],
    version: int,
    document: str,
    content: bytes,
    act: Act,
    catalogue: Catalogue,
    paying: Mapping[str, Paying],
) -> Imported:
    """Book what the treasury did with the payments of this request; every difference is kept and told."""
    rules.check_version(request.version, expected=version)
    as_read = (payment_request.c.id == request.id, payment_request.c.version == version)
    if (await tx.execute(update(payment_request).where(*as_read).values(version=version + 1))).rowcount == 0:
        raise rules.changed_meanwhile()
    expected = {row.bank_reference: _expected(row) for row in await queries.payments_of(tx, request.id)}
    differences = rules.compare(rows, expected=expected)
    booked = rules.to_book(rows, differences=differences)
    answers: list[RowAnswer] = []
    if booked:
        answers = await bank.take_confirmations(
            tx,
            [rules.bank_row(row) for row in booked],
            said_by=Route.TREASURY,
            document=document,
            act=act,
            catalogue=catalogue,
            paying=paying,
        )
    await _keep(tx, request, differences, document=document, content=content, act=act)
    return Imported(rows=booked, answers=answers, differences=differences)


async def _keep(tx: Tx, request: AnyRow, differences: Sequence[Difference], *, document: str, content: bytes, act: Act) -> None:
    import_id = new_id()
    imported = {"id": import_id, "payment_request_id": request.id, "document": document, "sha256": hashlib.sha256(content).digest()}
    await tx.execute(_KEEP_IMPORT, {**imported, "imported_by": act.caller, "imported_at": act.at})
    if differences:
        await tx.execute(
            _KEEP_DIFFERENCES,
            [
                {
                    "payment_request_import_id": import_id,
                    "place": place,
                    "kind": each.kind,
                    "row": each.row,
                    "bank_reference": each.bank_reference,
                    "expected": each.expected,
                    "found": each.found,
                }
                for place, each in enumerate(differences, start=1)
            ],
        )


def _unfit(row: AnyRow | None, *, fiscal_year: int, freezes: Sequence[Freeze], paying: Mapping[str, Paying]) -> Unfit | None:
    if row is None:
        return Unfit.UNKNOWN
    way, money = _paying(row.line_id, paying=paying), case_money(row)
    candidate = Candidate(
        state=OrderState(row.order_state),
        fiscal_year=row.fiscal_year,
        route=way.route_taken(
            line_id=row.line_id, jurisdiction_id=row.jurisdiction_id, is_handed_down=row.is_handed_down, is_requested=row.is_requested
        ),
        bank_name=row.bank_name,
        bank_code=row.bank_code,
        is_requested=row.is_requested,
        is_stopped=any(freeze.stops(money) for freeze in freezes),
    )
    return rules.unfit(candidate, fiscal_year=fiscal_year, bank_codes=way.bank_code)


def _payment(row: AnyRow, *, request: AnyRow, seal: Seal, paying: Mapping[str, Paying]) -> Payment:
    codes = _paying(row.line_id, paying=paying).codes
    return Payment(
        bank_reference=row.bank_reference,
        quota_document=request.quota_document,
        project_code=codes.project_code,
        functional_code=codes.functional_code,
        economic_code=codes.economic_codes[row.expenditure_category],
        payee=row.account_name,
        account_number=_opened(row, seal=seal),
        bank_name=row.bank_name,
        bank_code=row.bank_code,
        amount_fen=row.amount_fen,
        purpose=f"{row.line_id} {row.case_number}",
    )


def _opened(row: AnyRow, *, seal: Seal) -> str:
    try:
        return seal.open(row.number_sealed, record_id=row.payee_account_id)
    except InvalidTag as error:
        raise account_unreadable(row.payee_account_id, last_4=row.number_last_4) from error


def _expected(row: AnyRow) -> Expected:
    return Expected(bank_reference=row.bank_reference, payee=row.account_name, amount_fen=row.amount_fen, state=OrderState(row.state))


def _paying(line_id: str, *, paying: Mapping[str, Paying]) -> Paying:
    return paying[line_id.partition("/")[0]]
