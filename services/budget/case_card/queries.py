"""Reads of one case: what it holds, and everything about it in the order of time; `tx` is a snapshot."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import text

from services.budget.case_card.rules import Happened, NoSuchCase
from services.budget.ledger.rules import AccountName
from shared.caller import Caller
from shared.db import AnyRow, Tx

TIMELINE_ROWS_MAX = 1_000

_RESERVATIONS = text("""
SELECT r.proposal_id, r.state, r.case_number, r.applicant_uscc, r.fiscal_year, r.line_id, r.jurisdiction_id, r.amount_fen, r.policy_version,
    r.proposed_on, r.reason, p.notice_number, p.confirmed_on, p.amount_fen AS payable_fen
FROM reservation r LEFT JOIN payable p USING (application_id, proposal_id) WHERE r.application_id = :application_id ORDER BY r.place
""")
_HELD = text("""
SELECT account, CAST(sum(fen) AS bigint) AS held_fen FROM (
    SELECT m.* FROM journal CROSS JOIN LATERAL (VALUES (cr, amount_fen), (dr, -amount_fen)) AS m
    WHERE application_id = :application_id AND outcome = 'posted'
) AS moved (account, fen) WHERE account LIKE '____/' || :reserved || '%' GROUP BY account HAVING sum(fen) > 0 ORDER BY account
""")

# Every part of the timeline has these; `rank` and `place` keep the order of what has the same instant.
_COLUMNS = {
    "at": "timestamptz",
    "on_day": "date",
    "rank": "int",
    "place": "bigint",
    "happened": "text",
    "what": "text",
    "seq": "bigint",
    "voucher": "text",
    "dr": "text",
    "cr": "text",
    "amount_fen": "bigint",
    "document": "text",
    "reason": "text",
    "by_whom": "text",
    "id": "uuid",
    "issue": "int",
    "number_last_4": "text",
}


def _part(happened: Happened, source: str, **columns: str) -> str:
    """One kind of happening: where it is read from, and which of the columns it has."""
    assert columns.keys() <= _COLUMNS.keys()
    values = {"rank": "1", "place": "0", "happened": f"'{happened}'"} | columns
    shown = ", ".join(f"CAST({values.get(name, 'NULL')} AS {kind}) AS {name}" for name, kind in _COLUMNS.items())
    return f"SELECT {shown} FROM {source}"  # noqa: S608 - names and words of our own


_FREEZE = """freeze_order WHERE (application_id = :application_id OR scope = 'fund' OR line_id = ANY(CAST(:line_ids AS text[]))
    OR uscc = ANY(CAST(:usccs AS text[])) OR jurisdiction_id = ANY(CAST(:jurisdiction_ids AS text[])))"""
_ACCOUNT = {"what": "state", "id": "id", "number_last_4": "number_last_4"}
_ORDER = {"place": "issue", "what": "state", "amount_fen": "amount_fen", "document": "notice_number", "id": "id", "issue": "issue"}
_PARTS = (
    _part(
        Happened.POSTED,
        "journal WHERE application_id = :application_id AND outcome = 'posted'",
        **{name: name for name in ("seq", "voucher", "dr", "cr", "amount_fen", "document", "reason")},
        at="booked_at",
        on_day="effective_on",
        rank="2",
        place="seq",
        what="kind",
        by_whom="coalesce(approver, checker, maker, caller)",
    ),
    _part(
        Happened.ANSWERED,
        "journal WHERE application_id = :application_id AND outcome <> 'posted'",
        **{name: name for name in ("seq", "amount_fen", "document", "reason")},
        at="booked_at",
        on_day="effective_on",
        rank="2",
        place="seq",
        what="outcome",
        by_whom="caller",
    ),
    _part(
        Happened.NOTED,
        "reservation_history WHERE application_id = :application_id",
        at="happened_at",
        on_day="happened_on",
        rank="3",
        place="id",
        what="what",
        reason="reason",
        id="proposal_id",
    ),
    _part(Happened.ACCOUNT_ENTERED, "accounts", at="entered_at", rank="0", by_whom="entered_by", **_ACCOUNT),
    _part(Happened.ACCOUNT_CONFIRMED, "accounts WHERE confirmed_at IS NOT NULL", at="confirmed_at", by_whom="confirmed_by", **_ACCOUNT),
    _part(Happened.ORDER_MADE, "orders", at="made_at", by_whom="maker", **_ORDER),
    _part(Happened.ORDER_CHECKED, "orders WHERE checked_at IS NOT NULL", at="checked_at", by_whom="checker", **_ORDER),
    _part(
        Happened.ORDER_APPROVED,
        "orders WHERE approved_at IS NOT NULL",
        at="approved_at",
        on_day="ordered_on",
        voucher="bank_reference",
        by_whom="approver",
        **_ORDER,
    ),
    _part(
        Happened.BANK_SAID,
        "orders o JOIN bank_confirmation b ON b.bank_reference = o.bank_reference",
        at="b.received_at",
        on_day="b.settled_on",
        place="o.issue",
        what="b.outcome || ':' || b.status",
        issue="o.issue",
        voucher="b.bank_reference",
        document="b.document",
        by_whom="b.received_by",
        id="b.id",
        amount_fen="coalesce(b.amount_fen, o.amount_fen)",
        reason="coalesce(b.reason, b.cause)",
    ),
    _part(
        Happened.LATE_PAYMENT_DECIDED,
        "late_payment l JOIN orders o ON o.id = l.payment_order_id WHERE l.decided_at IS NOT NULL",
        at="l.decided_at",
        what="l.outcome",
        reason="l.reason",
        by_whom="l.decided_by",
        id="o.id",
        issue="o.issue",
    ),
    _part(
        Happened.HANDED_DOWN,
        "orders o JOIN quota_payment p ON p.payment_order_id = o.id JOIN quota_document d ON d.id = p.quota_document_id",
        at="d.recorded_at",
        on_day="d.handed_down_on",
        place="p.place",
        what="o.state",
        voucher="p.voucher",
        id="d.id",
        amount_fen="o.amount_fen",
        document="d.number",
        by_whom="d.recorded_by",
        issue="o.issue",
    ),
    _part(
        Happened.FROZEN,
        _FREEZE,
        at="ordered_at",
        on_day="ordered_on",
        what="scope",
        document="document",
        reason="reason",
        by_whom="authority",
        id="id",
    ),
    _part(
        Happened.UNFROZEN,
        f"{_FREEZE} AND lifted_at IS NOT NULL",
        at="lifted_at",
        what="scope",
        document="lifting_document",
        by_whom="lifted_by",
        id="id",
    ),
    _part(
        Happened.CLAWBACK_ORDERED,
        "clawback c JOIN orders o ON o.id = c.payment_order_id",
        at="c.ordered_at",
        what="c.state",
        amount_fen="c.ordered_fen",
        document="c.document",
        reason="c.reason",
        by_whom="c.ordered_by",
        id="c.id",
        issue="o.issue",
    ),
    _part(
        Happened.CLAWBACK_RECEIVED,
        "clawback_receipt t JOIN clawback c ON c.id = t.clawback_id JOIN orders o ON o.id = c.payment_order_id",
        at="t.recorded_at",
        on_day="t.received_on",
        what="c.state",
        voucher="t.voucher",
        amount_fen="t.amount_fen",
        document="t.bank_reference",
        by_whom="t.recorded_by",
        id="c.id",
        issue="o.issue",
    ),
)
# An organisation's account is seen by whoever sees the whole city, as in the list of accounts.
_TIMELINE = text(f"""
WITH orders AS (SELECT * FROM payment_order WHERE application_id = :application_id),
accounts AS (
    SELECT * FROM payee_account WHERE (application_id = :application_id OR uscc = ANY(CAST(:usccs AS text[])))
        AND (CAST(:jurisdictions AS text[]) IS NULL OR jurisdiction_id = ANY(:jurisdictions))
)
SELECT * FROM ({" UNION ALL ".join(_PARTS)}) AS happening ORDER BY at, rank, place, id LIMIT :rows_max
""")  # noqa: S608 - names and words of our own


async def reservations_of(tx: Tx, application_id: UUID, *, caller: Caller) -> Sequence[AnyRow]:
    """Each proposal of the case with what is payable by it, oldest first. Raises NoSuchCase, also for who may not see it."""
    found = (await tx.execute(_RESERVATIONS, {"application_id": application_id})).all()
    visible = [row for row in found if caller.jurisdictions is None or (row.jurisdiction_id is not None and caller.covers(row.jurisdiction_id))]
    if not visible:
        raise NoSuchCase("No proposal of this case came here.", detail_zh="尚未收到该案件的资金安排。")
    return visible


async def held_by(tx: Tx, application_id: UUID) -> Sequence[AnyRow]:
    """What is reserved for the case, account by account."""
    return (await tx.execute(_HELD, {"application_id": application_id, "reserved": AccountName.RESERVED})).all()


async def timeline_of(tx: Tx, application_id: UUID, *, reservations: Sequence[AnyRow], caller: Caller) -> Sequence[AnyRow]:
    """The first TIMELINE_ROWS_MAX things that happened to the case, or to what it belongs to."""
    found = await tx.execute(
        _TIMELINE,
        {
            "application_id": application_id,
            "usccs": _distinct(row.applicant_uscc for row in reservations),
            "line_ids": _distinct(row.line_id for row in reservations),
            "jurisdiction_ids": _distinct(row.jurisdiction_id for row in reservations),
            "jurisdictions": caller.jurisdiction_list(),
            "rows_max": TIMELINE_ROWS_MAX,
        },
    )
    return found.all()


def _distinct(values: Iterable[str | None]) -> list[str]:
    return sorted({value for value in values if value is not None})
