"""Ways of paying: banks' codes, late payments, quota documents, requests for payment, and what the money achieved."""

from alembic import op

revision = "budget_0006"
down_revision = "budget_0005"
branch_labels = None
depends_on = None

_PAYEES = (
    "ALTER TABLE payee_account ADD bank_code TEXT, ADD CONSTRAINT payee_account_bank_code_shape CHECK (bank_code ~ '^[0-9]{12}$')",
    "GRANT SELECT (bank_code) ON payee_account TO auditor",
)

_LATE = (
    """
    CREATE TABLE late_payment (
        bank_confirmation_id UUID NOT NULL,
        payment_order_id UUID NOT NULL,
        application_id UUID NOT NULL,
        outcome TEXT,
        reason TEXT,
        decided_by TEXT,
        decided_at TIMESTAMP WITH TIME ZONE,
        version INTEGER NOT NULL,
        CONSTRAINT late_payment_pkey PRIMARY KEY (bank_confirmation_id),
        CONSTRAINT late_payment_outcome_known CHECK (outcome IN ('paid_after_all', 'bank_error')),
        CONSTRAINT late_payment_decided_is_complete CHECK (num_nulls(outcome, reason, decided_by, decided_at) IN (0, 4)),
        CONSTRAINT late_payment_bank_confirmation_id_fkey FOREIGN KEY(bank_confirmation_id) REFERENCES bank_confirmation (id),
        CONSTRAINT late_payment_payment_order_id_fkey FOREIGN KEY(payment_order_id) REFERENCES payment_order (id)
    )
    """,
    "CREATE INDEX late_payment_open_idx ON late_payment (application_id) WHERE outcome IS NULL",
    # News that came before there was this list.
    """
    INSERT INTO late_payment (bank_confirmation_id, payment_order_id, application_id, version)
    SELECT b.id, o.id, o.application_id, 1 FROM bank_confirmation b JOIN payment_order o ON o.id = b.payment_order_id
    WHERE b.outcome = 'paid' AND b.cause = 'payment-closed'
    """,
    "REVOKE DELETE ON late_payment FROM budget",
    "GRANT SELECT ON late_payment TO auditor",
)

_QUOTA = (
    """
    CREATE TABLE quota_document (
        id UUID NOT NULL,
        number TEXT NOT NULL,
        fiscal_year INTEGER NOT NULL,
        jurisdiction_id TEXT NOT NULL,
        handed_down_on DATE NOT NULL,
        recorded_by TEXT NOT NULL,
        recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
        version INTEGER NOT NULL,
        CONSTRAINT quota_document_pkey PRIMARY KEY (id),
        CONSTRAINT quota_document_fiscal_year_number_key UNIQUE (fiscal_year, number)
    )
    """,
    "CREATE INDEX quota_document_jurisdiction_id_id_idx ON quota_document (jurisdiction_id, id)",
    """
    CREATE TABLE quota_payment (
        quota_document_id UUID NOT NULL,
        place INTEGER NOT NULL,
        payment_order_id UUID NOT NULL,
        voucher TEXT,
        CONSTRAINT quota_payment_pkey PRIMARY KEY (quota_document_id, place),
        CONSTRAINT quota_payment_payment_order_id_key UNIQUE (payment_order_id),
        CONSTRAINT quota_payment_quota_document_id_voucher_key UNIQUE (quota_document_id, voucher),
        CONSTRAINT quota_payment_quota_document_id_fkey FOREIGN KEY(quota_document_id) REFERENCES quota_document (id),
        CONSTRAINT quota_payment_payment_order_id_fkey FOREIGN KEY(payment_order_id) REFERENCES payment_order (id)
    )
    """,
    "REVOKE DELETE ON quota_document, quota_payment FROM budget",
    "GRANT SELECT ON quota_document, quota_payment TO auditor",
)

_REQUESTS = (
    """
    CREATE TABLE payment_request (
        id UUID NOT NULL,
        fiscal_year INTEGER NOT NULL,
        quota_document TEXT NOT NULL,
        warnings TEXT[] NOT NULL,
        made_by TEXT NOT NULL,
        made_at TIMESTAMP WITH TIME ZONE NOT NULL,
        version INTEGER NOT NULL,
        CONSTRAINT payment_request_pkey PRIMARY KEY (id)
    )
    """,
    """
    CREATE TABLE requested_payment (
        payment_request_id UUID NOT NULL,
        place INTEGER NOT NULL,
        payment_order_id UUID NOT NULL,
        CONSTRAINT requested_payment_pkey PRIMARY KEY (payment_request_id, place),
        CONSTRAINT requested_payment_payment_order_id_key UNIQUE (payment_order_id),
        CONSTRAINT requested_payment_payment_request_id_fkey FOREIGN KEY(payment_request_id) REFERENCES payment_request (id),
        CONSTRAINT requested_payment_payment_order_id_fkey FOREIGN KEY(payment_order_id) REFERENCES payment_order (id)
    )
    """,
    """
    CREATE TABLE payment_request_export (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        payment_request_id UUID NOT NULL,
        format TEXT NOT NULL,
        sha256 BYTEA NOT NULL,
        exported_by TEXT NOT NULL,
        exported_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT payment_request_export_pkey PRIMARY KEY (id),
        CONSTRAINT payment_request_export_format_known CHECK (format IN ('xlsx', 'csv')),
        CONSTRAINT payment_request_export_sha256_is_a_hash CHECK (length(sha256) = 32),
        CONSTRAINT payment_request_export_payment_request_id_fkey FOREIGN KEY(payment_request_id) REFERENCES payment_request (id)
    )
    """,
    "CREATE INDEX payment_request_export_payment_request_id_id_idx ON payment_request_export (payment_request_id, id)",
    """
    CREATE TABLE payment_request_import (
        id UUID NOT NULL,
        payment_request_id UUID NOT NULL,
        document TEXT NOT NULL,
        sha256 BYTEA NOT NULL,
        imported_by TEXT NOT NULL,
        imported_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT payment_request_import_pkey PRIMARY KEY (id),
        CONSTRAINT payment_request_import_sha256_is_a_hash CHECK (length(sha256) = 32),
        CONSTRAINT payment_request_import_payment_request_id_fkey FOREIGN KEY(payment_request_id) REFERENCES payment_request (id)
    )
    """,
    "CREATE INDEX payment_request_import_payment_request_id_id_idx ON payment_request_import (payment_request_id, id)",
    """
    CREATE TABLE payment_difference (
        payment_request_import_id UUID NOT NULL,
        place INTEGER NOT NULL,
        kind TEXT NOT NULL,
        row INTEGER,
        bank_reference TEXT NOT NULL,
        expected TEXT,
        found TEXT,
        CONSTRAINT payment_difference_pkey PRIMARY KEY (payment_request_import_id, place),
        CONSTRAINT payment_difference_kind_known CHECK (kind IN ('missing', 'extra', 'other_amount', 'other_payee', 'repeated')),
        CONSTRAINT payment_difference_payment_request_import_id_fkey
            FOREIGN KEY(payment_request_import_id) REFERENCES payment_request_import (id)
    )
    """,
    "REVOKE DELETE ON payment_request, requested_payment FROM budget",
    "REVOKE UPDATE, DELETE ON payment_request_export, payment_request_import, payment_difference FROM budget",
    "GRANT SELECT ON payment_request, requested_payment, payment_request_export, payment_request_import, payment_difference TO auditor",
    *(
        f"""
        CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """
        for table in ("payment_request_export", "payment_request_import", "payment_difference")
    ),
)

_PERFORMANCE = (
    """
    CREATE TABLE performance_target (
        id UUID NOT NULL,
        fiscal_year INTEGER NOT NULL,
        line_id TEXT NOT NULL,
        indicator TEXT NOT NULL,
        unit TEXT NOT NULL,
        target NUMERIC(16, 4) NOT NULL,
        weight_percent INTEGER NOT NULL,
        document TEXT NOT NULL,
        recorded_by TEXT NOT NULL,
        recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT performance_target_pkey PRIMARY KEY (id),
        CONSTRAINT performance_target_weight_is_a_share CHECK (weight_percent BETWEEN 1 AND 100),
        CONSTRAINT performance_target_fiscal_year_line_id_indicator_key UNIQUE (fiscal_year, line_id, indicator)
    )
    """,
    """
    CREATE TABLE self_evaluation (
        performance_target_id UUID NOT NULL,
        actual NUMERIC(16, 4) NOT NULL,
        document TEXT NOT NULL,
        explanation TEXT,
        evaluated_by TEXT NOT NULL,
        evaluated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT self_evaluation_pkey PRIMARY KEY (performance_target_id),
        CONSTRAINT self_evaluation_performance_target_id_fkey FOREIGN KEY(performance_target_id) REFERENCES performance_target (id)
    )
    """,
    """
    CREATE TABLE payment_acknowledgement (
        payment_order_id UUID NOT NULL,
        caution TEXT NOT NULL,
        reason TEXT NOT NULL,
        acknowledged_by TEXT NOT NULL,
        acknowledged_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT payment_acknowledgement_pkey PRIMARY KEY (payment_order_id),
        CONSTRAINT payment_acknowledgement_payment_order_id_fkey FOREIGN KEY(payment_order_id) REFERENCES payment_order (id)
    )
    """,
    "REVOKE UPDATE, DELETE ON performance_target, self_evaluation, payment_acknowledgement FROM budget",
    "GRANT SELECT ON performance_target, self_evaluation, payment_acknowledgement TO auditor",
)


def upgrade() -> None:
    for statement in (*_PAYEES, *_LATE, *_QUOTA, *_REQUESTS, *_PERFORMANCE):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
