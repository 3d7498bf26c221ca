"""The inbox of each organisation: one message per step of a case."""

from sqlalchemy import CheckConstraint, Column, Date, DateTime, Index, Integer, Table, Text, UniqueConstraint, Uuid, func

from services.notifications.schema import metadata

message = Table(
    "message",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("application_id", Uuid, nullable=False),
    Column("case_number", Text, nullable=False),
    Column("case_version", Integer, nullable=False),
    # The step it tells of, which is also the template that worded it.
    Column("event_type", Text, nullable=False),
    Column("uscc", Text, nullable=False),
    Column("jurisdiction_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("remedy", Text, nullable=True),
    Column("happened_at", DateTime(timezone=True), nullable=False),
    Column("happened_on", Date, nullable=False),
    Column("read_at", DateTime(timezone=True), nullable=True),
    Column("read_by", Text, nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # Whatever comes twice, and by whichever way: a step is told once.
    UniqueConstraint("application_id", "case_version", "event_type", name="message_once"),
    CheckConstraint("(read_at IS NULL) = (read_by IS NULL)", name="read_by_somebody"),
    Index("message_by_uscc", "uscc", "id"),
    Index("message_by_jurisdiction", "jurisdiction_id", "id"),
    Index("message_by_case", "case_number", "id"),
)
