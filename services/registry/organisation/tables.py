"""Organisations: any body with a unified social credit code."""

from sqlalchemy import CheckConstraint, Column, Date, DateTime, Index, Integer, Table, Text

from services.registry.schema import metadata

organisation = Table(
    "organisation",
    metadata,
    Column("uscc", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("jurisdiction_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    # From this day on it is no more.
    Column("ended_on", Date, nullable=True),
    Column("ending_cause", Text, nullable=True),
    Column("version", Integer, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    # The caller of the last change.
    Column("changed_by", Text, nullable=False),
    CheckConstraint("status IN ('active', 'ended')", name="status"),
    CheckConstraint("(status = 'ended') = (ended_on IS NOT NULL AND ending_cause IS NOT NULL)", name="ending"),
    Index(None, "jurisdiction_id", "uscc"),
)
