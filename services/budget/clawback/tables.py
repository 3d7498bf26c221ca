"""Orders to recover what was paid, beside the books; only their receipts move money."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, DateTime, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, Uuid

from services.budget.misuse.tables import misuse_case
from services.budget.payment.tables import payment_order
from services.budget.schema import metadata

clawback = Table(
    "clawback",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("payment_order_id", Uuid, ForeignKey(payment_order.c.id), nullable=False),
    Column("misuse_case_id", Uuid, ForeignKey(misuse_case.c.id)),
    Column("ordered_fen", BigInteger, nullable=False),
    Column("received_fen", BigInteger, nullable=False),
    # Of what was received in the year of the payment: what still has to go to the treasury.
    Column("to_remit_fen", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("ordered_by", Text, nullable=False),
    Column("ordered_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    CheckConstraint("ordered_fen > 0", name="ordered_positive"),
    CheckConstraint("received_fen BETWEEN 0 AND ordered_fen", name="received_of_ordered"),
    CheckConstraint("to_remit_fen BETWEEN 0 AND received_fen", name="to_remit_of_received"),
    CheckConstraint("state IN ('open', 'received', 'cancelled')", name="state_known"),
    CheckConstraint("(state = 'received') = (received_fen = ordered_fen)", name="received_in_full"),
    UniqueConstraint("payment_order_id", "document"),
)

clawback_receipt = Table(
    "clawback_receipt",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("clawback_id", Uuid, ForeignKey(clawback.c.id), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("received_on", Date, nullable=False),
    Column("bank_reference", Text, nullable=False),
    Column("voucher", Text, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    UniqueConstraint("bank_reference"),
    Index(None, "clawback_id"),
)
