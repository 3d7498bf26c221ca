"""Who took which export of the books, and when."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Integer, Table, Text

from services.budget.schema import metadata

# One row before the first byte leaves. Of a pack the hash is known by then; a journal is hashed by its own chain.
evidence_export = Table(
    "evidence_export",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("fiscal_year", Integer),
    Column("until_seq", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("taken_by", Text, nullable=False),
    Column("taken_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("kind IN ('journal', 'pack')", name="kind_known"),
)
