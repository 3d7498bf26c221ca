"""The number of the minutes that a joint review stands in."""

from alembic import op

revision = "applications_0003"
down_revision = "applications_0002"


def upgrade() -> None:
    op.execute("ALTER TABLE decision ADD COLUMN minutes_number TEXT")


def downgrade() -> None:
    raise NotImplementedError("a history is never taken back")
