-- The yardstick: one function that does everything for one reservation, as a service without a writer would call it for each request.
-- It writes the same rows as the product, without hashes; what it has easier than the product, it may keep.
CREATE OR REPLACE FUNCTION budget.yardstick_reserve(case_id uuid, proposal uuid, line text, place text, fen bigint)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = budget, pg_temp AS $$
DECLARE
    seq_before bigint;
    number bigint;
    voucher text;
    reserved text := format('2025/指标:已预留[line=%s,jurisdiction=%s]', line, place);
BEGIN
    SELECT last_seq INTO seq_before FROM head FOR UPDATE;
    UPDATE balance SET balance_fen = balance_fen - fen WHERE account = '2025/指标:可用';
    INSERT INTO balance (account, name, fiscal_year, origin_year, line_id, jurisdiction_id, balance_fen)
    VALUES (reserved, '指标:已预留', 2025, 2025, line, place, 0) ON CONFLICT DO NOTHING;
    UPDATE balance SET balance_fen = balance_fen + fen WHERE account = reserved;
    INSERT INTO case_balance (application_id, account, held_fen) VALUES (case_id, reserved, fen);
    INSERT INTO voucher_counter AS c (kind, fiscal_year, last_number) VALUES ('reserve', 2025, 1)
    ON CONFLICT (kind, fiscal_year) DO UPDATE SET last_number = c.last_number + 1 RETURNING last_number INTO number;
    voucher := format('RS-2025-%s', lpad(number::text, 6, '0'));
    INSERT INTO journal (seq, outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year, line_id, jurisdiction_id, application_id,
        proposal_id, policy_version, funding_source, document, expenditure_category, booked_at, effective_on, caller, key, item, fingerprint, leaf, chain)
    VALUES (seq_before + 1, 'posted', voucher, 1, 'reserve', '2025/指标:可用', reserved, fen, 2025, 2025, line, place, case_id,
        proposal, 'yardstick', 'city_hr_industry_fund', 'LD', 'reward', '2025-09-01T01:00:00Z', '2025-09-01', 'yardstick', proposal::text, 0,
        '\x00', decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex'));
    INSERT INTO reservation (application_id, proposal_id, state, case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, amount_fen,
        policy_version, funding_source, expenditure_category, proposed_on, changed_at)
    VALUES (case_id, proposal, 'reserved', 'LD', '91990000MA0000015Q', 2025, line, place, fen, 'yardstick', 'city_hr_industry_fund', 'reward',
        '2025-09-01', '2025-09-01T01:00:00Z');
    INSERT INTO stream (topic, key, last_seq) VALUES ('budget.events', case_id::text, 1);
    INSERT INTO outbox (event_id, topic, key, event_seq, headers, payload)
    VALUES (gen_random_uuid(), 'budget.events', case_id::text, 1, jsonb_build_object('ce_type', 'budget.funds_reserved.v1'),
        convert_to(json_build_object('application_id', case_id, 'proposal_id', proposal, 'amount_fen', fen, 'voucher', voucher)::text, 'UTF8'));
    UPDATE head SET last_seq = seq_before + 1;
    RETURN voucher;
END
$$;
GRANT EXECUTE ON FUNCTION budget.yardstick_reserve TO budget;
