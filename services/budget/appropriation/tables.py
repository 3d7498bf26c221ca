"""What was appropriated, each by its document."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, DateTime, ForeignKey, Integer, Table, Text, UniqueConstraint, Uuid

from services.budget.ledger.tables import fund
from services.budget.schema import metadata

appropriation = Table(
    "appropriation",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("fiscal_year", Integer, ForeignKey(fund.c.fiscal_year), nullable=False),
    Column("policy_id", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    Column("approved_on", Date, nullable=False),
    Column("voucher", Text, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    # 2 and more follow on one that was taken back in full.
    Column("issue", Integer, nullable=False),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    UniqueConstraint("fiscal_year", "document", "issue"),
)
