"""Reversals of rows of the journal: made by one person with a reason, decided by another."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, Integer, Table, Text, Uuid

from services.budget.schema import metadata

reversal = Table(
    "reversal",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reverses_seq", BigInteger, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("maker", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("decided_by", Text),
    Column("decided_at", DateTime(timezone=True)),
    Column("voucher", Text),
    Column("version", Integer, nullable=False),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    CheckConstraint("state IN ('made', 'approved', 'rejected')", name="state_known"),
    CheckConstraint("maker <> decided_by", name="two_people"),
    CheckConstraint("(state = 'made') = (decided_by IS NULL) AND (state = 'approved') = (voucher IS NOT NULL)", name="decided"),
    Index(None, "reverses_seq"),
)
