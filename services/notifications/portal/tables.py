"""Case records for the provincial portal: what is reported about each case, in order, and how far the portal has it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.notifications.schema import metadata

portal_case = Table(
    "portal_case",
    metadata,
    Column("application_id", Uuid, primary_key=True),
    Column("projid", Text, nullable=False),
    Column("applicant_uscc", Text, nullable=False),
    Column("applicant_named", Boolean, nullable=False),
    Column("accepted", Boolean, nullable=False),
    # When the node that is open now began: the end of the one before.
    Column("node_started_at", DateTime(timezone=True), nullable=False),
    Column("last_sn", Integer, nullable=False),
    Column("basic_dataver", Integer, nullable=False),
    # 0: not done yet.
    Column("done_dataver", Integer, nullable=False),
    # Records are sent strictly by position: the next one is accepted_position + 1.
    Column("last_position", Integer, nullable=False),
    Column("accepted_position", Integer, nullable=False),
    # Empty when the portal has everything; while a record is under way it lies ahead, which is the lease.
    Column("next_try_at", DateTime(timezone=True), nullable=True),
    # Counts claims: an answer moves the case on only if its claim is still the newest.
    Column("claim", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("projid", name="portal_case_projid"),
    CheckConstraint("accepted_position BETWEEN 0 AND last_position", name="accepted_in_order"),
    CheckConstraint("next_try_at IS NOT NULL OR accepted_position = last_position", name="waiting_is_due"),
    CheckConstraint("length(projid) BETWEEN 1 AND 50", name="projid_length"),
    Index("portal_case_due", "next_try_at", postgresql_where=text("next_try_at IS NOT NULL")),
)

portal_record = Table(
    "portal_record",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("application_id", Uuid, ForeignKey("portal_case.application_id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("case_number", Text, nullable=False),
    Column("jurisdiction_id", Text, nullable=False),
    Column("case_version", Integer, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # 0 for basic and done, which a case has once.
    Column("sn", Integer, nullable=False),
    Column("dataver", Integer, nullable=False),
    # Our name for a special node; empty in the other kinds.
    Column("special", Text, nullable=True),
    # As sent, without the applicant's mobile number: that is added on the way out and kept nowhere but in `contact`.
    Column("content", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_answer", Text, nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("accepted_at", DateTime(timezone=True), nullable=True),
    UniqueConstraint("application_id", "position", name="portal_record_place"),
    UniqueConstraint("application_id", "kind", "sn", "dataver", name="portal_record_once"),
    CheckConstraint("kind IN ('basic', 'process', 'special', 'done')", name="kind"),
    CheckConstraint("state IN ('waiting', 'failing', 'accepted')", name="state"),
    CheckConstraint("(state = 'accepted') = (accepted_at IS NOT NULL)", name="accepted_at"),
    Index("portal_record_by_jurisdiction", "jurisdiction_id", "id"),
    Index("portal_record_by_case", "case_number", "id"),
)
