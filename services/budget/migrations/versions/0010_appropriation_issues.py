"""A document whose money was taken back in full may be recorded again: each time is an issue of its own."""

from alembic import op

revision = "budget_0010"
down_revision = "budget_0009"
branch_labels = None
depends_on = None

_ISSUES = (
    "ALTER TABLE appropriation ADD issue INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE appropriation ALTER issue DROP DEFAULT",
    """
    ALTER TABLE appropriation
        DROP CONSTRAINT appropriation_fiscal_year_document_key,
        ADD CONSTRAINT appropriation_fiscal_year_document_issue_key UNIQUE (fiscal_year, document, issue)
    """,
)


# Nothing of these is ever removed.
_RIGHTS = "REVOKE DELETE ON fund, reservation, payment_order, payee_account FROM budget"


def upgrade() -> None:
    for statement in (*_ISSUES, _RIGHTS):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
