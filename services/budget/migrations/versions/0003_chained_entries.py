"""Every row of the journal is chained to the one before it; answers that move nothing stay in it too; one function writes."""

import hashlib
from typing import Any

from alembic import op
from sqlalchemy import text

revision = "budget_0003"
down_revision = "budget_0002"
branch_labels = None
depends_on = None

_HEAD = (
    "ALTER TABLE head ADD chain BYTEA NOT NULL DEFAULT decode(repeat('00', 32), 'hex')",
    "ALTER TABLE head ALTER chain DROP DEFAULT",
    "ALTER TABLE head ADD CONSTRAINT head_chain_is_a_hash CHECK (length(chain) = 32)",
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
    # Plans are made once and kept, perhaps while a table is empty; with nested loops over indexes alone they stay right when it is not.
    """
    CREATE FUNCTION append_entries(
        expected_seq bigint, expected_chain bytea, new_booked_at timestamptz,
        outcomes text[], vouchers text[], legs smallint[], kinds text[], drs text[], crs text[], amounts_fen bigint[], fiscal_years int[],
        origin_years int[], line_ids text[], jurisdiction_ids text[], application_ids uuid[], proposal_ids uuid[], policy_versions text[],
        funding_sources text[], documents text[], expenditure_categories text[], makers text[], checkers text[], approvers text[],
        reverses_seqs bigint[], reasons text[], booked_ats timestamptz[], effective_ons date[], callers text[], keys text[], items int[],
        fingerprints bytea[], leaves bytea[], chains bytea[],
        accounts text[], account_names text[], account_years int[], account_origins int[], account_lines text[], account_jurisdictions text[],
        account_applications uuid[], account_nets_fen bigint[]
    )
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = budget, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    #variable_conflict use_column
    DECLARE
        known int;
    BEGIN
        PERFORM FROM head WHERE last_seq = expected_seq AND chain = expected_chain AND booked_at <= new_booked_at FOR UPDATE;
        IF NOT FOUND THEN
            RETURN false;
        END IF;

        INSERT INTO journal (seq, outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year, line_id, jurisdiction_id,
            application_id, proposal_id, policy_version, funding_source, document, expenditure_category, maker, checker, approver, reverses_seq,
            reason, booked_at, effective_on, caller, key, item, fingerprint, leaf, chain)
        SELECT expected_seq + n, outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year, line_id, jurisdiction_id,
            application_id, proposal_id, policy_version, funding_source, document, expenditure_category, maker, checker, approver, reverses_seq,
            reason, booked_at, effective_on, caller, key, item, fingerprint, leaf, chain
        FROM unnest(outcomes, vouchers, legs, kinds, drs, crs, amounts_fen, fiscal_years, origin_years, line_ids, jurisdiction_ids,
            application_ids, proposal_ids, policy_versions, funding_sources, documents, expenditure_categories, makers, checkers, approvers,
            reverses_seqs, reasons, booked_ats, effective_ons, callers, keys, items, fingerprints, leaves, chains) WITH ORDINALITY
            AS e (outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year, line_id, jurisdiction_id,
            application_id, proposal_id, policy_version, funding_source, document, expenditure_category, maker, checker, approver,
            reverses_seq, reason, booked_at, effective_on, caller, key, item, fingerprint, leaf, chain, n);

        -- The numbers of a kind and year go on from its counter, whatever the writer believed.
        INSERT INTO voucher_counter AS c (kind, fiscal_year, last_number)
        SELECT kind, fiscal_year, count(*) FROM unnest(kinds, fiscal_years, vouchers, legs) AS e (kind, fiscal_year, voucher, leg)
        WHERE voucher IS NOT NULL AND leg = 1 GROUP BY kind, fiscal_year
        ON CONFLICT (kind, fiscal_year) DO UPDATE SET last_number = c.last_number + excluded.last_number;
        PERFORM FROM (
            SELECT kind, fiscal_year, max(split_part(voucher, '-', 3)::bigint) AS last_used
            FROM unnest(kinds, fiscal_years, vouchers) AS e (kind, fiscal_year, voucher) WHERE voucher IS NOT NULL GROUP BY kind, fiscal_year
        ) AS used JOIN voucher_counter c USING (kind, fiscal_year) WHERE c.last_number <> last_used;
        IF FOUND THEN
            RAISE EXCEPTION 'voucher numbers do not follow on' USING ERRCODE = 'integrity_constraint_violation';
        END IF;

        -- What each account gains is what the rows say, whatever the writer believed.
        PERFORM FROM (
            (SELECT account, sum(fen)::bigint FROM (
                SELECT cr, amount_fen FROM unnest(crs, amounts_fen) AS e (cr, amount_fen) WHERE cr IS NOT NULL
                UNION ALL SELECT dr, -amount_fen FROM unnest(drs, amounts_fen) AS e (dr, amount_fen) WHERE dr IS NOT NULL
            ) AS moved (account, fen) GROUP BY account)
            EXCEPT SELECT account, net_fen FROM unnest(accounts, account_nets_fen) AS a (account, net_fen)
        ) AS wrong;
        IF FOUND THEN
            RAISE EXCEPTION 'balances do not follow from the entries' USING ERRCODE = 'integrity_constraint_violation';
        END IF;

        UPDATE balance SET balance_fen = balance_fen + CASE side WHEN 'cr' THEN net_fen ELSE -net_fen END
        FROM unnest(accounts, account_names, account_nets_fen) AS a (account, name, net_fen) JOIN account_name USING (name)
        WHERE balance.account = a.account;
        GET DIAGNOSTICS known = ROW_COUNT;
        IF known < cardinality(accounts) THEN
            INSERT INTO balance (account, name, fiscal_year, origin_year, line_id, jurisdiction_id, application_id, balance_fen)
            SELECT account, name, fiscal_year, origin_year, line_id, jurisdiction_id, application_id,
                CASE side WHEN 'cr' THEN net_fen ELSE -net_fen END
            FROM unnest(accounts, account_names, account_years, account_origins, account_lines, account_jurisdictions, account_applications,
                account_nets_fen) AS a (account, name, fiscal_year, origin_year, line_id, jurisdiction_id, application_id, net_fen)
            JOIN account_name USING (name) WHERE NOT EXISTS (SELECT FROM balance b WHERE b.account = a.account);
        END IF;

        UPDATE head SET last_seq = expected_seq + cardinality(leaves), chain = chains[cardinality(chains)], booked_at = new_booked_at;
        RETURN true;
    END
    $$
    """,
)

# The service reads the books, locks their head, and writes them through one function; everybody else reads at most.
_RIGHTS = (
    "REVOKE ALL ON FUNCTION lock_books(), append_entries FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION lock_books(), append_entries TO budget",
)


def upgrade() -> None:
    for statement in (*_HEAD, *_JOURNAL):
        op.execute(statement)
    _chain_rows()
    for statement in (*_CHECKS, _VOUCHER_TYPES, *_FUNCTIONS, *_RIGHTS):
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
