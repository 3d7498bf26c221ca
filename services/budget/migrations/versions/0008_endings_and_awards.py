"""How organisations, permits and filings ended, and what confirmed awards rest on: their minutes, and marks of the numbers that they named."""

from alembic import op

revision = "budget_0008"
down_revision = "budget_0007"
branch_labels = None
depends_on = None

_KNOWN = (
    """
    CREATE TABLE known_organisation (
        uscc TEXT NOT NULL,
        ended_on DATE,
        cause_title_zh TEXT,
        version INTEGER NOT NULL,
        CONSTRAINT known_organisation_pkey PRIMARY KEY (uscc)
    )
    """,
    """
    CREATE TABLE known_institution (
        institution_id UUID NOT NULL,
        uscc TEXT NOT NULL,
        first_day DATE NOT NULL,
        last_day DATE,
        ended_on DATE,
        cause_title_zh TEXT,
        told_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT known_institution_pkey PRIMARY KEY (institution_id)
    )
    """,
    "CREATE INDEX known_institution_by_uscc ON known_institution (uscc)",
)

_AWARDS = (
    """
    CREATE TABLE award_minutes (
        application_id UUID NOT NULL,
        proposal_id UUID NOT NULL,
        number TEXT,
        stage TEXT NOT NULL,
        decided_on DATE NOT NULL,
        decision_id BIGINT NOT NULL,
        CONSTRAINT award_minutes_pkey PRIMARY KEY (application_id, proposal_id)
    )
    """,
    """
    CREATE TABLE award_mark (
        application_id UUID NOT NULL,
        proposal_id UUID NOT NULL,
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        CONSTRAINT award_mark_pkey PRIMARY KEY (application_id, proposal_id, kind, value),
        CONSTRAINT award_mark_value_is_a_digest CHECK (value ~ '^[0-9a-f]{64}$')
    )
    """,
    "CREATE INDEX award_mark_by_value ON award_mark (kind, value)",
)
_APPEND_ONLY = ("award_minutes", "award_mark")


def upgrade() -> None:
    for statement in (*_KNOWN, *_AWARDS):
        op.execute(statement)
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM budget")
    op.execute("GRANT SELECT ON known_organisation, known_institution, award_minutes, award_mark TO auditor")


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
