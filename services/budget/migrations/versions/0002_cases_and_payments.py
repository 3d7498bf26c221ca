"""The waiting list with its reservations, and payments: payable awards, payees, orders and what the bank said."""

from alembic import op

revision = "budget_0002"
down_revision = "budget_0001"
branch_labels = None
depends_on = None

_CASES = (
    """
    CREATE TABLE reservation (
        application_id UUID NOT NULL,
        proposal_id UUID NOT NULL,
        place BIGINT GENERATED ALWAYS AS IDENTITY,
        state TEXT NOT NULL,
        case_number TEXT,
        applicant_uscc TEXT,
        fiscal_year INTEGER,
        line_id TEXT,
        jurisdiction_id TEXT,
        amount_fen BIGINT,
        policy_version TEXT,
        funding_source TEXT,
        expenditure_category TEXT,
        proposed_on DATE,
        reason TEXT,
        changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT reservation_pkey PRIMARY KEY (application_id, proposal_id),
        CONSTRAINT reservation_state_known CHECK (state IN ('waiting', 'reserved', 'in_transit', 'paid', 'released', 'released_early', 'refused')),
        CONSTRAINT reservation_live_is_complete CHECK (
            state IN ('released', 'released_early', 'refused') OR num_nulls(case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id,
            amount_fen, policy_version, funding_source, expenditure_category) = 0),
        CONSTRAINT reservation_amount_positive CHECK (amount_fen > 0)
    )
    """,
    "CREATE UNIQUE INDEX reservation_one_live ON reservation (application_id) WHERE state IN ('waiting', 'reserved', 'in_transit', 'paid')",
    "CREATE INDEX reservation_waiting_idx ON reservation (fiscal_year, place) WHERE state = 'waiting'",
    """
    CREATE TABLE reservation_history (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        application_id UUID NOT NULL,
        proposal_id UUID NOT NULL,
        what TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT,
        happened_at TIMESTAMP WITH TIME ZONE NOT NULL,
        happened_on DATE NOT NULL,
        CONSTRAINT reservation_history_pkey PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX reservation_history_application_id_id_idx ON reservation_history (application_id, id)",
)

_PAYMENTS = (
    """
    CREATE TABLE payable (
        application_id UUID NOT NULL,
        proposal_id UUID NOT NULL,
        amount_fen BIGINT NOT NULL,
        notice_number TEXT NOT NULL,
        confirmed_on DATE NOT NULL,
        CONSTRAINT payable_pkey PRIMARY KEY (application_id, proposal_id)
    )
    """,
    """
    CREATE TABLE payee_account (
        id UUID NOT NULL,
        application_id UUID,
        uscc TEXT,
        jurisdiction_id TEXT,
        account_name TEXT NOT NULL,
        bank_name TEXT NOT NULL,
        number_sealed BYTEA NOT NULL,
        number_last_4 TEXT NOT NULL,
        state TEXT NOT NULL,
        entered_by TEXT NOT NULL,
        entered_at TIMESTAMP WITH TIME ZONE NOT NULL,
        confirmed_by TEXT,
        confirmed_at TIMESTAMP WITH TIME ZONE,
        version INTEGER NOT NULL,
        CONSTRAINT payee_account_pkey PRIMARY KEY (id),
        CONSTRAINT payee_account_one_holder CHECK (num_nonnulls(application_id, uscc) = 1),
        CONSTRAINT payee_account_state_known CHECK (state IN ('entered', 'confirmed', 'replaced', 'returned')),
        CONSTRAINT payee_account_two_people CHECK (entered_by <> confirmed_by),
        CONSTRAINT payee_account_confirmed_by_somebody CHECK (state <> 'confirmed' OR confirmed_by IS NOT NULL)
    )
    """,
    "CREATE UNIQUE INDEX payee_account_one_of_case ON payee_account (application_id) WHERE state IN ('entered', 'confirmed')",
    "CREATE UNIQUE INDEX payee_account_one_of_organisation ON payee_account (uscc) WHERE state IN ('entered', 'confirmed')",
    """
    CREATE TABLE payment_order (
        id UUID NOT NULL,
        application_id UUID NOT NULL,
        proposal_id UUID NOT NULL,
        issue INTEGER NOT NULL,
        fiscal_year INTEGER NOT NULL,
        jurisdiction_id TEXT NOT NULL,
        amount_fen BIGINT NOT NULL,
        notice_number TEXT NOT NULL,
        payee_account_id UUID NOT NULL,
        state TEXT NOT NULL,
        bank_reference TEXT,
        maker TEXT NOT NULL,
        checker TEXT,
        approver TEXT,
        made_at TIMESTAMP WITH TIME ZONE NOT NULL,
        checked_at TIMESTAMP WITH TIME ZONE,
        approved_at TIMESTAMP WITH TIME ZONE,
        ordered_on DATE,
        paid_on DATE,
        returned_on DATE,
        rejected_by TEXT,
        reason TEXT,
        version INTEGER NOT NULL,
        CONSTRAINT payment_order_pkey PRIMARY KEY (id),
        CONSTRAINT payment_order_application_id_proposal_id_fkey FOREIGN KEY (application_id, proposal_id)
            REFERENCES reservation (application_id, proposal_id),
        CONSTRAINT payment_order_state_known CHECK (state IN ('made', 'checked', 'in_transit', 'paid', 'returned', 'rejected', 'cancelled')),
        CONSTRAINT payment_order_amount_positive CHECK (amount_fen > 0),
        CONSTRAINT payment_order_four_eyes CHECK (maker <> checker AND checker <> approver AND maker <> approver),
        CONSTRAINT payment_order_ordered_is_signed CHECK (
            state NOT IN ('in_transit', 'paid', 'returned') OR num_nulls(checker, approver, bank_reference, ordered_on) = 0),
        CONSTRAINT payment_order_application_id_proposal_id_issue_key UNIQUE (application_id, proposal_id, issue),
        CONSTRAINT payment_order_bank_reference_key UNIQUE (bank_reference),
        CONSTRAINT payment_order_payee_account_id_fkey FOREIGN KEY(payee_account_id) REFERENCES payee_account (id)
    )
    """,
    "CREATE UNIQUE INDEX payment_order_one_open ON payment_order (application_id) WHERE state IN ('made', 'checked', 'in_transit', 'paid')",
    """
    CREATE TABLE bank_confirmation (
        id UUID NOT NULL,
        bank_reference TEXT NOT NULL,
        outcome TEXT NOT NULL,
        settled_on DATE NOT NULL,
        amount_fen BIGINT,
        reason TEXT,
        document TEXT NOT NULL,
        status TEXT NOT NULL,
        cause TEXT,
        payment_order_id UUID,
        received_by TEXT NOT NULL,
        received_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT bank_confirmation_pkey PRIMARY KEY (id),
        CONSTRAINT bank_confirmation_outcome_known CHECK (outcome IN ('paid', 'returned')),
        CONSTRAINT bank_confirmation_status_known CHECK (status IN ('matched', 'reconcile')),
        CONSTRAINT bank_confirmation_reconcile_has_cause CHECK ((status = 'reconcile') = (cause IS NOT NULL)),
        CONSTRAINT bank_confirmation_once UNIQUE NULLS NOT DISTINCT (bank_reference, outcome, settled_on, amount_fen, status),
        CONSTRAINT bank_confirmation_payment_order_id_fkey FOREIGN KEY(payment_order_id) REFERENCES payment_order (id)
    )
    """,
    "CREATE INDEX bank_confirmation_reconcile_idx ON bank_confirmation (id) WHERE status = 'reconcile'",
)

# The auditor reads everything but the sealed account numbers.
_RIGHTS = (
    """
    CREATE TRIGGER reservation_history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reservation_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    "REVOKE UPDATE, DELETE ON reservation_history, payable, bank_confirmation FROM budget",
    "GRANT SELECT ON reservation, reservation_history, payable, payment_order, bank_confirmation TO auditor",
    """
    GRANT SELECT (id, application_id, uscc, jurisdiction_id, account_name, bank_name, number_last_4, state, entered_by, entered_at, confirmed_by,
        confirmed_at, version) ON payee_account TO auditor
    """,
)


def upgrade() -> None:
    for statement in (*_CASES, *_PAYMENTS, *_RIGHTS):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
