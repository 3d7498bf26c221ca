"""What may be paid, and the payment orders: each order is one issue of a payment with a bank reference of its own."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.budget.payee.tables import payee_account
from services.budget.schema import metadata
from services.budget.waiting.tables import reservation

# The fact that an award was confirmed after its public notice. It stays when the money is released; then nothing is held that could be paid.
payable = Table(
    "payable",
    metadata,
    Column("application_id", Uuid, nullable=False),
    Column("proposal_id", Uuid, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("notice_number", Text, nullable=False),
    Column("confirmed_on", Date, nullable=False),
    PrimaryKeyConstraint("application_id", "proposal_id"),
)

# On what ground a payment was approved that policy cautions about.
payment_acknowledgement = Table(
    "payment_acknowledgement",
    metadata,
    Column("payment_order_id", Uuid, ForeignKey("payment_order.id"), primary_key=True),
    Column("caution", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("acknowledged_by", Text, nullable=False),
    Column("acknowledged_at", DateTime(timezone=True), nullable=False),
)

payment_order = Table(
    "payment_order",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("application_id", Uuid, nullable=False),
    Column("proposal_id", Uuid, nullable=False),
    Column("issue", Integer, nullable=False),
    Column("fiscal_year", Integer, nullable=False),
    Column("jurisdiction_id", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("notice_number", Text, nullable=False),
    Column("payee_account_id", Uuid, ForeignKey(payee_account.c.id), nullable=False),
    Column("state", Text, nullable=False),
    Column("bank_reference", Text),
    Column("maker", Text, nullable=False),
    Column("checker", Text),
    Column("approver", Text),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("checked_at", DateTime(timezone=True)),
    Column("approved_at", DateTime(timezone=True)),
    Column("ordered_on", Date),
    Column("paid_on", Date),
    Column("returned_on", Date),
    Column("rejected_by", Text),
    Column("reason", Text),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["application_id", "proposal_id"], [reservation.c.application_id, reservation.c.proposal_id]),
    CheckConstraint("state IN ('made', 'checked', 'in_transit', 'paid', 'returned', 'rejected', 'withdrawn', 'cancelled')", name="state_known"),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    CheckConstraint("maker <> checker AND checker <> approver AND maker <> approver", name="four_eyes"),
    CheckConstraint(
        "state NOT IN ('in_transit', 'paid', 'returned', 'withdrawn') OR num_nulls(checker, approver, bank_reference, ordered_on) = 0",
        name="ordered_is_signed",
    ),
    UniqueConstraint("application_id", "proposal_id", "issue"),
    UniqueConstraint("bank_reference"),
    Index(
        "payment_order_one_open",
        "application_id",
        unique=True,
        postgresql_where=text("state IN ('made', 'checked', 'in_transit', 'paid')"),
    ),
)
