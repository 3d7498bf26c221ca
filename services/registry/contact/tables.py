"""Whom to call at an organisation: personal data, kept apart and masked on every read."""

from sqlalchemy import Column, DateTime, ForeignKeyConstraint, Table, Text

from services.registry.schema import metadata

contact = Table(
    "contact",
    metadata,
    Column("uscc", Text, primary_key=True),
    Column("contact_name", Text, nullable=False),
    Column("mobile", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("recorded_by", Text, nullable=False),
    ForeignKeyConstraint(["uscc"], ["organisation.uscc"]),
)
