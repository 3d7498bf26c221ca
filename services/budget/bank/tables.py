"""What the bank said, row by row: matched to a payment, or kept for reconciliation."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, DateTime, ForeignKey, Index, Table, Text, UniqueConstraint, Uuid, text

from services.budget.payment.tables import payment_order
from services.budget.schema import metadata

bank_confirmation = Table(
    "bank_confirmation",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("bank_reference", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("settled_on", Date, nullable=False),
    Column("amount_fen", BigInteger),
    Column("reason", Text),
    Column("document", Text, nullable=False),
    Column("status", Text, nullable=False),
    # Why a row is kept for reconciliation: the code of the refusal that was answered.
    Column("cause", Text),
    Column("payment_order_id", Uuid, ForeignKey(payment_order.c.id)),
    Column("received_by", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("outcome IN ('paid', 'returned')", name="outcome_known"),
    CheckConstraint("status IN ('matched', 'reconcile')", name="status_known"),
    CheckConstraint("(status = 'reconcile') = (cause IS NOT NULL)", name="reconcile_has_cause"),
    UniqueConstraint(
        "bank_reference", "outcome", "settled_on", "amount_fen", "status", name="bank_confirmation_once", postgresql_nulls_not_distinct=True
    ),
    Index("bank_confirmation_reconcile_idx", "id", postgresql_where=text("status = 'reconcile'")),
)

# What was found out about a row that fitted nothing. The row stays as the bank sent it: neither of the two is ever changed.
reconciliation = Table(
    "reconciliation",
    metadata,
    Column("bank_confirmation_id", Uuid, ForeignKey(bank_confirmation.c.id), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("settled_by", Text, nullable=False),
    Column("settled_at", DateTime(timezone=True), nullable=False),
    Column("settled_on", Date, nullable=False),
)
