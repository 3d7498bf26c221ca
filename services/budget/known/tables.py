"""What the registry told of how organisations, permits and filings ended: a local copy fed by its events."""

from sqlalchemy import Column, Date, DateTime, Index, Integer, Table, Text, Uuid

from services.budget.schema import metadata

known_organisation = Table(
    "known_organisation",
    metadata,
    Column("uscc", Text, primary_key=True),
    # The first day on which it was no more, and why; absent while it is.
    Column("ended_on", Date),
    Column("cause_title_zh", Text),
    Column("version", Integer, nullable=False),
)

# Permits and filings of HR institutions.
known_institution = Table(
    "known_institution",
    metadata,
    Column("institution_id", Uuid, primary_key=True),
    Column("uscc", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date),
    # The first day on which it was no longer good, and why.
    Column("ended_on", Date),
    Column("cause_title_zh", Text),
    Column("told_at", DateTime(timezone=True), nullable=False),
    Index("known_institution_by_uscc", "uscc"),
)
