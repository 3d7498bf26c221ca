"""Reads of the daily reconciliation; `tx` is a snapshot."""

from collections.abc import Sequence
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import text

from services.budget.ledger.rules import AccountName
from services.budget.reconciliation.rules import Checked, Moved, checks_of
from services.budget.snapshot.queries import last_seq_before
from services.budget.snapshot.rules import Snapshot
from shared.db import AnyRow, Tx

ROWS_SHOWN_MAX = 200

_NAMES = {
    "approved": AccountName.APPROVED,
    "reserved": AccountName.RESERVED,
    "in_transit": AccountName.IN_TRANSIT,
    "paid": AccountName.PAID,
    "recovered_late": AccountName.RECOVERED_LATE,
    "to_remit": AccountName.TO_REMIT,
}
_MOVED = text("""
SELECT (j.booked_at AT TIME ZONE :zone)::date AS day,
    count(*) FILTER (WHERE outcome = 'posted' AND leg = 1) AS vouchers,
    count(*) FILTER (WHERE outcome <> 'posted') AS answers,
    coalesce(sum(amount_fen) FILTER (WHERE outcome = 'posted' AND kind = 'order'), 0)::bigint AS ordered_fen,
    coalesce(sum(amount_fen) FILTER (WHERE outcome = 'posted' AND kind = 'confirm'), 0)::bigint AS confirmed_fen,
    coalesce(sum(amount_fen) FILTER (WHERE outcome = 'posted' AND kind = 'return'), 0)::bigint AS returned_fen,
    (coalesce(sum(amount_fen) FILTER (WHERE c.name = :in_transit), 0)
        - coalesce(sum(amount_fen) FILTER (WHERE d.name = :in_transit), 0))::bigint AS in_transit_grown_fen
FROM journal j LEFT JOIN balance d ON d.account = j.dr LEFT JOIN balance c ON c.account = j.cr
WHERE seq > :after_seq AND seq <= :until_seq GROUP BY 1
""")
_IN_TRANSIT = text("SELECT coalesce(sum(balance_fen), 0)::bigint FROM balance WHERE name = :in_transit")
_OPEN_ORDERS = text("""
SELECT o.id, o.bank_reference, r.case_number, o.jurisdiction_id, o.fiscal_year, o.amount_fen, o.ordered_on,
    count(*) OVER () AS orders_in_all, (sum(o.amount_fen) OVER ())::bigint AS all_fen
FROM payment_order o JOIN reservation r USING (application_id, proposal_id)
WHERE o.state = 'in_transit' ORDER BY o.ordered_on, o.id LIMIT :rows_max
""")
# A row is open until somebody decided what it means; `expected_fen` and `order_state` are what our own books say of its reference.
_UNMATCHED = text("""
SELECT b.id, b.bank_reference, b.outcome, b.settled_on, b.amount_fen, b.reason, b.document, b.cause, b.received_at,
    o.amount_fen AS expected_fen, o.state AS order_state, count(*) OVER () AS rows_in_all
FROM bank_confirmation b LEFT JOIN payment_order o ON o.bank_reference = b.bank_reference
    LEFT JOIN reconciliation s ON s.bank_confirmation_id = b.id
WHERE b.status = 'reconcile' AND s.bank_confirmation_id IS NULL ORDER BY b.id LIMIT :rows_max
""")
_DIFFERENCES = text("""
SELECT i.payment_request_id, i.document, i.imported_at, d.place, d.kind, d.row, d.bank_reference, d.expected, d.found,
    count(*) OVER () AS rows_in_all
FROM payment_difference d JOIN payment_request_import i ON i.id = d.payment_request_import_id
WHERE (i.imported_at AT TIME ZONE :zone)::date BETWEEN :first AND :last ORDER BY i.imported_at, i.id, d.place LIMIT :rows_max
""")
_SUMS = text("""
WITH moved AS MATERIALIZED (
    SELECT dr, cr, sum(amount_fen) AS fen FROM journal WHERE outcome = 'posted' AND seq <= :until_seq GROUP BY dr, cr
), readded AS MATERIALIZED (
    SELECT account, sum(CASE side WHEN 'cr' THEN fen ELSE -fen END) AS balance_fen FROM (
        SELECT cr AS account, fen FROM moved UNION ALL SELECT dr, -fen FROM moved
    ) AS halves JOIN balance USING (account) JOIN account_name USING (name) GROUP BY account
), named AS MATERIALIZED (
    SELECT name, side, sum(balance_fen) AS fen FROM balance JOIN account_name USING (name) GROUP BY name, side
), counted AS (
    SELECT count(*) AS rows, count(*) FILTER (WHERE outcome = 'posted' AND leg = 1) AS vouchers FROM journal WHERE seq <= :until_seq
), held AS (
    SELECT sum(amount_fen) FILTER (WHERE state = 'reserved') AS reserved, sum(amount_fen) FILTER (WHERE state = 'in_transit') AS in_transit,
        count(*) FILTER (WHERE state = 'reserved') AS cases,
        count(*) FILTER (WHERE state = 'reserved' AND amount_fen = (
            SELECT sum(CASE WHEN cr LIKE '____/' || :reserved || '%' THEN amount_fen ELSE 0 END
                - CASE WHEN dr LIKE '____/' || :reserved || '%' THEN amount_fen ELSE 0 END)
            FROM journal j WHERE j.application_id = reservation.application_id AND outcome = 'posted'
        )) AS fitting_cases
    FROM reservation
), ordered AS (
    SELECT sum(amount_fen) FILTER (WHERE state = 'in_transit') AS in_transit, sum(amount_fen) FILTER (WHERE state = 'paid') AS paid FROM payment_order
), recovered AS (SELECT sum(received_fen) AS received, sum(to_remit_fen) AS to_remit FROM clawback)
SELECT
    (SELECT sum(fen) FROM named) AS journal_balances_left, (SELECT sum(balance_fen) FROM readded) AS journal_balances_right,
    (SELECT count(*) FROM balance) AS journal_accounts_left,
    (SELECT count(*) FROM balance b WHERE b.balance_fen = coalesce((SELECT balance_fen FROM readded r WHERE r.account = b.account), 0))
        AS journal_accounts_right,
    (SELECT sum(fen) FROM named WHERE side = 'dr') AS debits_credits_left, (SELECT sum(fen) FROM named WHERE side = 'cr') AS debits_credits_right,
    CAST(:until_seq AS bigint) AS journal_rows_left, counted.rows AS journal_rows_right,
    (SELECT sum(last_number) FROM voucher_counter) AS vouchers_left, counted.vouchers AS vouchers_right,
    (SELECT fen FROM named WHERE name = :approved) AS appropriated_left,
    coalesce((SELECT sum(amount_fen) FROM appropriation), 0) - coalesce((
        SELECT sum(v.amount_fen) FROM journal v JOIN journal o ON o.seq = v.reverses_seq
        WHERE v.outcome = 'posted' AND v.reverses_seq IS NOT NULL AND o.kind = 'appropriate'), 0) AS appropriated_right,
    (SELECT fen FROM named WHERE name = :reserved) AS reserved_cases_left, held.reserved AS reserved_cases_right,
    held.cases AS reserved_held_left, held.fitting_cases AS reserved_held_right,
    (SELECT fen FROM named WHERE name = :in_transit) AS in_transit_cases_left, held.in_transit AS in_transit_cases_right,
    (SELECT fen FROM named WHERE name = :in_transit) AS in_transit_orders_left, ordered.in_transit AS in_transit_orders_right,
    coalesce((SELECT fen FROM named WHERE name = :paid), 0) - coalesce((SELECT fen FROM named WHERE name = :recovered_late), 0) AS paid_orders_left,
    coalesce(ordered.paid, 0) - coalesce(recovered.received, 0) AS paid_orders_right,
    (SELECT fen FROM named WHERE name = :to_remit) AS to_remit_left, recovered.to_remit AS to_remit_right
FROM counted, held, ordered, recovered
""")


async def moved_since(tx: Tx, first: date, *, zone: ZoneInfo, snapshot: Snapshot) -> dict[date, Moved]:
    """What was booked on each day from that one until now; days without a booking are not in it."""
    after_seq = await last_seq_before(tx, at=datetime.combine(first, time(), tzinfo=zone))
    asked = {"after_seq": after_seq, "until_seq": snapshot.seq, "zone": zone.key, "in_transit": AccountName.IN_TRANSIT}
    return {row.day: Moved(**{name: value for name, value in row._mapping.items() if name != "day"}) for row in await tx.execute(_MOVED, asked)}


async def in_transit_fen(tx: Tx) -> int:
    found: int = (await tx.execute(_IN_TRANSIT, {"in_transit": AccountName.IN_TRANSIT})).scalar_one()
    return found


async def open_orders(tx: Tx) -> Sequence[AnyRow]:
    """What is in transit now, the oldest first, with the count and sum of all."""
    return (await tx.execute(_OPEN_ORDERS, {"rows_max": ROWS_SHOWN_MAX})).all()


async def unmatched_rows(tx: Tx) -> Sequence[AnyRow]:
    """What the bank said and nobody has settled, the oldest first."""
    return (await tx.execute(_UNMATCHED, {"rows_max": ROWS_SHOWN_MAX})).all()


async def differences(tx: Tx, *, first: date, last: date, zone: ZoneInfo) -> Sequence[AnyRow]:
    """How the sheets that came back in these days differed from what was asked for."""
    return (await tx.execute(_DIFFERENCES, {"first": first, "last": last, "zone": zone.key, "rows_max": ROWS_SHOWN_MAX})).all()


async def checks(tx: Tx, *, snapshot: Snapshot) -> Sequence[Checked]:
    """The whole journal added up anew, against everything that is kept beside it."""
    row = (await tx.execute(_SUMS, {"until_seq": snapshot.seq, **_NAMES})).one()
    return checks_of({name: int(value or 0) for name, value in row._mapping.items()})
