"""Transfers of free money between lines and jurisdictions: made by one person, decided by another."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Integer, Table, Text, Uuid

from services.budget.ledger.tables import fund
from services.budget.schema import metadata

transfer = Table(
    "transfer",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("fiscal_year", Integer, ForeignKey(fund.c.fiscal_year), nullable=False),
    Column("origin_year", Integer, nullable=False),
    Column("from_line_id", Text),
    Column("from_jurisdiction_id", Text),
    Column("to_line_id", Text),
    Column("to_jurisdiction_id", Text),
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
    CheckConstraint("(from_line_id, from_jurisdiction_id) IS DISTINCT FROM (to_line_id, to_jurisdiction_id)", name="somewhere_else"),
)
