"""Books with many reservations made beforehand: by SQL and as owner, in seconds, so that the product's writer goes on from them."""

from dataclasses import replace

import asyncpg

from tests.load.approvals import ACCOUNT, APPLICATION, ORDER, PROPOSAL, VERSION, id_in_sql, id_of
from tests.load.figures import NoMeasurement
from tests.load.ledger import Bench
from tests.load.ledger_client import AT, LINES, PLACE, USCC

MAKER, CHECKER = "staff:load-maker", "staff:load-checker"


async def filled(bench: Bench, *, rows: int, with_orders: bool = False) -> Bench:
    """Reserve for that many cases of 2025, whose money is there; with orders, each has one that is checked. Raises NoMeasurement.

    These rows have hashes but are not chained to each other; what is written next is chained to the last of them.
    """
    connection = await asyncpg.connect(bench.admin_url)
    try:
        async with connection.transaction():
            # What is lost with the server would be made again.
            await connection.execute("SET LOCAL synchronous_commit = off")
            last_seq = await reserve(connection, rows=rows)
            if with_orders:
                await add_checked_orders(connection)
        # Neither a vacuum nor a checkpoint shall come into what is measured.
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    return replace(bench, filled_seq=last_seq)


async def reserve(connection: asyncpg.Connection, *, rows: int) -> int:
    """Returns the number of the last row."""
    before = int(await connection.fetchval("SELECT last_seq FROM budget.head"))
    if await connection.fetchval("SELECT EXISTS (SELECT FROM budget.reservation)"):
        raise NoMeasurement("The books to be filled have reservations already.")
    await connection.execute(_JOURNAL, before, rows, LINES, PLACE, AT)
    await connection.execute(_RESERVATIONS, before, USCC)
    for statement in (_STREAMS, _RESERVED, _AVAILABLE, _COUNTED):
        await connection.execute(statement, before)
    return int(await connection.fetchval(_HEAD))


async def add_checked_orders(connection: asyncpg.Connection) -> None:
    """One for each reservation, ready to be approved, to the one account of their organisation."""
    account_id = id_of(0, role=ACCOUNT)
    await connection.execute(_ACCOUNT, account_id, USCC, PLACE, MAKER, CHECKER, AT)
    await connection.execute(_PAYABLES, AT.date())
    await connection.execute(_ORDERS, account_id, MAKER, CHECKER, AT)


# Before the rows: the last number, then how many, lines, jurisdiction, instant.
_JOURNAL = f"""
INSERT INTO budget.journal (seq, outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year, line_id, jurisdiction_id,
    application_id, proposal_id, policy_version, funding_source, document, expenditure_category, booked_at, effective_on, caller, key, item,
    fingerprint, leaf, chain)
SELECT $1 + n, 'posted', 'RS-2025-' || lpad(n::text, greatest(6, length(n::text)), '0'), 1, 'reserve', '2025/指标:可用',
    '2025/指标:已预留[line=' || line || ',jurisdiction=' || $4 || ']', 100 + n % 7, 2025, 2025, line, $4,
    {id_in_sql(role=APPLICATION)}, {id_in_sql(role=PROPOSAL)}, 'load', 'city_hr_industry_fund', 'LD-2025-' || lpad(n::text, 6, '0'), 'reward',
    $5, '2025-09-01', 'system:load', {id_in_sql(role=PROPOSAL)}::text, 0, hash, hash, hash
FROM generate_series(1, $2::bigint) AS n,
    LATERAL (SELECT ($3::text[])[1 + n % cardinality($3::text[])] AS line, sha256(int8send(n)) AS hash OFFSET 0) AS e
"""
_RESERVATIONS = """
INSERT INTO budget.reservation (application_id, proposal_id, state, case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, amount_fen,
    policy_version, funding_source, expenditure_category, proposed_on, changed_at, place)
SELECT application_id, proposal_id, 'reserved', document, $2, fiscal_year, line_id, jurisdiction_id, amount_fen,
    policy_version, funding_source, expenditure_category, effective_on, booked_at, seq
FROM budget.journal WHERE seq > $1 ORDER BY seq
"""
_STREAMS = """
INSERT INTO budget.stream (topic, key, last_seq)
SELECT 'budget.events', application_id::text, 1 FROM budget.journal WHERE seq > $1 ORDER BY seq
"""
_RESERVED = """
INSERT INTO budget.balance (account, name, fiscal_year, origin_year, line_id, jurisdiction_id, balance_fen)
SELECT cr, '指标:已预留', fiscal_year, origin_year, line_id, jurisdiction_id, sum(amount_fen)
FROM budget.journal WHERE seq > $1 GROUP BY cr, fiscal_year, origin_year, line_id, jurisdiction_id
"""
_AVAILABLE = """
UPDATE budget.balance SET balance_fen = balance_fen - (SELECT sum(amount_fen) FROM budget.journal WHERE seq > $1) WHERE account = '2025/指标:可用'
"""
_COUNTED = """
INSERT INTO budget.voucher_counter (kind, fiscal_year, last_number)
SELECT kind, fiscal_year, count(*) FROM budget.journal WHERE seq > $1 GROUP BY kind, fiscal_year
"""
_HEAD = """
UPDATE budget.head SET last_seq = j.seq, chain = j.chain, booked_at = greatest(head.booked_at, j.booked_at)
FROM (SELECT seq, chain, booked_at FROM budget.journal ORDER BY seq DESC LIMIT 1) AS j RETURNING last_seq
"""

_ACCOUNT = """
INSERT INTO budget.payee_account (id, uscc, jurisdiction_id, account_name, bank_name, number_sealed, number_last_4, state, entered_by, entered_at,
    confirmed_by, confirmed_at, version)
VALUES ($1, $2, $3, '示例人力资源有限公司', '示例银行示例支行', '\\x00', '0001', 'confirmed', $4, $6, $5, $6, 2)
"""
_PAYABLES = """
INSERT INTO budget.payable (application_id, proposal_id, amount_fen, notice_number, confirmed_on)
SELECT application_id, proposal_id, amount_fen, 'LD', $1 FROM budget.reservation
"""
_ORDERS = f"""
INSERT INTO budget.payment_order (id, application_id, proposal_id, issue, fiscal_year, jurisdiction_id, amount_fen, notice_number,
    payee_account_id, state, maker, checker, made_at, checked_at, version)
SELECT {id_in_sql(role=ORDER)}, application_id, proposal_id,
    1, fiscal_year, jurisdiction_id, amount_fen, 'LD', $1, 'checked', $2, $3, $4, $4, {VERSION}
FROM (SELECT row_number() OVER (ORDER BY application_id) AS n, r.* FROM budget.reservation r) AS r ORDER BY n
"""
