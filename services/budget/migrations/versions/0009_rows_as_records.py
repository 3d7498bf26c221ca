"""What is written together comes as rows of types of their own, which driver and database hand over in binary form."""

from alembic import op

revision = "budget_0009"
down_revision = "budget_0008"
branch_labels = None
depends_on = None

# What stands for the functions and the table of older revisions now, where those left them.
_DROP = (
    "DROP TABLE IF EXISTS case_balance",
    "DROP FUNCTION IF EXISTS append_batch(bigint, bytea, bigint, timestamptz, text[], text[], text[], text[])",
    "DROP FUNCTION IF EXISTS append_entries(bigint, bytea, timestamptz, text[], text[], bigint)",
    "DROP FUNCTION IF EXISTS column_of(text)",
)

_TYPES = (
    # Entry without its seq, and its hashes.
    """
    CREATE TYPE entry_row AS (
        outcome TEXT, voucher TEXT, leg SMALLINT, kind TEXT, dr TEXT, cr TEXT, amount_fen BIGINT, fiscal_year INTEGER, origin_year INTEGER,
        line_id TEXT, jurisdiction_id TEXT, application_id UUID, proposal_id UUID, policy_version TEXT, funding_source TEXT, document TEXT,
        expenditure_category TEXT, maker TEXT, checker TEXT, approver TEXT, reverses_seq BIGINT, reason TEXT, booked_at TIMESTAMPTZ,
        effective_on DATE, caller TEXT, key TEXT, item INTEGER, fingerprint BYTEA, leaf BYTEA, chain BYTEA
    )
    """,
    "CREATE TYPE account_row AS (account TEXT, name TEXT, fiscal_year INTEGER, origin_year INTEGER, line_id TEXT, jurisdiction_id TEXT)",
    "CREATE TYPE event_row AS (event_id UUID, topic TEXT, key TEXT, headers TEXT, payload BYTEA, behind BIGINT)",
)

# Plans are made once and kept, perhaps while a table is empty; with nested loops over indexes alone they stay right.
_APPEND_ENTRIES = """
CREATE FUNCTION append_entries(
    expected_seq bigint, expected_chain bytea, new_booked_at timestamptz, entries entry_row[], accounts account_row[],
    expected_epoch bigint DEFAULT NULL
)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = budget, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    follows boolean;
    wrong int;
    moved text[];
    gains_fen bigint[];
    changed int;
    opened int;
BEGIN
    -- First of all: rows that are written before the head is locked are waited for by whoever holds it, in a circle. Who holds it is waited
    -- for here; then it is as that one left it.
    SELECT last_seq = expected_seq AND chain = expected_chain AND booked_at <= new_booked_at AND epoch = coalesce(expected_epoch, epoch)
    INTO follows FROM head FOR UPDATE;
    IF NOT follows THEN
        RAISE EXCEPTION 'the books have moved on from entry %', expected_seq USING ERRCODE = 'BK001';
    END IF;

    INSERT INTO journal (seq, outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year, line_id, jurisdiction_id,
        application_id, proposal_id, policy_version, funding_source, document, expenditure_category, maker, checker, approver, reverses_seq,
        reason, booked_at, effective_on, caller, key, item, fingerprint, leaf, chain)
    SELECT expected_seq + n, outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year, line_id, jurisdiction_id,
        application_id, proposal_id, policy_version, funding_source, document, expenditure_category, maker, checker, approver, reverses_seq,
        reason, booked_at, effective_on, caller, key, item, fingerprint, leaf, chain
    FROM unnest(entries) WITH ORDINALITY AS e (outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year, line_id,
        jurisdiction_id, application_id, proposal_id, policy_version, funding_source, document, expenditure_category, maker, checker, approver,
        reverses_seq, reason, booked_at, effective_on, caller, key, item, fingerprint, leaf, chain, n);

    -- What a case holds is what its rows say; it is added up when something is given back.
    IF EXISTS (SELECT FROM unnest(entries) WHERE application_id IS NOT NULL AND dr LIKE '____/指标:已预留%') THEN
        PERFORM FROM (
            SELECT DISTINCT application_id, dr AS account FROM unnest(entries) WHERE application_id IS NOT NULL AND dr LIKE '____/指标:已预留%'
        ) AS given WHERE (
            SELECT sum(CASE account WHEN cr THEN amount_fen ELSE -amount_fen END) FROM journal j
            WHERE j.application_id = given.application_id AND account IN (cr, dr)
        ) < 0;
        IF FOUND THEN
            RAISE EXCEPTION 'a case gives back what it does not hold' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;

    -- 预算法 18: the fiscal year is the calendar year. What is closed takes no entry any more, whoever writes it.
    IF EXISTS (SELECT FROM closed_year) THEN
        PERFORM FROM unnest(entries) CROSS JOIN closed_year c
        WHERE outcome = 'posted' AND c.fiscal_year::text IN (to_char(effective_on, 'YYYY'), split_part(cr, '/', 1));
        IF FOUND THEN
            RAISE EXCEPTION 'the fiscal year is closed' USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;

    -- The numbers of a kind and year go on from its counter, whatever the writer believed.
    WITH used AS MATERIALIZED (
        SELECT kind, fiscal_year, count(*) FILTER (WHERE leg = 1) AS vouchers, max(split_part(voucher, '-', 3)::bigint) AS last_used
        FROM unnest(entries) WHERE voucher IS NOT NULL GROUP BY kind, fiscal_year
    ), counted AS (
        INSERT INTO voucher_counter AS c (kind, fiscal_year, last_number) SELECT kind, fiscal_year, vouchers FROM used
        ON CONFLICT (kind, fiscal_year) DO UPDATE SET last_number = c.last_number + excluded.last_number
        RETURNING kind, fiscal_year, last_number
    )
    SELECT count(*) INTO wrong FROM used JOIN counted USING (kind, fiscal_year) WHERE last_number <> last_used;
    IF wrong <> 0 THEN
        RAISE EXCEPTION 'voucher numbers do not follow on' USING ERRCODE = 'integrity_constraint_violation';
    END IF;

    -- What each account gains is what the rows say; the writer only says what an account is, should it be the first to use it.
    SELECT array_agg(account), array_agg(fen) INTO moved, gains_fen FROM (
        SELECT account, sum(fen)::bigint FROM unnest(entries) CROSS JOIN LATERAL (VALUES (cr, amount_fen), (dr, -amount_fen)) AS m (account, fen)
        WHERE account IS NOT NULL GROUP BY account
    ) AS m (account, fen);
    UPDATE balance b SET balance_fen = balance_fen + CASE side WHEN 'cr' THEN fen ELSE -fen END
    FROM unnest(moved, gains_fen) AS m (account, fen), account_name n WHERE b.account = m.account AND n.name = b.name;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed < cardinality(moved) THEN
        INSERT INTO balance (account, name, fiscal_year, origin_year, line_id, jurisdiction_id, balance_fen)
        SELECT account, name, fiscal_year, origin_year, line_id, jurisdiction_id, CASE side WHEN 'cr' THEN fen ELSE -fen END
        FROM unnest(moved, gains_fen) AS m (account, fen) JOIN unnest(accounts) USING (account) JOIN account_name USING (name)
        WHERE NOT EXISTS (SELECT FROM balance b WHERE b.account = m.account);
        GET DIAGNOSTICS opened = ROW_COUNT;
        IF changed + opened < cardinality(moved) THEN
            RAISE EXCEPTION 'an account has no name that is known' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;

    UPDATE head
    SET last_seq = expected_seq + cardinality(entries), chain = (entries[cardinality(entries)]).chain, booked_at = new_booked_at;
END
$$
"""

# The service may not lock rows that it may not write.
_LOCK_HEAD = """
CREATE FUNCTION lock_head() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = budget, pg_temp AS $$
BEGIN
    PERFORM FROM head FOR UPDATE;
END
$$
"""

# One batch of proposals with all that belongs to it: entries, the cases they are about, and what is announced. Nothing when the head has moved on.
_APPEND_BATCH = """
CREATE FUNCTION append_batch(
    expected_seq bigint, expected_chain bytea, expected_epoch bigint, new_booked_at timestamptz, entries entry_row[], accounts account_row[],
    applicant_usccs text[], events event_row[]
)
RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    before_it constant int := expected_seq % 2147483648;
    after_it constant int := (expected_seq + cardinality(entries)) % 2147483648;
BEGIN
    -- In turn: what two batches wrote at once into the same pages took longer than one after the other. The turn is given on before the commit,
    -- so that the next writes its rows while this one is flushed. Sent one after the other, they may begin the other way round: then the one
    -- before is neither written nor under way yet, and is waited for a little.
    PERFORM pg_advisory_xact_lock(4250, after_it);
    FOR attempt IN 1..100 LOOP
        PERFORM pg_advisory_lock_shared(4250, before_it), pg_advisory_unlock_shared(4250, before_it);
        PERFORM FROM head WHERE last_seq >= expected_seq;
        EXIT WHEN FOUND;
        PERFORM pg_sleep(0.0005);
    END LOOP;
    PERFORM lock_head();

    -- A reservation is what its entry says, and whose case it is; its rank is the number of its entry.
    INSERT INTO reservation (application_id, proposal_id, state, case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, amount_fen,
        policy_version, funding_source, expenditure_category, reason, proposed_on, changed_at, place)
    SELECT application_id, proposal_id, CASE outcome WHEN 'posted' THEN 'reserved' ELSE outcome END, document, applicant_uscc, fiscal_year,
        line_id, jurisdiction_id, amount_fen, CASE WHEN outcome <> 'refused' THEN policy_version END,
        CASE WHEN outcome <> 'refused' THEN funding_source END, CASE WHEN outcome <> 'refused' THEN expenditure_category END,
        CASE WHEN outcome = 'refused' THEN substr(reason, strpos(reason, ': ') + 2) END, effective_on, booked_at, expected_seq + n
    FROM ROWS FROM (unnest(entries), unnest(applicant_usccs)) WITH ORDINALITY AS e (outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year,
        origin_year, line_id, jurisdiction_id, application_id, proposal_id, policy_version, funding_source, document, expenditure_category, maker,
        checker, approver, reverses_seq, reason, booked_at, effective_on, caller, key, item, fingerprint, leaf, chain, applicant_uscc,
        n);

    -- As shared.outbox announces: the streams move first, so that ids and numbers of a key always agree.
    INSERT INTO stream AS s (topic, key, last_seq)
    SELECT topic, key, count(*) FROM unnest(events) GROUP BY topic, key ORDER BY topic, key
    ON CONFLICT (topic, key) DO UPDATE SET last_seq = s.last_seq + excluded.last_seq;
    INSERT INTO outbox (event_id, topic, key, event_seq, headers, payload)
    SELECT event_id, topic, key, last_seq - behind, headers::jsonb, payload
    FROM unnest(events) WITH ORDINALITY AS e (event_id, topic, key, headers, payload, behind, n) JOIN stream USING (topic, key) ORDER BY n;

    PERFORM append_entries(expected_seq, expected_chain, new_booked_at, entries, accounts, expected_epoch);
END
$$
"""

_RIGHTS = (
    "REVOKE ALL ON FUNCTION append_entries, append_batch, lock_head FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION append_entries, append_batch, lock_head TO budget",
)


def upgrade() -> None:
    for statement in (*_DROP, *_TYPES, _APPEND_ENTRIES, _LOCK_HEAD, _APPEND_BATCH, *_RIGHTS):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
