"""The fund, its appropriations, and the books that only a database function writes."""

from alembic import op

from shared.migrations.mechanism import create_mechanism

revision = "budget_0001"
down_revision = None
branch_labels = None
depends_on = None

_BOOKS = (
    """
    CREATE TABLE fund (
        fiscal_year INTEGER NOT NULL,
        policy_id TEXT NOT NULL,
        CONSTRAINT fund_pkey PRIMARY KEY (fiscal_year)
    )
    """,
    """
    CREATE TABLE appropriation (
        id UUID NOT NULL,
        fiscal_year INTEGER NOT NULL,
        policy_id TEXT NOT NULL,
        amount_fen BIGINT NOT NULL,
        document TEXT NOT NULL,
        approved_on DATE NOT NULL,
        voucher TEXT NOT NULL,
        recorded_by TEXT NOT NULL,
        recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT appropriation_pkey PRIMARY KEY (id),
        CONSTRAINT appropriation_amount_positive CHECK (amount_fen > 0),
        CONSTRAINT appropriation_fiscal_year_document_key UNIQUE (fiscal_year, document),
        CONSTRAINT appropriation_fiscal_year_fkey FOREIGN KEY(fiscal_year) REFERENCES fund (fiscal_year)
    )
    """,
    """
    CREATE TABLE head (
        id SMALLINT NOT NULL,
        last_seq BIGINT NOT NULL,
        booked_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT head_pkey PRIMARY KEY (id),
        CONSTRAINT head_one_row CHECK (id = 1)
    )
    """,
    """
    CREATE TABLE account_name (
        name TEXT NOT NULL,
        class TEXT NOT NULL,
        side TEXT NOT NULL,
        CONSTRAINT account_name_pkey PRIMARY KEY (name),
        CONSTRAINT account_name_side_known CHECK (side IN ('dr', 'cr'))
    )
    """,
    """
    CREATE TABLE balance (
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        fiscal_year INTEGER NOT NULL,
        origin_year INTEGER NOT NULL,
        line_id TEXT,
        jurisdiction_id TEXT,
        application_id UUID,
        balance_fen BIGINT NOT NULL,
        CONSTRAINT balance_pkey PRIMARY KEY (account),
        CONSTRAINT balance_not_negative CHECK (balance_fen >= 0),
        CONSTRAINT balance_name_fkey FOREIGN KEY(name) REFERENCES account_name (name)
    )
    """,
    "CREATE INDEX balance_held_idx ON balance (fiscal_year, name) WHERE balance_fen > 0",
    """
    CREATE TABLE voucher_type (
        kind TEXT NOT NULL,
        prefix TEXT NOT NULL,
        CONSTRAINT voucher_type_pkey PRIMARY KEY (kind),
        CONSTRAINT voucher_type_prefix_key UNIQUE (prefix)
    )
    """,
    """
    CREATE TABLE voucher_counter (
        kind TEXT NOT NULL,
        fiscal_year INTEGER NOT NULL,
        last_number BIGINT NOT NULL,
        CONSTRAINT voucher_counter_pkey PRIMARY KEY (kind, fiscal_year),
        CONSTRAINT voucher_counter_kind_fkey FOREIGN KEY(kind) REFERENCES voucher_type (kind)
    )
    """,
    """
    CREATE TABLE journal (
        seq BIGINT NOT NULL,
        voucher TEXT NOT NULL,
        leg SMALLINT NOT NULL,
        dr TEXT NOT NULL,
        cr TEXT NOT NULL,
        amount_fen BIGINT NOT NULL,
        kind TEXT NOT NULL,
        fiscal_year INTEGER NOT NULL,
        origin_year INTEGER NOT NULL,
        line_id TEXT,
        jurisdiction_id TEXT,
        application_id UUID,
        proposal_id UUID,
        policy_version TEXT NOT NULL,
        funding_source TEXT NOT NULL,
        document TEXT NOT NULL,
        expenditure_category TEXT,
        maker TEXT,
        checker TEXT,
        approver TEXT,
        booked_at TIMESTAMP WITH TIME ZONE NOT NULL,
        effective_on DATE NOT NULL,
        caller TEXT NOT NULL,
        key TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        CONSTRAINT journal_pkey PRIMARY KEY (seq),
        CONSTRAINT journal_amount_positive CHECK (amount_fen > 0),
        CONSTRAINT journal_two_accounts CHECK (dr <> cr),
        CONSTRAINT journal_four_eyes CHECK (maker <> checker AND checker <> approver AND maker <> approver),
        CONSTRAINT journal_order_signed CHECK (kind <> 'order' OR num_nulls(maker, checker, approver) = 0),
        CONSTRAINT journal_voucher_leg_key UNIQUE (voucher, leg),
        CONSTRAINT journal_dr_fkey FOREIGN KEY(dr) REFERENCES balance (account),
        CONSTRAINT journal_cr_fkey FOREIGN KEY(cr) REFERENCES balance (account),
        CONSTRAINT journal_kind_fkey FOREIGN KEY(kind) REFERENCES voucher_type (kind)
    )
    """,
    "CREATE INDEX journal_application_id_seq_idx ON journal (application_id, seq)",
    "CREATE INDEX journal_fiscal_year_seq_idx ON journal (fiscal_year, seq)",
)

# The five classes of the budget-quota rules with every account of the books; money moves from the debited to the credited account,
# so a balance grows on the credit side everywhere but where money comes from.
_ACCOUNT_NAMES = """
INSERT INTO account_name (name, class, side) VALUES
    ('来源:年度批复', '来源', 'dr'),
    ('指标:待分配', '支出指标', 'cr'),
    ('指标:可用', '支出指标', 'cr'),
    ('指标:已预留', '支出指标', 'cr'),
    ('支付申请:在途', '支付申请', 'cr'),
    ('支付:已支付', '支付', 'cr'),
    ('支付:上缴待缴', '支付', 'cr'),
    ('支付:上年追回', '支付', 'dr'),
    ('支付:上缴财政', '支付', 'cr'),
    ('结转核销:结转', '结转核销', 'cr'),
    ('结转核销:核销', '结转核销', 'cr')
"""
_VOUCHER_TYPES = """
INSERT INTO voucher_type (kind, prefix) VALUES
    ('appropriate', 'AP'), ('allot', 'AL'), ('reserve', 'RS'), ('release', 'RL'), ('order', 'PO'), ('confirm', 'PC'), ('return', 'PR')
"""

_FUNCTIONS = (
    """
    CREATE FUNCTION lock_books() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = budget, pg_temp AS $$
    BEGIN
        PERFORM FROM head FOR UPDATE;
    END
    $$
    """,
    # One debit and one credit a posting; numbers come from the locked head and counters, so neither seq nor vouchers have gaps.
    """
    CREATE FUNCTION post_entries(accounts jsonb, entries jsonb, at timestamptz, act_caller text, act_key text, act_fingerprint bytea)
    RETURNS TABLE (seq bigint, voucher text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = budget, pg_temp AS $$
    #variable_conflict use_column
    DECLARE
        seq_before bigint;
        booked timestamptz;
    BEGIN
        SELECT last_seq, greatest(booked_at, at) INTO seq_before, booked FROM head FOR UPDATE;

        INSERT INTO balance (account, name, fiscal_year, origin_year, line_id, jurisdiction_id, application_id, balance_fen)
        SELECT account, name, fiscal_year, origin_year, line_id, jurisdiction_id, application_id, 0
        FROM jsonb_to_recordset(accounts) AS wanted (
            account text, name text, fiscal_year int, origin_year int, line_id text, jurisdiction_id text, application_id uuid)
        ON CONFLICT DO NOTHING;

        RETURN QUERY
        WITH entry AS MATERIALIZED (
            SELECT e.*, row_number() OVER (PARTITION BY kind, fiscal_year ORDER BY n) AS place,
                count(*) OVER (PARTITION BY kind, fiscal_year) AS total
            FROM ROWS FROM (jsonb_to_recordset(entries) AS (
                dr text, cr text, amount_fen bigint, kind text, fiscal_year int, origin_year int, line_id text, jurisdiction_id text,
                application_id uuid, proposal_id uuid, policy_version text, funding_source text, document text,
                expenditure_category text, maker text, checker text, approver text, effective_on date)) WITH ORDINALITY AS e (
                dr, cr, amount_fen, kind, fiscal_year, origin_year, line_id, jurisdiction_id,
                application_id, proposal_id, policy_version, funding_source, document,
                expenditure_category, maker, checker, approver, effective_on, n)
        ), counted AS (
            INSERT INTO voucher_counter AS c (kind, fiscal_year, last_number)
            SELECT kind, fiscal_year, count(*) FROM entry GROUP BY kind, fiscal_year ORDER BY kind, fiscal_year
            ON CONFLICT (kind, fiscal_year) DO UPDATE SET last_number = c.last_number + excluded.last_number
            RETURNING c.kind, c.fiscal_year, c.last_number
        ), numbered AS (
            SELECT entry.*, prefix, (last_number - total + place)::text AS number
            FROM entry JOIN counted USING (kind, fiscal_year) JOIN voucher_type USING (kind)
        )
        INSERT INTO journal AS j (seq, voucher, leg, dr, cr, amount_fen, kind, fiscal_year, origin_year, line_id, jurisdiction_id,
            application_id, proposal_id, policy_version, funding_source, document, expenditure_category, maker, checker, approver,
            booked_at, effective_on, caller, key, fingerprint)
        SELECT seq_before + n, format('%s-%s-%s', prefix, fiscal_year, lpad(number, greatest(6, length(number)), '0')), 1, dr, cr, amount_fen,
            kind, fiscal_year, origin_year, line_id, jurisdiction_id, application_id, proposal_id, policy_version, funding_source, document,
            expenditure_category, maker, checker, approver, booked, effective_on, act_caller, act_key, act_fingerprint
        FROM numbered
        RETURNING j.seq, j.voucher;

        WITH moved AS (
            SELECT account, sum(CASE WHEN side = touched_side THEN amount_fen ELSE -amount_fen END) AS grown_fen
            FROM jsonb_to_recordset(entries) AS entry (dr text, cr text, amount_fen bigint)
            CROSS JOIN LATERAL (VALUES (dr, 'dr'), (cr, 'cr')) AS touched (account, touched_side)
            JOIN balance USING (account) JOIN account_name USING (name)
            GROUP BY account
        )
        UPDATE balance SET balance_fen = balance_fen + grown_fen FROM moved WHERE balance.account = moved.account;

        UPDATE head SET last_seq = seq_before + jsonb_array_length(entries), booked_at = booked;
    END
    $$
    """,
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = budget, pg_temp AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: correct it by a reversal, never by %', tg_table_name, tg_op USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    "CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)

# The service writes the books through post_entries alone.
_RIGHTS = (
    "REVOKE ALL ON journal, balance, head, voucher_counter, voucher_type, account_name FROM budget",
    "GRANT SELECT ON journal, balance, head, voucher_counter, voucher_type, account_name TO budget",
    "REVOKE UPDATE, DELETE ON appropriation FROM budget",
    "GRANT SELECT ON fund, appropriation, head, account_name, balance, voucher_type, voucher_counter, journal TO auditor",
)


def upgrade() -> None:
    create_mechanism()
    for statement in (*_BOOKS, _ACCOUNT_NAMES, _VOUCHER_TYPES, *_FUNCTIONS, *_RIGHTS):
        op.execute(statement)
    op.execute("INSERT INTO head (id, last_seq, booked_at) VALUES (1, 0, '1970-01-01T00:00:00Z')")
    # Rewritten by every posting: room on the page keeps the updates in place.
    op.execute("ALTER TABLE balance SET (fillfactor = 70)")


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
