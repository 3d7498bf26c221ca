"""The verbs of the books: allotments, transfers, reversals, freezes, misuse cases, clawbacks, and years that are closed."""

from alembic import op

revision = "budget_0005"
down_revision = "budget_0004"
branch_labels = None
depends_on = None

_POOLS = (
    """
    CREATE TABLE allotment (
        id UUID NOT NULL,
        fiscal_year INTEGER NOT NULL,
        line_id TEXT,
        jurisdiction_id TEXT,
        amount_fen BIGINT NOT NULL,
        document TEXT NOT NULL,
        approved_on DATE NOT NULL,
        voucher TEXT NOT NULL,
        recorded_by TEXT NOT NULL,
        recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT allotment_pkey PRIMARY KEY (id),
        CONSTRAINT allotment_amount_positive CHECK (amount_fen > 0),
        CONSTRAINT allotment_once UNIQUE NULLS NOT DISTINCT (fiscal_year, document, line_id, jurisdiction_id),
        CONSTRAINT allotment_fiscal_year_fkey FOREIGN KEY(fiscal_year) REFERENCES fund (fiscal_year)
    )
    """,
    """
    CREATE TABLE held_part (
        application_id UUID NOT NULL,
        proposal_id UUID NOT NULL,
        place SMALLINT NOT NULL,
        fiscal_year INTEGER NOT NULL,
        origin_year INTEGER NOT NULL,
        line_id TEXT,
        jurisdiction_id TEXT,
        amount_fen BIGINT NOT NULL,
        CONSTRAINT held_part_pkey PRIMARY KEY (application_id, proposal_id, place),
        CONSTRAINT held_part_amount_positive CHECK (amount_fen > 0),
        CONSTRAINT held_part_application_id_proposal_id_fkey FOREIGN KEY(application_id, proposal_id)
            REFERENCES reservation (application_id, proposal_id)
    )
    """,
    """
    CREATE TABLE transfer (
        id UUID NOT NULL,
        fiscal_year INTEGER NOT NULL,
        origin_year INTEGER NOT NULL,
        from_line_id TEXT,
        from_jurisdiction_id TEXT,
        to_line_id TEXT,
        to_jurisdiction_id TEXT,
        amount_fen BIGINT NOT NULL,
        document TEXT NOT NULL,
        reason TEXT NOT NULL,
        state TEXT NOT NULL,
        maker TEXT NOT NULL,
        made_at TIMESTAMP WITH TIME ZONE NOT NULL,
        decided_by TEXT,
        decided_at TIMESTAMP WITH TIME ZONE,
        voucher TEXT,
        version INTEGER NOT NULL,
        CONSTRAINT transfer_pkey PRIMARY KEY (id),
        CONSTRAINT transfer_amount_positive CHECK (amount_fen > 0),
        CONSTRAINT transfer_state_known CHECK (state IN ('made', 'approved', 'rejected')),
        CONSTRAINT transfer_two_people CHECK (maker <> decided_by),
        CONSTRAINT transfer_decided CHECK ((state = 'made') = (decided_by IS NULL) AND (state = 'approved') = (voucher IS NOT NULL)),
        CONSTRAINT transfer_somewhere_else CHECK ((from_line_id, from_jurisdiction_id) IS DISTINCT FROM (to_line_id, to_jurisdiction_id)),
        CONSTRAINT transfer_fiscal_year_fkey FOREIGN KEY(fiscal_year) REFERENCES fund (fiscal_year)
    )
    """,
)

_REVERSALS = (
    """
    CREATE TABLE reversal (
        id UUID NOT NULL,
        reverses_seq BIGINT NOT NULL,
        amount_fen BIGINT NOT NULL,
        document TEXT NOT NULL,
        reason TEXT NOT NULL,
        state TEXT NOT NULL,
        maker TEXT NOT NULL,
        made_at TIMESTAMP WITH TIME ZONE NOT NULL,
        decided_by TEXT,
        decided_at TIMESTAMP WITH TIME ZONE,
        voucher TEXT,
        version INTEGER NOT NULL,
        CONSTRAINT reversal_pkey PRIMARY KEY (id),
        CONSTRAINT reversal_amount_positive CHECK (amount_fen > 0),
        CONSTRAINT reversal_state_known CHECK (state IN ('made', 'approved', 'rejected')),
        CONSTRAINT reversal_two_people CHECK (maker <> decided_by),
        CONSTRAINT reversal_decided CHECK ((state = 'made') = (decided_by IS NULL) AND (state = 'approved') = (voucher IS NOT NULL))
    )
    """,
    "CREATE INDEX reversal_reverses_seq_idx ON reversal (reverses_seq)",
)

_FREEZES = (
    """
    CREATE TABLE freeze_order (
        id UUID NOT NULL,
        scope TEXT NOT NULL,
        application_id UUID,
        line_id TEXT,
        uscc TEXT,
        jurisdiction_id TEXT,
        document TEXT NOT NULL,
        authority TEXT NOT NULL,
        reason TEXT NOT NULL,
        ordered_on DATE NOT NULL,
        ordered_by TEXT NOT NULL,
        ordered_at TIMESTAMP WITH TIME ZONE NOT NULL,
        lifting_document TEXT,
        lifted_by TEXT,
        lifted_at TIMESTAMP WITH TIME ZONE,
        version INTEGER NOT NULL,
        CONSTRAINT freeze_order_pkey PRIMARY KEY (id),
        CONSTRAINT freeze_order_scope_known CHECK (scope IN ('case', 'line', 'fund', 'organisation', 'jurisdiction')),
        CONSTRAINT freeze_order_names_its_scope CHECK (
            (scope = 'case') = (application_id IS NOT NULL) AND (scope = 'line') = (line_id IS NOT NULL)
            AND (scope = 'organisation') = (uscc IS NOT NULL) AND (scope = 'jurisdiction') = (jurisdiction_id IS NOT NULL)),
        CONSTRAINT freeze_order_lifted_by_document CHECK (num_nonnulls(lifting_document, lifted_by, lifted_at) IN (0, 3))
    )
    """,
    "CREATE INDEX freeze_order_in_force_idx ON freeze_order (scope) WHERE lifted_at IS NULL",
    """
    CREATE TABLE misuse_case (
        id UUID NOT NULL,
        uscc TEXT,
        jurisdiction_id TEXT,
        article TEXT NOT NULL,
        document TEXT NOT NULL,
        reason TEXT NOT NULL,
        found_on DATE NOT NULL,
        freeze_id UUID NOT NULL,
        state TEXT NOT NULL,
        opened_by TEXT NOT NULL,
        opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
        closing_document TEXT,
        closed_by TEXT,
        closed_at TIMESTAMP WITH TIME ZONE,
        version INTEGER NOT NULL,
        CONSTRAINT misuse_case_pkey PRIMARY KEY (id),
        CONSTRAINT misuse_case_state_known CHECK (state IN ('open', 'closed')),
        CONSTRAINT misuse_case_against_one CHECK (num_nonnulls(uscc, jurisdiction_id) = 1),
        CONSTRAINT misuse_case_closed_by_document CHECK (
            num_nonnulls(closing_document, closed_by, closed_at) = CASE state WHEN 'closed' THEN 3 ELSE 0 END),
        CONSTRAINT misuse_case_freeze_id_fkey FOREIGN KEY(freeze_id) REFERENCES freeze_order (id)
    )
    """,
)

_CLAWBACKS = (
    """
    CREATE TABLE clawback (
        id UUID NOT NULL,
        payment_order_id UUID NOT NULL,
        misuse_case_id UUID,
        ordered_fen BIGINT NOT NULL,
        received_fen BIGINT NOT NULL,
        to_remit_fen BIGINT NOT NULL,
        document TEXT NOT NULL,
        reason TEXT NOT NULL,
        state TEXT NOT NULL,
        ordered_by TEXT NOT NULL,
        ordered_at TIMESTAMP WITH TIME ZONE NOT NULL,
        version INTEGER NOT NULL,
        CONSTRAINT clawback_pkey PRIMARY KEY (id),
        CONSTRAINT clawback_ordered_positive CHECK (ordered_fen > 0),
        CONSTRAINT clawback_received_of_ordered CHECK (received_fen BETWEEN 0 AND ordered_fen),
        CONSTRAINT clawback_to_remit_of_received CHECK (to_remit_fen BETWEEN 0 AND received_fen),
        CONSTRAINT clawback_state_known CHECK (state IN ('open', 'received', 'cancelled')),
        CONSTRAINT clawback_received_in_full CHECK ((state = 'received') = (received_fen = ordered_fen)),
        CONSTRAINT clawback_payment_order_id_document_key UNIQUE (payment_order_id, document),
        CONSTRAINT clawback_payment_order_id_fkey FOREIGN KEY(payment_order_id) REFERENCES payment_order (id),
        CONSTRAINT clawback_misuse_case_id_fkey FOREIGN KEY(misuse_case_id) REFERENCES misuse_case (id)
    )
    """,
    """
    CREATE TABLE clawback_receipt (
        id UUID NOT NULL,
        clawback_id UUID NOT NULL,
        amount_fen BIGINT NOT NULL,
        received_on DATE NOT NULL,
        bank_reference TEXT NOT NULL,
        voucher TEXT NOT NULL,
        recorded_by TEXT NOT NULL,
        recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT clawback_receipt_pkey PRIMARY KEY (id),
        CONSTRAINT clawback_receipt_amount_positive CHECK (amount_fen > 0),
        CONSTRAINT clawback_receipt_bank_reference_key UNIQUE (bank_reference),
        CONSTRAINT clawback_receipt_clawback_id_fkey FOREIGN KEY(clawback_id) REFERENCES clawback (id)
    )
    """,
    "CREATE INDEX clawback_receipt_clawback_id_idx ON clawback_receipt (clawback_id)",
)

_CLOSED = (
    """
    CREATE TABLE closed_year (
        fiscal_year INTEGER NOT NULL,
        document TEXT NOT NULL,
        carried_cases INTEGER NOT NULL,
        waiting_cases INTEGER NOT NULL,
        carried_fen BIGINT NOT NULL,
        lapsed_fen BIGINT NOT NULL,
        last_seq BIGINT NOT NULL,
        closed_on DATE NOT NULL,
        closed_by TEXT NOT NULL,
        closed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT closed_year_pkey PRIMARY KEY (fiscal_year),
        CONSTRAINT closed_year_fiscal_year_fkey FOREIGN KEY(fiscal_year) REFERENCES fund (fiscal_year)
    )
    """,
)

_TABLES = "allotment, held_part, transfer, reversal, freeze_order, misuse_case, clawback, clawback_receipt, closed_year"
_RIGHTS = (
    "REVOKE UPDATE, DELETE ON allotment, clawback_receipt, closed_year FROM budget",
    "REVOKE DELETE ON transfer, reversal, freeze_order, misuse_case, clawback FROM budget",
    f"GRANT SELECT ON {_TABLES} TO auditor",
)


def upgrade() -> None:
    for statement in (*_POOLS, *_REVERSALS, *_FREEZES, *_CLAWBACKS, *_CLOSED, *_RIGHTS):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
