"""Checkpoints with the keys that signed them, and the stored levels of the Merkle tree; nothing here is ever changed."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, LargeBinary, PrimaryKeyConstraint, SmallInteger, Table, Text

from services.budget.schema import metadata

# Every key that ever signed, as verifiers of signed notes take it. Whoever verifies has it from the publisher, not from here.
checkpoint_key = Table(
    "checkpoint_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("public_key", Text, nullable=False),
    Column("first_used_at", DateTime(timezone=True), nullable=False),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("booked_at", DateTime(timezone=True), nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("key_id", Text, ForeignKey(checkpoint_key.c.id), nullable=False),
    # The signed text as it is handed out.
    Column("note", Text, nullable=False),
    CheckConstraint("seq > 0", name="of_something"),
    CheckConstraint("length(root) = 32 AND length(chain) = 32", name="hashes"),
)

# Whole subtrees of 2^level leaves, every eighth level; the leaves themselves stand in the journal.
merkle_node = Table(
    "merkle_node",
    metadata,
    Column("level", SmallInteger, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "place"),
    CheckConstraint("length(hash) = 32", name="hash_size"),
)
