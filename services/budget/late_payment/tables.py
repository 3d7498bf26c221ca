"""What the bank said about payments that it had sent back."""

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Index, Integer, Table, Text, Uuid, text

from services.budget.bank.tables import bank_confirmation
from services.budget.payment.tables import payment_order
from services.budget.schema import metadata

# News that a returned payment was paid after all: as long as nobody has decided what it means, the case is paid to nobody.
late_payment = Table(
    "late_payment",
    metadata,
    Column("bank_confirmation_id", Uuid, ForeignKey(bank_confirmation.c.id), primary_key=True),
    Column("payment_order_id", Uuid, ForeignKey(payment_order.c.id), nullable=False),
    Column("application_id", Uuid, nullable=False),
    Column("outcome", Text),
    Column("reason", Text),
    Column("decided_by", Text),
    Column("decided_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    CheckConstraint("outcome IN ('paid_after_all', 'bank_error')", name="outcome_known"),
    CheckConstraint("num_nulls(outcome, reason, decided_by, decided_at) IN (0, 4)", name="decided_is_complete"),
    Index("late_payment_open_idx", "application_id", postgresql_where=text("outcome IS NULL")),
)
