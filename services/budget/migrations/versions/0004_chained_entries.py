"""Every row of the journal is chained to the one before it; answers that move nothing stay in it too; one function writes."""

import hashlib
from typing import Any

from alembic import op
from sqlalchemy import text

revision = "budget_0004"
down_revision = "budget_0003"
branch_labels = None
depends_on = None

_HEAD = (
    "ALTER TABLE head ADD chain BYTEA NOT NULL DEFAULT decode(repeat('00', 32), 'hex')",
    "ALTER TABLE head ALTER chain DROP DEFAULT",
    "ALTER TABLE head ADD CONSTRAINT head_chain_is_a_hash CHECK (length(chain) = 32)",
    # Counts what changes decisions without an entry: orders to stop, closed years.
    "ALTER TABLE head ADD epoch BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE head ALTER epoch DROP DEFAULT",
    # Rewritten by every posting, as balances are.
    "ALTER TABLE head SET (fillfactor = 10)",
    "ALTER TABLE voucher_counter SET (fillfactor = 50)",
)

# The function that writes checks what the foreign keys did, for a whole batch at once.
_JOURNAL = (
    "ALTER TABLE journal DROP CONSTRAINT journal_dr_fkey, DROP CONSTRAINT journal_cr_fkey, DROP CONSTRAINT journal_kind_fkey",
    "ALTER TABLE journal DROP CONSTRAINT journal_order_signed",
    "DROP INDEX journal_fiscal_year_seq_idx",
    """
    ALTER TABLE journal
        ADD outcome TEXT NOT NULL DEFAULT 'posted',
        ADD reverses_seq BIGINT,
        ADD reason TEXT,
        ADD item INTEGER,
        ADD leaf BYTEA,
        ADD chain BYTEA,
        ALTER voucher DROP NOT NULL,
        ALTER dr DROP NOT NULL,
        ALTER cr DROP NOT NULL
    """,
    "ALTER TABLE journal ALTER outcome DROP DEFAULT",
)
_CHECKS = (
    """
    ALTER TABLE journal
        ALTER item SET NOT NULL,
        ALTER leaf SET NOT NULL,
        ALTER chain SET NOT NULL,
        ADD CONSTRAINT journal_caller_key_item_key UNIQUE (caller, key, item),
        ADD CONSTRAINT journal_outcome_known CHECK (outcome IN ('posted', 'refused', 'waiting')),
        ADD CONSTRAINT journal_only_posted_moves CHECK (num_nonnulls(voucher, dr, cr) = CASE outcome WHEN 'posted' THEN 3 ELSE 0 END),
        ADD CONSTRAINT journal_refused_has_reason CHECK (outcome <> 'refused' OR reason IS NOT NULL),
        ADD CONSTRAINT journal_reversal_names_original CHECK (
            (kind = 'reverse' AND outcome = 'posted') <= (num_nulls(reverses_seq, reason, checker) = 0)),
        ADD CONSTRAINT journal_reversal_looks_back CHECK (reverses_seq < seq),
        ADD CONSTRAINT journal_order_signed CHECK (kind <> 'order' OR outcome <> 'posted' OR num_nulls(maker, checker, approver) = 0),
        ADD CONSTRAINT journal_hashes CHECK (length(leaf) = 32 AND length(chain) = 32)
    """,
    "CREATE INDEX journal_reverses_seq_idx ON journal (reverses_seq) WHERE reverses_seq IS NOT NULL",
)

# What is reserved belongs to a case: the account is that of its line and jurisdiction, the case stands beside it on the row.
_CASES = (
    # The rank of a case is the number of its row in the journal, so that outsiders can follow who is served first; older ones keep their order.
    "ALTER TABLE reservation ALTER place DROP IDENTITY",
    "UPDATE reservation SET place = place - (SELECT max(place) FROM reservation)",
    "ALTER TABLE balance DROP CONSTRAINT balance_name_fkey",
    "ALTER TABLE journal DISABLE TRIGGER journal_append_only",
    "UPDATE journal SET dr = regexp_replace(dr, ',case=[0-9a-f-]{36}', ''), cr = regexp_replace(cr, ',case=[0-9a-f-]{36}', '')",
    "ALTER TABLE journal ENABLE TRIGGER journal_append_only",
    """
    WITH cases AS (DELETE FROM balance WHERE application_id IS NOT NULL RETURNING *)
    INSERT INTO balance (account, name, fiscal_year, origin_year, line_id, jurisdiction_id, balance_fen)
    SELECT regexp_replace(account, ',case=[0-9a-f-]{36}', ''), name, fiscal_year, origin_year, line_id, jurisdiction_id, sum(balance_fen)
    FROM cases GROUP BY 1, 2, 3, 4, 5, 6
    """,
    "ALTER TABLE balance DROP COLUMN application_id",
    "DROP INDEX balance_held_idx",
    "CREATE INDEX balance_fiscal_year_name_idx ON balance (fiscal_year, name)",
)
_VOUCHER_TYPES = """
INSERT INTO voucher_type (kind, prefix) VALUES
    ('transfer', 'TR'), ('clawback', 'CB'), ('carry', 'CO'), ('lapse', 'LA'), ('remit', 'RM'), ('reverse', 'RV')
"""

_FUNCTIONS = (
    "DROP FUNCTION post_entries(jsonb, jsonb, timestamptz, text, text, bytea)",
    "DROP FUNCTION lock_books()",
    # Two statements: who waited for the lock sees the numbers as they are after it.
    """
    CREATE FUNCTION lock_books(
        OUT last_seq bigint, OUT chain bytea, OUT booked_at timestamptz, OUT kinds text[], OUT fiscal_years int[], OUT numbers bigint[]
    ) LANGUAGE plpgsql SECURITY DEFINER SET search_path = budget, pg_temp AS $$
    #variable_conflict use_column
    BEGIN
        SELECT last_seq, chain, booked_at INTO last_seq, chain, booked_at FROM head FOR UPDATE;
        SELECT array_agg(kind), array_agg(fiscal_year), array_agg(last_number) INTO kinds, fiscal_years, numbers FROM voucher_counter;
    END
    $$
    """,
)

# What a batch of proposals is decided by, in one snapshot.
_PICTURE = (
    """
    CREATE FUNCTION read_picture(
        asked_years int[], asked_applications uuid[], asked_callers text[], asked_keys text[], strict_years int[],
        OUT last_seq bigint, OUT chain bytea, OUT booked_at timestamptz, OUT epoch bigint, OUT numbered_kinds text[], OUT numbered_years int[],
        OUT numbers bigint[], OUT pool_years int[], OUT pool_origins int[], OUT pool_lines text[], OUT pool_jurisdictions text[],
        OUT pools_fen bigint[], OUT known_applications uuid[], OUT known_proposals uuid[],
        OUT known_states text[], OUT item_callers text[], OUT item_keys text[], OUT next_items int[], OUT waiting_years int[],
        OUT waiting_fen bigint[]
    )
    LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
    SET enable_mergejoin = off AS $$
    #variable_conflict use_column
    BEGIN
        SELECT h.last_seq, h.chain, h.booked_at, h.epoch INTO last_seq, chain, booked_at, epoch FROM head h;
        SELECT array_agg(kind), array_agg(fiscal_year), array_agg(last_number) INTO numbered_kinds, numbered_years, numbers
        FROM voucher_counter;
        SELECT array_agg(fiscal_year), array_agg(origin_year), array_agg(line_id), array_agg(jurisdiction_id), array_agg(balance_fen)
        INTO pool_years, pool_origins, pool_lines, pool_jurisdictions, pools_fen
        FROM unnest(asked_years) AS y (fiscal_year) JOIN balance USING (fiscal_year) WHERE name = '指标:可用' AND balance_fen > 0;
        SELECT array_agg(application_id), array_agg(proposal_id), array_agg(state) INTO known_applications, known_proposals, known_states
        FROM unnest(asked_applications) AS a (application_id) JOIN reservation USING (application_id);
        SELECT array_agg(caller), array_agg(key), array_agg(next_item) INTO item_callers, item_keys, next_items
        FROM unnest(asked_callers, asked_keys) AS a (caller, key) CROSS JOIN LATERAL (
            SELECT item + 1 AS next_item FROM journal j WHERE j.caller = a.caller AND j.key = a.key ORDER BY item DESC LIMIT 1) AS n;
        IF cardinality(strict_years) > 0 THEN
            SELECT array_agg(fiscal_year), array_agg(fen) INTO waiting_years, waiting_fen FROM (
                SELECT fiscal_year, sum(amount_fen)::bigint AS fen FROM unnest(strict_years) AS y (fiscal_year) JOIN reservation USING (fiscal_year)
                WHERE state = 'waiting' GROUP BY fiscal_year) AS w;
        END IF;
    END
    $$
    """,
)

_TOUCH = """
CREATE FUNCTION touch_books() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = budget, pg_temp AS $$
BEGIN
    UPDATE head SET epoch = epoch + 1;
END
$$
"""

# The service reads the books, locks their head, and writes them through one function; everybody else reads at most.
_RIGHTS = (
    "REVOKE ALL ON FUNCTION lock_books, touch_books, read_picture FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION lock_books, touch_books, read_picture TO budget",
)


def upgrade() -> None:
    for statement in (*_HEAD, *_JOURNAL, *_CASES):
        op.execute(statement)
    _chain_rows()
    for statement in (*_CHECKS, _VOUCHER_TYPES, *_FUNCTIONS, *_PICTURE, _TOUCH, *_RIGHTS):
        op.execute(statement)


def _chain_rows() -> None:
    """What was booked before there was a chain gets its hashes now, from the bytes of format 1 written out by the database."""
    op.execute("ALTER TABLE journal DISABLE TRIGGER journal_append_only")
    op.execute("""
        UPDATE journal SET item = numbered.item FROM (
            SELECT seq, row_number() OVER (PARTITION BY caller, key ORDER BY seq) - 1 AS item FROM journal
        ) AS numbered WHERE journal.seq = numbered.seq
    """)
    connection, chain = op.get_bind(), bytes(32)
    for row in connection.execute(text(_AS_TEXT)).all():
        leaf = hashlib.sha256(b"\x00" + b"".join(_field(value) for value in ("entry 1", *row))).digest()
        chain = hashlib.sha256(b"\x02" + chain + leaf).digest()
        hashes = {"leaf": leaf, "chain": chain, "seq": int(row.seq)}
        connection.execute(text("UPDATE journal SET leaf = :leaf, chain = :chain WHERE seq = :seq"), hashes)
    connection.execute(text("UPDATE head SET chain = :chain"), {"chain": chain})
    op.execute("ALTER TABLE journal ENABLE TRIGGER journal_append_only")


_AS_TEXT = """
SELECT seq::text, outcome, voucher, leg::text, kind, dr, cr, amount_fen::text, fiscal_year::text, origin_year::text, line_id, jurisdiction_id,
    application_id::text, proposal_id::text, policy_version, funding_source, document, expenditure_category, maker, checker, approver,
    reverses_seq::text, reason, to_char(booked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS booked_at, effective_on::text,
    caller, key, item::text, encode(fingerprint, 'hex') AS fingerprint
FROM journal ORDER BY seq
"""


def _field(value: Any) -> bytes:
    if value is None:
        return b"\xff\xff\xff\xff"
    written: bytes = value.encode()
    return len(written).to_bytes(4, "big") + written


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
