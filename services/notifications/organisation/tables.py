"""Names of organisations: a local copy fed by the registry's events."""

from sqlalchemy import Column, Integer, Table, Text

from services.notifications.schema import metadata

known_organisation = Table(
    "known_organisation",
    metadata,
    Column("uscc", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
)
