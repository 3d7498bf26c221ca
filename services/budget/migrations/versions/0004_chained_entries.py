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
    """
    CREATE TABLE case_balance (
        application_id UUID NOT NULL,
        account TEXT NOT NULL,
        held_fen BIGINT NOT NULL,
        CONSTRAINT case_balance_pkey PRIMARY KEY (application_id, account),
        CONSTRAINT case_balance_not_negative CHECK (held_fen >= 0)
    )
    """,
    "ALTER TABLE balance DROP CONSTRAINT balance_name_fkey",
    "ALTER TABLE journal DISABLE TRIGGER journal_append_only",
    "UPDATE journal SET dr = regexp_replace(dr, ',case=[0-9a-f-]{36}', ''), cr = regexp_replace(cr, ',case=[0-9a-f-]{36}', '')",
    "ALTER TABLE journal ENABLE TRIGGER journal_append_only",
    """
    INSERT INTO case_balance (application_id, account, held_fen)
    SELECT application_id, regexp_replace(account, ',case=[0-9a-f-]{36}', ''), balance_fen FROM balance WHERE application_id IS NOT NULL
    """,
    """
    WITH cases AS (DELETE FROM balance WHERE application_id IS NOT NULL RETURNING *)
    INSERT INTO balance (account, name, fiscal_year, origin_year, line_id, jurisdiction_id, balance_fen)
    SELECT regexp_replace(account, ',case=[0-9a-f-]{36}', ''), name, fiscal_year, origin_year, line_id, jurisdiction_id, sum(balance_fen)
    FROM cases GROUP BY 1, 2, 3, 4, 5, 6
    """,
    "ALTER TABLE balance DROP COLUMN application_id",
    "DROP INDEX balance_held_idx",
    "CREATE INDEX balance_fiscal_year_name_idx ON balance (fiscal_year, name)",
    "REVOKE ALL ON case_balance FROM budget",
    "GRANT SELECT ON case_balance TO budget, auditor",
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
    # A column comes as one text, its values between U+001F, U+001E for none: a driver looks at every element of an array, and that took longer
    # than all the rest. Plans are made once and kept, perhaps while a table is empty; with nested loops over indexes alone they stay right.
    """
    CREATE FUNCTION column_of(joined text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT string_to_array(joined, U&'\\001F', U&'\\001E')
    $$
    """,
    """
    CREATE FUNCTION append_entries(
        expected_seq bigint, expected_chain bytea, new_booked_at timestamptz, entries text[], accounts text[], expected_epoch bigint DEFAULT NULL
    )
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = budget, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    #variable_conflict use_column
    DECLARE
        vouchers constant text[] := column_of(entries[2]);
        legs constant smallint[] := column_of(entries[3]);
        kinds constant text[] := column_of(entries[4]);
        drs constant text[] := column_of(entries[5]);
        crs constant text[] := column_of(entries[6]);
        amounts_fen constant bigint[] := column_of(entries[7]);
        fiscal_years constant int[] := column_of(entries[8]);
        application_ids constant uuid[] := column_of(entries[12]);
        chains constant bytea[] := column_of(entries[30]);
        codes constant text[] := column_of(accounts[1]);
        names constant text[] := column_of(accounts[2]);
        nets_fen constant bigint[] := column_of(accounts[7]);
        known int;
    BEGIN
        INSERT INTO journal (seq, outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year, line_id, jurisdiction_id,
            application_id, proposal_id, policy_version, funding_source, document, expenditure_category, maker, checker, approver, reverses_seq,
            reason, booked_at, effective_on, caller, key, item, fingerprint, leaf, chain)
        SELECT expected_seq + n, outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year::int, line_id, jurisdiction_id,
            application_id, proposal_id::uuid, policy_version, funding_source, document, expenditure_category, maker, checker, approver,
            reverses_seq::bigint, reason, booked_at::timestamptz, effective_on::date, caller, key, item::int, fingerprint::bytea, leaf::bytea, chain
        FROM unnest(column_of(entries[1]), vouchers, legs, kinds, drs, crs, amounts_fen, fiscal_years, column_of(entries[9]),
            column_of(entries[10]), column_of(entries[11]), application_ids, column_of(entries[13]), column_of(entries[14]),
            column_of(entries[15]), column_of(entries[16]), column_of(entries[17]), column_of(entries[18]), column_of(entries[19]),
            column_of(entries[20]), column_of(entries[21]), column_of(entries[22]), column_of(entries[23]), column_of(entries[24]),
            column_of(entries[25]), column_of(entries[26]), column_of(entries[27]), column_of(entries[28]), column_of(entries[29]), chains)
            WITH ORDINALITY AS e (outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year, line_id, jurisdiction_id,
            application_id, proposal_id, policy_version, funding_source, document, expenditure_category, maker, checker, approver,
            reverses_seq, reason, booked_at, effective_on, caller, key, item, fingerprint, leaf, chain, n);

        -- What each case holds, account by account: first what comes, then what goes, so that no sum is below nothing on the way.
        INSERT INTO case_balance AS c (application_id, account, held_fen)
        SELECT application_id, cr, sum(amount_fen) FROM unnest(application_ids, crs, amounts_fen) AS e (application_id, cr, amount_fen)
        WHERE application_id IS NOT NULL AND cr LIKE '____/指标:已预留%' GROUP BY application_id, cr
        ON CONFLICT (application_id, account) DO UPDATE SET held_fen = c.held_fen + excluded.held_fen;
        WITH gone AS MATERIALIZED (
            SELECT application_id, dr, sum(amount_fen) AS fen FROM unnest(application_ids, drs, amounts_fen) AS e (application_id, dr, amount_fen)
            WHERE application_id IS NOT NULL AND dr LIKE '____/指标:已预留%' GROUP BY application_id, dr
        ), changed AS (
            UPDATE case_balance c SET held_fen = held_fen - fen FROM gone WHERE c.application_id = gone.application_id AND c.account = gone.dr
            RETURNING c.application_id
        )
        SELECT (SELECT count(*) FROM gone) - (SELECT count(*) FROM changed) INTO known;
        IF known <> 0 THEN
            RAISE EXCEPTION 'a case gives back what it does not hold' USING ERRCODE = 'integrity_constraint_violation';
        END IF;

        -- Up to here two batches in a row do not wait for each other; from here on each waits for the end of the one that it follows on.
        -- Sent one after the other, they may begin the other way round: then it is not under way yet, and is waited for a little.
        FOR attempt IN 1..100 LOOP
            PERFORM pg_advisory_lock_shared(4250, (expected_seq % 2147483648)::int);
            PERFORM pg_advisory_unlock_shared(4250, (expected_seq % 2147483648)::int);
            PERFORM FROM head WHERE last_seq >= expected_seq;
            EXIT WHEN FOUND;
            PERFORM pg_sleep(0.0005);
        END LOOP;
        PERFORM FROM head
        WHERE last_seq = expected_seq AND chain = expected_chain AND booked_at <= new_booked_at AND epoch = coalesce(expected_epoch, epoch)
        FOR UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the books have moved on from entry %', expected_seq USING ERRCODE = 'BK001';
        END IF;

        -- 预算法 18: the fiscal year is the calendar year. What is closed takes no entry any more, whoever writes it.
        IF EXISTS (SELECT FROM closed_year) THEN
            PERFORM FROM unnest(column_of(entries[1]), crs, column_of(entries[24])) AS e (outcome, cr, effective_on) CROSS JOIN closed_year c
            WHERE outcome = 'posted' AND c.fiscal_year::text IN (left(effective_on, 4), split_part(cr, '/', 1));
            IF FOUND THEN
                RAISE EXCEPTION 'the fiscal year is closed' USING ERRCODE = 'restrict_violation';
            END IF;
        END IF;

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
            EXCEPT SELECT account, net_fen FROM unnest(codes, nets_fen) AS a (account, net_fen)
        ) AS wrong;
        IF FOUND THEN
            RAISE EXCEPTION 'balances do not follow from the entries' USING ERRCODE = 'integrity_constraint_violation';
        END IF;

        UPDATE balance SET balance_fen = balance_fen + CASE side WHEN 'cr' THEN net_fen ELSE -net_fen END
        FROM unnest(codes, names, nets_fen) AS a (account, name, net_fen) JOIN account_name USING (name)
        WHERE balance.account = a.account;
        GET DIAGNOSTICS known = ROW_COUNT;
        IF known < cardinality(codes) THEN
            INSERT INTO balance (account, name, fiscal_year, origin_year, line_id, jurisdiction_id, balance_fen)
            SELECT account, name, fiscal_year::int, origin_year::int, line_id, jurisdiction_id, CASE side WHEN 'cr' THEN net_fen ELSE -net_fen END
            FROM unnest(codes, names, column_of(accounts[3]), column_of(accounts[4]), column_of(accounts[5]), column_of(accounts[6]), nets_fen)
                AS a (account, name, fiscal_year, origin_year, line_id, jurisdiction_id, net_fen)
            JOIN account_name USING (name) WHERE NOT EXISTS (SELECT FROM balance b WHERE b.account = a.account);
        END IF;
        IF (SELECT count(*) FROM unnest(codes) AS a (account) JOIN balance USING (account)) <> cardinality(codes) THEN
            RAISE EXCEPTION 'an account has no name that is known' USING ERRCODE = 'integrity_constraint_violation';
        END IF;

        UPDATE head SET last_seq = expected_seq + cardinality(chains), chain = chains[cardinality(chains)], booked_at = new_booked_at;
    END
    $$
    """,
)

# One batch with all that belongs to it: entries, the cases they are about, and what is announced. Nothing when the head has moved on.
_BATCH = (
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

_APPEND_BATCH = """
CREATE FUNCTION append_batch(
    expected_seq bigint, expected_chain bytea, expected_epoch bigint, new_booked_at timestamptz, entries text[], accounts text[],
    reservations text[], events text[]
)
RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(4250, ((expected_seq + cardinality(column_of(entries[1]))) % 2147483648)::int);

    INSERT INTO reservation (application_id, proposal_id, state, case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, amount_fen,
        policy_version, funding_source, expenditure_category, reason, proposed_on, changed_at, place)
    SELECT application_id::uuid, proposal_id::uuid, state, case_number, applicant_uscc, fiscal_year::int, line_id, jurisdiction_id,
        amount_fen::bigint, policy_version, funding_source, expenditure_category, reason, proposed_on::date, changed_at::timestamptz, place::bigint
    FROM unnest(column_of(reservations[1]), column_of(reservations[2]), column_of(reservations[3]), column_of(reservations[4]),
        column_of(reservations[5]), column_of(reservations[6]), column_of(reservations[7]), column_of(reservations[8]), column_of(reservations[9]),
        column_of(reservations[10]), column_of(reservations[11]), column_of(reservations[12]), column_of(reservations[13]),
        column_of(reservations[14]), column_of(reservations[15]), column_of(reservations[16]))
        AS r (application_id, proposal_id, state, case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, amount_fen,
        policy_version, funding_source, expenditure_category, reason, proposed_on, changed_at, place);

    -- As shared.outbox announces: the streams move first, so that ids and numbers of a key always agree.
    INSERT INTO stream AS s (topic, key, last_seq)
    SELECT topic, key, count(*) FROM unnest(column_of(events[2]), column_of(events[3])) AS e (topic, key) GROUP BY topic, key ORDER BY topic, key
    ON CONFLICT (topic, key) DO UPDATE SET last_seq = s.last_seq + excluded.last_seq;
    INSERT INTO outbox (event_id, topic, key, event_seq, headers, payload)
    SELECT event_id::uuid, topic, key, last_seq - behind::bigint, headers::jsonb, convert_to(payload, 'UTF8')
    FROM unnest(column_of(events[1]), column_of(events[2]), column_of(events[3]), column_of(events[4]), column_of(events[5]), column_of(events[6]))
        WITH ORDINALITY AS e (event_id, topic, key, headers, payload, behind, n) JOIN stream USING (topic, key) ORDER BY n;

    PERFORM append_entries(expected_seq, expected_chain, new_booked_at, entries, accounts, expected_epoch);
END
$$
"""

_TOUCH = """
CREATE FUNCTION touch_books() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = budget, pg_temp AS $$
BEGIN
    UPDATE head SET epoch = epoch + 1;
END
$$
"""

# The service reads the books, locks their head, and writes them through one function; everybody else reads at most.
_RIGHTS = (
    "REVOKE ALL ON FUNCTION lock_books, touch_books, append_entries, append_batch, read_picture, column_of FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION lock_books, touch_books, append_entries, append_batch, read_picture, column_of TO budget",
)


def upgrade() -> None:
    for statement in (*_HEAD, *_JOURNAL, *_CASES):
        op.execute(statement)
    _chain_rows()
    for statement in (*_CHECKS, _VOUCHER_TYPES, *_FUNCTIONS, *_BATCH, _APPEND_BATCH, _TOUCH, *_RIGHTS):
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
