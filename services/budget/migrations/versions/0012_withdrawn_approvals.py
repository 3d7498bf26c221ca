"""What was approved and never sent on may be withdrawn: the money is reserved for its case again."""

from alembic import op

revision = "budget_0012"
down_revision = "budget_0011"
branch_labels = None
depends_on = None

_STATES = """
ALTER TABLE payment_order
    DROP CONSTRAINT payment_order_state_known,
    DROP CONSTRAINT payment_order_ordered_is_signed,
    ADD CONSTRAINT payment_order_state_known CHECK (
        state IN ('made', 'checked', 'in_transit', 'paid', 'returned', 'rejected', 'withdrawn', 'cancelled')),
    ADD CONSTRAINT payment_order_ordered_is_signed CHECK (
        state NOT IN ('in_transit', 'paid', 'returned', 'withdrawn') OR num_nulls(checker, approver, bank_reference, ordered_on) = 0)
"""


def upgrade() -> None:
    op.execute(_STATES)


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
