"""What confirmed awards rest on: the record of their joint review, and marks of the numbers that their filings named."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Index, Table, Text, Uuid

from services.budget.schema import metadata

# By the decision the record is found in applications; the number of its minutes only where the officers gave one.
award_minutes = Table(
    "award_minutes",
    metadata,
    Column("application_id", Uuid, primary_key=True),
    Column("proposal_id", Uuid, primary_key=True),
    Column("number", Text),
    Column("stage", Text, nullable=False),
    Column("decided_on", Date, nullable=False),
    Column("decision_id", BigInteger, nullable=False),
)

award_mark = Table(
    "award_mark",
    metadata,
    Column("application_id", Uuid, primary_key=True),
    Column("proposal_id", Uuid, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Index("award_mark_by_value", "kind", "value"),
    CheckConstraint("value ~ '^[0-9a-f]{64}$'", name="value_is_a_digest"),
)
