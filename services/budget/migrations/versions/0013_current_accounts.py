"""An account of the organisation is replaced for a case as soon as the case has one of its own: orders that name it are not approved."""

from alembic import op

revision = "budget_0013"
down_revision = "budget_0012"
branch_labels = None
depends_on = None

# What an account is to a case that is paid to it.
_ACCOUNT_STATE = """
CREATE FUNCTION account_state(account_id uuid, case_id uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p.application_id IS NULL AND EXISTS (
        SELECT FROM payee_account c WHERE c.application_id = case_id AND c.state IN ('entered', 'confirmed')
    ) THEN 'replaced' ELSE p.state END
    FROM payee_account p WHERE p.id = account_id
$$
"""

# As before, but for what the account is to its case. In one snapshot: that of the statement that calls it.
_READ = """
CREATE OR REPLACE FUNCTION read_approvals(
    asked_orders uuid[], asked_callers text[], asked_keys text[],
    OUT last_seq bigint, OUT chain bytea, OUT booked_at timestamptz, OUT epoch bigint, OUT numbered_years int[], OUT numbers bigint[],
    OUT item_callers text[], OUT item_keys text[], OUT next_items int[], OUT answers answer_row[], OUT freezes freeze_row[],
    OUT orders approvable_row[]
)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
    SELECT h.last_seq, h.chain, h.booked_at, h.epoch INTO last_seq, chain, booked_at, epoch FROM head h;
    SELECT array_agg(fiscal_year), array_agg(last_number) INTO numbered_years, numbers FROM voucher_counter WHERE kind = 'order';
    SELECT array_agg(caller), array_agg(key), array_agg(next_item) INTO item_callers, item_keys, next_items
    FROM unnest(asked_callers, asked_keys) AS a (caller, key) CROSS JOIN LATERAL (
        SELECT item + 1 AS next_item FROM journal j WHERE j.caller = a.caller AND j.key = a.key ORDER BY item DESC LIMIT 1) AS n;
    SELECT array_agg(first_answer) INTO answers FROM unnest(asked_callers, asked_keys) AS a (caller, key) CROSS JOIN LATERAL (
        SELECT ROW(w.caller, w.key, fingerprint, status, headers::text, body)::answer_row AS first_answer
        FROM answer w WHERE w.caller = a.caller AND w.key = a.key LIMIT 1) AS f;
    SELECT array_agg(ROW(scope, application_id, line_id, uscc, jurisdiction_id, document, authority, ordered_on)::freeze_row ORDER BY ordered_at)
    INTO freezes FROM freeze_order WHERE lifted_at IS NULL;
    SELECT array_agg(
        ROW(
            o.id, o.state, o.version, o.maker, o.checker, account_state(p.id, o.application_id), p.entered_by,
            EXISTS (SELECT FROM late_payment l WHERE l.application_id = o.application_id AND l.outcome IS NULL),
            r.application_id, r.proposal_id, r.case_number, r.applicant_uscc, r.fiscal_year, r.line_id, r.jurisdiction_id,
            r.amount_fen, r.policy_version, r.funding_source, r.expenditure_category,
            o.notice_number, o.issue, o.made_at, o.checked_at, o.payee_account_id, p.account_name,
            p.number_last_4, p.bank_name,
            (o.fiscal_year, o.jurisdiction_id, o.amount_fen) = (r.fiscal_year, r.jurisdiction_id, r.amount_fen)
                AND NOT EXISTS (SELECT FROM held_part h WHERE h.application_id = r.application_id AND h.proposal_id = r.proposal_id)
        )::approvable_row
    ) INTO orders
    FROM unnest(asked_orders) AS a (id)
        CROSS JOIN LATERAL (SELECT * FROM payment_order WHERE id = a.id LIMIT 1) AS o
        CROSS JOIN LATERAL (SELECT * FROM reservation WHERE application_id = o.application_id AND proposal_id = o.proposal_id LIMIT 1) AS r
        CROSS JOIN LATERAL (SELECT * FROM payee_account WHERE id = o.payee_account_id LIMIT 1) AS p;
END
$$
"""

# As before, but for what the account is to its case. Written if everything still is as it was read, else nothing is.
_APPEND = """
CREATE OR REPLACE FUNCTION append_approvals(
    expected_seq bigint, expected_chain bytea, expected_epoch bigint, new_booked_at timestamptz, entries entry_row[], accounts account_row[],
    acted_at timestamptz, acted_on date, approvals approval_row[], events event_row[]
)
RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    ordered int;
    held int;
BEGIN
    -- First, because it locks the books, as everybody does before orders and cases. What is decided behind that lock (entries, orders to stop,
    -- closed years, cases that are released or carried) is as it was read from here on, or the head would differ by its number or its epoch.
    PERFORM append_entries(expected_seq, expected_chain, new_booked_at, entries, accounts, expected_epoch);

    -- What moves neither is asked again: steps of the order itself, its payee's account, and late payments. In the order in which others lock;
    -- as CASE, because every row is found by its key, and by no partial index that the state would fit.
    UPDATE payment_order o SET state = 'in_transit', approver = a.approver, approved_at = acted_at, ordered_on = acted_on,
        bank_reference = voucher, version = o.version + 1
    FROM (SELECT * FROM unnest(approvals) ORDER BY payment_order_id) AS a
    WHERE o.id = payment_order_id AND o.version = a.version AND o.payee_account_id = a.payee_account_id
        AND CASE o.state WHEN 'checked' THEN true END
        AND account_state(a.payee_account_id, a.application_id) = 'confirmed'
        AND NOT EXISTS (SELECT FROM late_payment l WHERE l.application_id = a.application_id AND l.outcome IS NULL);
    GET DIAGNOSTICS ordered = ROW_COUNT;
    UPDATE reservation r SET state = 'in_transit', reason = NULL, changed_at = acted_at
    FROM (SELECT * FROM unnest(approvals) ORDER BY application_id) AS a
    WHERE r.application_id = a.application_id AND r.proposal_id = a.proposal_id AND CASE r.state WHEN 'reserved' THEN true END;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF (ordered, held, cardinality(entries)) <> (cardinality(approvals), cardinality(approvals), cardinality(approvals)) THEN
        RAISE EXCEPTION 'an order is no longer as it was read' USING ERRCODE = 'BK002';
    END IF;

    INSERT INTO reservation_history (application_id, proposal_id, what, state, happened_at, happened_on)
    SELECT application_id, proposal_id, 'ordered', 'in_transit', acted_at, acted_on FROM unnest(approvals);
    INSERT INTO payment_acknowledgement (payment_order_id, caution, reason, acknowledged_by, acknowledged_at)
    SELECT payment_order_id, caution, ground, approver, acted_at FROM unnest(approvals) WHERE caution IS NOT NULL;

    -- As shared.outbox announces: the streams move first, so that ids and numbers of a key always agree.
    INSERT INTO stream AS s (topic, key, last_seq)
    SELECT topic, key, count(*) FROM unnest(events) GROUP BY topic, key ORDER BY topic, key
    ON CONFLICT (topic, key) DO UPDATE SET last_seq = s.last_seq + excluded.last_seq;
    INSERT INTO outbox (event_id, topic, key, event_seq, headers, payload)
    SELECT event_id, topic, key, last_seq - behind, headers::jsonb, payload
    FROM unnest(events) WITH ORDINALITY AS e (event_id, topic, key, headers, payload, behind, n) JOIN stream USING (topic, key) ORDER BY n;

    -- Where a key was answered meanwhile, its constraint takes everything back.
    INSERT INTO answer (caller, key, fingerprint, status, headers, body)
    SELECT approver, key, fingerprint, 200, headers::jsonb, body FROM unnest(approvals);
END
$$
"""

_RIGHTS = ("REVOKE ALL ON FUNCTION account_state FROM PUBLIC", "GRANT EXECUTE ON FUNCTION account_state TO budget")


def upgrade() -> None:
    for statement in (_ACCOUNT_STATE, _READ, _APPEND, *_RIGHTS):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
