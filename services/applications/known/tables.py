"""What the registry told of organisations, permits and parks: a local copy fed by its events."""

from sqlalchemy import Boolean, Column, Date, Index, Integer, Table, Text, Uuid

from services.applications.schema import metadata

known_organisation = Table(
    "known_organisation",
    metadata,
    Column("uscc", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("jurisdiction_id", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)

known_permit = Table(
    "known_permit",
    metadata,
    Column("institution_id", Uuid, primary_key=True),
    Column("uscc", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    # The last day it is good for: of its term, or the day before its end.
    Column("last_day", Date, nullable=True),
    Index("known_permit_by_uscc", "uscc"),
)

known_park = Table(
    "known_park",
    metadata,
    Column("park_code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("operator_uscc", Text, nullable=False),
    Column("jurisdiction_id", Text, nullable=False),
    # A park's events come under its operator's key, so two operators' events may cross: only a higher version counts.
    Column("version", Integer, nullable=False),
    Index("known_park_by_operator", "operator_uscc"),
)

known_recognition = Table(
    "known_recognition",
    metadata,
    Column("park_code", Text, primary_key=True),
    Column("level", Text, primary_key=True),
    Column("approved_on", Date, nullable=False),
    Column("document", Text, nullable=False),
)

known_assessment = Table(
    "known_assessment",
    metadata,
    Column("park_code", Text, primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("result", Text, nullable=False),
    Column("document", Text, nullable=False),
)
