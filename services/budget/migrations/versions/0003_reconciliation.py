"""What was found out about rows of the bank that fitted nothing."""

from alembic import op

revision = "budget_0003"
down_revision = "budget_0002"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE reconciliation (
        bank_confirmation_id UUID NOT NULL,
        reason TEXT NOT NULL,
        settled_by TEXT NOT NULL,
        settled_at TIMESTAMP WITH TIME ZONE NOT NULL,
        settled_on DATE NOT NULL,
        CONSTRAINT reconciliation_pkey PRIMARY KEY (bank_confirmation_id),
        CONSTRAINT reconciliation_bank_confirmation_id_fkey FOREIGN KEY(bank_confirmation_id) REFERENCES bank_confirmation (id)
    )
    """,
    """
    CREATE TRIGGER reconciliation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciliation
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    "REVOKE UPDATE, DELETE ON reconciliation FROM budget",
    "GRANT SELECT ON reconciliation TO auditor",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
