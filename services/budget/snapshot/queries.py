"""Reads of the books as of one row; `tx` is a snapshot, so that everything read in it is of one state."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from services.budget.ledger.rules import AccountName, Kind, account
from services.budget.snapshot.rules import AsOf, Days, Movement, NotBooked, Snapshot
from shared.db import AnyRow, Tx

# Nothing was booked before the first, and nothing will be after the second: instants outside say the same as these.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)

_HEAD = text("SELECT last_seq AS seq, booked_at, chain FROM head")
_ROW = text("SELECT seq, booked_at, chain FROM journal WHERE seq = :seq")
# Rows have no gaps and their instants never run backwards: halving the journal finds the row by its key alone.
_LAST_BOOKED = text("""
WITH RECURSIVE halved (low, high) AS (
    SELECT 0::bigint, last_seq FROM head
    UNION ALL
    SELECT CASE WHEN j.booked_at <= :booked_at THEN middle ELSE low END, CASE WHEN j.booked_at <= :booked_at THEN high ELSE middle - 1 END
    FROM halved CROSS JOIN LATERAL (SELECT (low + high + 1) / 2) AS m (middle) JOIN journal j ON j.seq = middle
    WHERE low < high
)
SELECT low FROM halved WHERE low = high
""")
# The accounts of a year are moved by its own vouchers and by the carry of the year before: those name the year that they are from.
_MOVEMENTS = text("""
SELECT m.kind, m.amount_fen,
    d.name AS dr_name, d.fiscal_year AS dr_fiscal_year, d.origin_year AS dr_origin_year, d.line_id AS dr_line_id,
    d.jurisdiction_id AS dr_jurisdiction_id,
    c.name AS cr_name, c.fiscal_year AS cr_fiscal_year, c.origin_year AS cr_origin_year, c.line_id AS cr_line_id,
    c.jurisdiction_id AS cr_jurisdiction_id
FROM (
    SELECT coalesce((SELECT o.kind FROM journal o WHERE o.seq = j.reverses_seq), j.kind) AS kind, dr, cr, sum(amount_fen)::bigint AS amount_fen
    FROM journal j
    WHERE seq <= :until_seq AND outcome = 'posted' AND fiscal_year BETWEEN :fiscal_year - 1 AND :fiscal_year
        AND (CAST(:first AS date) IS NULL OR effective_on >= :first) AND (CAST(:last AS date) IS NULL OR effective_on <= :last)
    GROUP BY 1, 2, 3
) AS m JOIN balance d ON d.account = m.dr JOIN balance c ON c.account = m.cr
WHERE :fiscal_year IN (d.fiscal_year, c.fiscal_year)
ORDER BY m.dr, m.cr, m.kind
""")


async def snapshot_of(tx: Tx, as_of: AsOf) -> Snapshot:
    """The head, or the earlier row that is asked for. Raises NotBooked for a row that is not there yet."""
    head = _snapshot((await tx.execute(_HEAD)).one())
    seq = head.seq if as_of.seq is None else as_of.seq
    if seq > head.seq:
        raise NotBooked(f"Row {seq} is asked for; the last is row {head.seq}.", detail_zh=f"所查为第{seq}号分录，目前最后一条为第{head.seq}号。")
    if as_of.booked_at is not None:
        seq = min(seq, await last_seq_booked(tx, by=as_of.booked_at))
    if seq == head.seq:
        return head
    return _snapshot((await tx.execute(_ROW, {"seq": seq})).one()) if seq else Snapshot(seq=0, booked_at=EARLIEST, chain=bytes(32))


async def last_seq_booked(tx: Tx, *, by: datetime) -> int:
    """The last row booked at or before that instant; 0 when there is none."""
    found: int = (await tx.execute(_LAST_BOOKED, {"booked_at": min(max(by, EARLIEST), LATEST)})).scalar_one()
    return found


async def last_seq_before(tx: Tx, *, at: datetime) -> int:
    return await last_seq_booked(tx, by=max(at, EARLIEST) - timedelta(microseconds=1))


async def movements(tx: Tx, *, fiscal_year: int, until_seq: int, days: Days) -> list[Movement]:
    """The journal added up anew, from its first row to `until_seq`: what moved from or to accounts of that year."""
    found = await tx.execute(_MOVEMENTS, {"fiscal_year": fiscal_year, "until_seq": until_seq, "first": days.first, "last": days.last})
    return [_movement(row) for row in found]


def _snapshot(row: AnyRow) -> Snapshot:
    return Snapshot(seq=row.seq, booked_at=row.booked_at, chain=row.chain)


def _movement(row: AnyRow) -> Movement:
    dr = account(
        AccountName(row.dr_name),
        fiscal_year=row.dr_fiscal_year,
        origin_year=row.dr_origin_year,
        line_id=row.dr_line_id,
        jurisdiction_id=row.dr_jurisdiction_id,
    )
    cr = account(
        AccountName(row.cr_name),
        fiscal_year=row.cr_fiscal_year,
        origin_year=row.cr_origin_year,
        line_id=row.cr_line_id,
        jurisdiction_id=row.cr_jurisdiction_id,
    )
    return Movement(kind=Kind(row.kind), dr=dr, cr=cr, amount_fen=row.amount_fen)
