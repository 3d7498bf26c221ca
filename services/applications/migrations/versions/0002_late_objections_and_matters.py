"""Objections entered after the award was confirmed, and what accepted cases of compared lines are for."""

from alembic import op

revision = "applications_0002"
down_revision = "applications_0001"

STATEMENTS = (
    "ALTER TABLE objection ADD COLUMN entered_late BOOLEAN NOT NULL DEFAULT false",
    "ALTER TABLE objection ALTER COLUMN entered_late DROP DEFAULT",
    """
    CREATE TABLE matter (
        application_id UUID NOT NULL,
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        CONSTRAINT matter_pkey PRIMARY KEY (application_id, kind, value),
        CONSTRAINT matter_application FOREIGN KEY (application_id) REFERENCES application (id)
    )
    """,
    "CREATE INDEX matter_by_value ON matter (value, kind)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a history is never taken back")
