"""Reads of the books for those who check them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias
from uuid import UUID

import asyncpg

from services.budget.entry.rules import Entry
from services.budget.evidence.rules import HEADER, line_of
from shared.db import Tx, fetch
from shared.live import Live

ROWS_A_PORTION = 1_000

_END = "SELECT seq, chain FROM journal WHERE seq <= coalesce($1, (SELECT last_seq FROM head)) ORDER BY seq DESC LIMIT 1"
_PORTION = f"SELECT {', '.join(Entry._fields)}, chain FROM journal WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3"  # noqa: S608 - our own names

_AWARDS = """
SELECT application_id, array_agg(seq ORDER BY seq) AS seqs FROM journal
WHERE fiscal_year = $1 AND seq <= $2 AND application_id > $3 GROUP BY application_id ORDER BY application_id LIMIT $4
"""
_NOTICES = """
SELECT r.application_id, r.proposal_id, r.case_number, r.applicant_uscc, r.line_id, r.jurisdiction_id, r.amount_fen, r.state, r.policy_version,
    p.notice_number, p.confirmed_on, m.number AS minutes_number, m.stage AS decision_stage, m.decided_on, m.decision_id
FROM reservation r LEFT JOIN payable p USING (application_id, proposal_id) LEFT JOIN award_minutes m USING (application_id, proposal_id)
WHERE (r.application_id, r.proposal_id) > ($3, $4) AND r.place <= $2 AND (r.fiscal_year = $1 OR EXISTS (
    SELECT FROM journal j WHERE j.application_id = r.application_id AND j.proposal_id = r.proposal_id AND j.fiscal_year = $1 AND j.seq <= $2
))
ORDER BY r.application_id, r.proposal_id LIMIT $5
"""
_DOCUMENTS = """
SELECT document, min(seq) AS first_seq, count(*) AS entries FROM journal
WHERE fiscal_year = $1 AND seq <= $2 AND document > $3 GROUP BY document ORDER BY document LIMIT $4
"""
_EXPORTS = "SELECT kind, fiscal_year, until_seq, sha256, taken_by, taken_at FROM evidence_export ORDER BY id DESC LIMIT $1"
_PAYEES = """
SELECT o.id, o.state, o.bank_reference, r.applicant_uscc, a.id AS payee_account_id, a.number_sealed, a.number_last_4
FROM payment_order o JOIN reservation r USING (application_id, proposal_id) JOIN payee_account a ON a.id = o.payee_account_id
WHERE o.fiscal_year = $1 AND o.state IN ('in_transit', 'paid', 'returned') AND o.id > $2 ORDER BY o.id LIMIT $3
"""
# The number that $2 counts above is of cases; at least one of them was paid in the year.
_SAME_NUMBER = """
    SELECT left(m.value, 12) AS subject, string_agg(DISTINCT r.case_number, '、' ORDER BY r.case_number) AS finding
    FROM award_mark m JOIN reservation r USING (application_id, proposal_id) JOIN payment_order o USING (application_id, proposal_id)
    WHERE m.kind = '{kind}' AND o.state = 'paid' AND $3::date IS NOT NULL
    GROUP BY m.value HAVING count(DISTINCT m.application_id) > $2::int AND bool_or(o.fiscal_year = $1)
    ORDER BY m.value LIMIT $4
"""
# By the id of the suspicion: $1 fiscal year, $2 its number, $3 today, $4 how many rows at most. Each tells of what, and what is odd about it.
_SUSPICIONS: Mapping[str, str] = {
    "payment_before_notice_end": """
        SELECT r.case_number AS subject, format('%s 付款，%s 公示确认', o.ordered_on, p.confirmed_on) AS finding
        FROM payment_order o JOIN payable p USING (application_id, proposal_id) JOIN reservation r USING (application_id, proposal_id)
        WHERE o.fiscal_year = $1 AND o.state <> 'withdrawn' AND o.ordered_on + $2::int < p.confirmed_on AND $3::date IS NOT NULL
        ORDER BY o.id LIMIT $4
    """,
    "held_in_district": """
        SELECT d.number AS subject, format('%s，%s 下达，至 %s 未支付 %s 笔', d.jurisdiction_id, d.handed_down_on, $3::date, count(*)) AS finding
        FROM quota_document d JOIN quota_payment q ON q.quota_document_id = d.id JOIN payment_order o ON o.id = q.payment_order_id
        WHERE d.fiscal_year = $1 AND o.state = 'in_transit' AND $3::date - d.handed_down_on > $2::int
        GROUP BY d.id ORDER BY d.handed_down_on, d.id LIMIT $4
    """,
    "carried_past_its_year": """
        SELECT account AS subject, format('来源年度 %s，余额 %s 分', origin_year, balance_fen) AS finding FROM balance
        WHERE fiscal_year = $1 AND balance_fen > 0 AND fiscal_year - origin_year > $2::int AND $3::date IS NOT NULL
            AND name IN ('指标:可用', '指标:已预留', '支付申请:在途', '结转核销:结转')
        ORDER BY account LIMIT $4
    """,
    # A permit or filing counts as ended where none other was good on that day; one that ended with its organisation is not told twice.
    "ended_payee": """
        WITH paid AS (
            SELECT o.id, r.case_number, r.applicant_uscc AS uscc, greatest(o.ordered_on, o.paid_on) AS paid_on
            FROM payment_order o JOIN reservation r USING (application_id, proposal_id)
            WHERE o.fiscal_year = $1 AND o.state IN ('in_transit', 'paid', 'returned')
        ), late AS (
            SELECT p.id, p.case_number, p.paid_on, '单位' AS what, k.ended_on, k.cause_title_zh
            FROM paid p JOIN known_organisation k USING (uscc) WHERE p.paid_on - (k.ended_on - 1) > $2::int
            UNION ALL
            SELECT p.id, p.case_number, p.paid_on, '许可或备案', k.ended_on, k.cause_title_zh
            FROM paid p JOIN LATERAL (
                SELECT i.ended_on, i.cause_title_zh FROM known_institution i WHERE i.uscc = p.uscc AND p.paid_on - (i.ended_on - 1) > $2::int
                ORDER BY i.ended_on DESC, i.institution_id LIMIT 1
            ) k ON true
            WHERE NOT EXISTS (
                SELECT FROM known_institution g WHERE g.uscc = p.uscc AND g.first_day <= p.paid_on
                    AND (g.last_day IS NULL OR g.last_day >= p.paid_on) AND (g.ended_on IS NULL OR g.ended_on > p.paid_on)
            ) AND NOT EXISTS (SELECT FROM known_organisation e WHERE e.uscc = p.uscc AND e.ended_on <= p.paid_on)
        )
        SELECT case_number AS subject, format('%s付款，%s于%s终止（%s）', paid_on, what, ended_on, cause_title_zh) AS finding
        FROM late WHERE $3::date IS NOT NULL ORDER BY id, what LIMIT $4
    """,
    "same_invoice": _SAME_NUMBER.format(kind="invoice"),
    "same_person": _SAME_NUMBER.format(kind="person"),
}

Row: TypeAlias = asyncpg.Record
NIL = UUID(int=0)
AWARDS_A_PORTION = 200
FINDINGS_MAX = 10_000
EXPORTS_SHOWN_MAX = 10_000


@dataclass(frozen=True)
class End:
    """The last row of an export and its chain, which seals all rows before it."""

    seq: int
    chain: bytes


async def end_of(tx: Tx, *, until_seq: int | None) -> End:
    """The row `until_seq`, or the last one when the journal is shorter, or when it is None."""
    found = await fetch(tx, _END, until_seq)
    return End(found[0]["seq"], found[0]["chain"]) if found else End(0, bytes(32))


async def entries(live: Live, *, after_seq: int, until_seq: int) -> AsyncIterator[list[tuple[Entry, bytes]]]:
    """Rows with their chain, in portions.

    Each portion is a transaction of its own: rows up to a seq never change, so they need no snapshot, and a slow reader holds none open.
    """
    while after_seq < until_seq:
        async with live.transaction() as tx:
            rows = await fetch(tx, _PORTION, after_seq, until_seq, ROWS_A_PORTION)
        assert rows, f"row {after_seq + 1} is not there"
        yield [(Entry(*[*row.values()][:-1]), row["chain"]) for row in rows]
        after_seq = rows[-1]["seq"]


async def journal_lines(live: Live, *, after_seq: int, until_seq: int) -> AsyncIterator[bytes]:
    """The exported journal, a portion at a time."""
    yield HEADER.encode()
    async for portion in entries(live, after_seq=after_seq, until_seq=until_seq):
        yield "".join([line_of(entry, chain=chain) for entry, chain in portion]).encode()


def awards(live: Live, *, fiscal_year: int, until_seq: int) -> AsyncIterator[Sequence[Row]]:
    """Cases with the numbers of their entries."""
    return _portions(live, _AWARDS, fiscal_year, until_seq, first=(NIL,), place=("application_id",), rows_max=AWARDS_A_PORTION)


def notices(live: Live, *, fiscal_year: int, until_seq: int) -> AsyncIterator[Sequence[Row]]:
    """Awards of the year that have an entry by then, also where a close has carried them since, as they stand now."""
    return _portions(live, _NOTICES, fiscal_year, until_seq, first=(NIL, NIL), place=("application_id", "proposal_id"))


def documents(live: Live, *, fiscal_year: int, until_seq: int) -> AsyncIterator[Sequence[Row]]:
    return _portions(live, _DOCUMENTS, fiscal_year, until_seq, first=("",), place=("document",))


def payees(live: Live, *, fiscal_year: int) -> AsyncIterator[Sequence[Row]]:
    """Payment orders with the sealed number that each went to."""
    return _portions(live, _PAYEES, fiscal_year, first=(NIL,), place=("id",))


async def _portions(
    live: Live, statement: str, *told: int, first: tuple[object, ...], place: Sequence[str], rows_max: int = ROWS_A_PORTION
) -> AsyncIterator[Sequence[Row]]:
    """Each in a transaction of its own. The statement gets what is told, the place of the last row (its columns `place`), and how many rows."""
    after = first
    while True:
        async with live.transaction() as tx:
            rows = await fetch(tx, statement, *told, *after, rows_max)
        if not rows:
            return
        yield rows
        after = tuple(rows[-1][name] for name in place)


async def exports(tx: Tx) -> Sequence[Row]:
    """The latest first."""
    return await fetch(tx, _EXPORTS, EXPORTS_SHOWN_MAX)


async def findings(tx: Tx, *, suspicion_id: str, fiscal_year: int, more_than: int, today: date) -> Sequence[Row]:
    return await fetch(tx, _SUSPICIONS[suspicion_id], fiscal_year, more_than, today, FINDINGS_MAX)
