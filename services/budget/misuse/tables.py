"""Misuse cases against an organisation or a jurisdiction that withholds money, each with its decision."""

from sqlalchemy import CheckConstraint, Column, Date, DateTime, ForeignKey, Integer, Table, Text, Uuid

from services.budget.freeze.tables import freeze_order
from services.budget.schema import metadata

misuse_case = Table(
    "misuse_case",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("uscc", Text),
    Column("jurisdiction_id", Text),
    # Of the 财政违法行为处罚处分条例.
    Column("article", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("found_on", Date, nullable=False),
    Column("freeze_id", Uuid, ForeignKey(freeze_order.c.id), nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("closing_document", Text),
    Column("closed_by", Text),
    Column("closed_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    CheckConstraint("state IN ('open', 'closed')", name="state_known"),
    CheckConstraint("num_nonnulls(uscc, jurisdiction_id) = 1", name="against_one"),
    CheckConstraint("num_nonnulls(closing_document, closed_by, closed_at) = CASE state WHEN 'closed' THEN 3 ELSE 0 END", name="closed_by_document"),
)
