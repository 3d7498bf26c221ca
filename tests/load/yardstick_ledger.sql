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
    INSERT INTO voucher_counter AS c (kind, fiscal_year, last_number) VALUES ('reserve', 2025, 1)
    ON CONFLICT (kind, fiscal_year) DO UPDATE SET last_number = c.last_number + 1 RETURNING last_number INTO number;
    voucher := format('RS-2025-%s', lpad(number::text, 6, '0'));
    INSERT INTO journal (seq, outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year, line_id, jurisdiction_id, application_id,
        proposal_id, policy_version, funding_source, document, expenditure_category, booked_at, effective_on, caller, key, item, fingerprint, leaf, chain)
    VALUES (seq_before + 1, 'posted', voucher, 1, 'reserve', '2025/指标:可用', reserved, fen, 2025, 2025, line, place, case_id,
        proposal, 'yardstick', 'city_hr_industry_fund', 'LD', 'reward', '2025-09-01T01:00:00Z', '2025-09-01', 'yardstick', proposal::text, 0,
        '\x00', decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex'));
    INSERT INTO reservation (application_id, proposal_id, state, case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, amount_fen,
        policy_version, funding_source, expenditure_category, proposed_on, changed_at, place)
    VALUES (case_id, proposal, 'reserved', 'LD', '91990000MA0000015Q', 2025, line, place, fen, 'yardstick', 'city_hr_industry_fund', 'reward',
        '2025-09-01', '2025-09-01T01:00:00Z', seq_before + 1);
    INSERT INTO stream (topic, key, last_seq) VALUES ('budget.events', case_id::text, 1);
    INSERT INTO outbox (event_id, topic, key, event_seq, headers, payload)
    VALUES (gen_random_uuid(), 'budget.events', case_id::text, 1, jsonb_build_object('ce_type', 'budget.funds_reserved.v1'),
        convert_to(json_build_object('application_id', case_id, 'proposal_id', proposal, 'amount_fen', fen, 'voucher', voucher)::text, 'UTF8'));
    UPDATE head SET last_seq = seq_before + 1;
    RETURN voucher;
END
$$;
GRANT EXECUTE ON FUNCTION budget.yardstick_reserve TO budget;

-- The same for one payment order that was made and checked: everything in one call, without hashes.
CREATE OR REPLACE FUNCTION budget.yardstick_order(order_id uuid, approved_by text)
RETURNS TABLE (id uuid, state text, bank_reference text, version int) LANGUAGE plpgsql SECURITY DEFINER SET search_path = budget, pg_temp AS $$
#variable_conflict use_column
DECLARE
    seq_before bigint;
    number bigint;
    voucher text;
    due record;
    reserved text;
    in_transit text;
BEGIN
    SELECT last_seq INTO seq_before FROM head FOR UPDATE;
    SELECT o.maker, o.checker, o.notice_number, r.* INTO due FROM payment_order o JOIN reservation r USING (application_id, proposal_id)
    WHERE o.id = order_id AND o.state = 'checked' FOR UPDATE OF o;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    reserved := format('2025/指标:已预留[line=%s,jurisdiction=%s]', due.line_id, due.jurisdiction_id);
    in_transit := format('2025/支付申请:在途[line=%s,jurisdiction=%s]', due.line_id, due.jurisdiction_id);
    UPDATE balance SET balance_fen = balance_fen - due.amount_fen WHERE account = reserved;
    INSERT INTO balance (account, name, fiscal_year, origin_year, line_id, jurisdiction_id, balance_fen)
    VALUES (in_transit, '支付申请:在途', 2025, 2025, due.line_id, due.jurisdiction_id, 0) ON CONFLICT DO NOTHING;
    UPDATE balance SET balance_fen = balance_fen + due.amount_fen WHERE account = in_transit;
    INSERT INTO voucher_counter AS c (kind, fiscal_year, last_number) VALUES ('order', 2025, 1)
    ON CONFLICT (kind, fiscal_year) DO UPDATE SET last_number = c.last_number + 1 RETURNING last_number INTO number;
    voucher := format('PO-2025-%s', lpad(number::text, greatest(6, length(number::text)), '0'));
    INSERT INTO journal (seq, outcome, voucher, leg, kind, dr, cr, amount_fen, fiscal_year, origin_year, line_id, jurisdiction_id, application_id,
        proposal_id, policy_version, funding_source, document, expenditure_category, maker, checker, approver, booked_at, effective_on, caller, key,
        item, fingerprint, leaf, chain)
    VALUES (seq_before + 1, 'posted', voucher, 1, 'order', reserved, in_transit, due.amount_fen, 2025, 2025, due.line_id, due.jurisdiction_id,
        due.application_id, due.proposal_id, due.policy_version, due.funding_source, due.notice_number, due.expenditure_category, due.maker,
        due.checker, approved_by, '2025-09-01T01:00:00Z', '2025-09-01', 'yardstick', order_id::text, 0, '\x00', decode(repeat('00', 32), 'hex'),
        decode(repeat('00', 32), 'hex'));
    UPDATE payment_order o SET state = 'in_transit', approver = approved_by, approved_at = '2025-09-01T01:00:00Z', ordered_on = '2025-09-01',
        bank_reference = voucher, version = o.version + 1 WHERE o.id = order_id;
    UPDATE reservation r SET state = 'in_transit', changed_at = '2025-09-01T01:00:00Z'
    WHERE r.application_id = due.application_id AND r.proposal_id = due.proposal_id;
    INSERT INTO reservation_history (application_id, proposal_id, what, state, happened_at, happened_on)
    VALUES (due.application_id, due.proposal_id, 'ordered', 'in_transit', '2025-09-01T01:00:00Z', '2025-09-01');
    INSERT INTO stream AS s (topic, key, last_seq) VALUES ('budget.events', due.application_id::text, 1)
    ON CONFLICT (topic, key) DO UPDATE SET last_seq = s.last_seq + 1 RETURNING last_seq INTO number;
    INSERT INTO outbox (event_id, topic, key, event_seq, headers, payload)
    VALUES (gen_random_uuid(), 'budget.events', due.application_id::text, number, jsonb_build_object('ce_type', 'budget.payment_ordered.v1'),
        convert_to(json_build_object('application_id', due.application_id, 'proposal_id', due.proposal_id, 'amount_fen', due.amount_fen,
        'payment_order_id', order_id, 'voucher', voucher)::text, 'UTF8'));
    UPDATE head SET last_seq = seq_before + 1;
    RETURN QUERY SELECT o.id, o.state, o.bank_reference, o.version FROM payment_order o WHERE o.id = order_id;
END
$$;
GRANT EXECUTE ON FUNCTION budget.yardstick_order TO budget;
