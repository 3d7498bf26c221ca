"""HR institutions: an organisation's permit or filing, each as one recorded fact."""

from sqlalchemy import CheckConstraint, Column, Date, DateTime, ForeignKeyConstraint, Index, Integer, Table, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from services.registry.schema import metadata

institution = Table(
    "institution",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("uscc", Text, nullable=False),
    Column("basis", Text, nullable=False),
    # The canonical number, and the number as it stands on the document.
    Column("number", Text, nullable=False),
    Column("number_as_written", Text, nullable=False),
    Column("scope", ARRAY(Text), nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=True),
    # From this day on it is no longer good, whatever its last day says.
    Column("ended_on", Date, nullable=True),
    Column("ending_cause", Text, nullable=True),
    Column("version", Integer, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("changed_by", Text, nullable=False),
    ForeignKeyConstraint(["uscc"], ["organisation.uscc"]),
    UniqueConstraint("basis", "number"),
    CheckConstraint("basis IN ('permit', 'filing')", name="basis"),
    CheckConstraint("last_day >= first_day", name="term"),
    CheckConstraint("(ended_on IS NULL) = (ending_cause IS NULL)", name="ending"),
    Index(None, "uscc"),
)
