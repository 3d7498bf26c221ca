"""The mechanism's own tables, one set in each service's schema (the role's search_path names the schema)."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

NAMING = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}

mechanism = MetaData(naming_convention=NAMING)

# Last sequence number given out per (topic, key); outbox.append moves it in the event's own transaction.
stream = Table(
    "stream",
    mechanism,
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("topic", "key"),
)


def _outbox_columns() -> list[Column[object]]:
    return [
        Column("event_id", Uuid, nullable=False),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("event_seq", BigInteger, nullable=False),
        Column("headers", JSONB, nullable=False),
        # Empty for a tombstone on a compacted topic.
        Column("payload", LargeBinary, nullable=True),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ]


outbox = Table(
    "outbox",
    mechanism,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    *_outbox_columns(),
)

# Sent rows wait here until they are deleted by age; plain, never partitioned.
outbox_sent = Table(
    "outbox_sent",
    mechanism,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    *_outbox_columns(),
    Column("sent_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(None, "sent_at"),
)

inbox = Table(
    "inbox",
    mechanism,
    Column("consumer", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("consumer", "event_id"),
    Index(None, "received_at"),
)

consumer_key = Table(
    "consumer_key",
    mechanism,
    Column("consumer", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    # While a key is parked, its later events queue behind the culprit in `parked`; other keys flow.
    Column("parked", Boolean, nullable=False, server_default="false"),
    PrimaryKeyConstraint("consumer", "topic", "key"),
)

parked = Table(
    "parked",
    mechanism,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("consumer", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("kafka_offset", BigInteger, nullable=False),
    Column("key", Text, nullable=True),
    Column("event_seq", BigInteger, nullable=True),
    Column("headers", JSONB, nullable=False),
    Column("payload", LargeBinary, nullable=True),
    # bug | gap | undecodable | behind (queued behind an earlier one of its key)
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("parked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("consumer", "topic", "partition", "kafka_offset"),
    Index(None, "consumer", "topic", "key", "event_seq"),
)

# First answers of writes, by (caller, key); kept 90 days.
answer = Table(
    "answer",
    mechanism,
    Column("caller", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("kept_on", Date, nullable=False, server_default=func.current_date()),
    PrimaryKeyConstraint("caller", "key"),
    Index(None, "kept_on"),
)
