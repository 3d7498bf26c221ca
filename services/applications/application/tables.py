"""Applications as they are, as they were filed, and every step that changed one."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    FetchedValue,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import UserDefinedType

from services.applications.schema import metadata


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id: never wraps round, so it can be a place in a feed."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


# Case numbers may have gaps; one sequence serves all districts and years, because a counter row would queue every filing.
case_number_seq = Sequence("case_number_seq", metadata=metadata)

application = Table(
    "application",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("case_number", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    # The review stage while the state is in_review or returned from there.
    Column("stage", Text, nullable=True),
    # Counts how often the case has entered review; decisions belong to a round.
    Column("round", Integer, nullable=False, server_default="0"),
    # Who has to act next.
    Column("waiting_on", ARRAY(Text), nullable=False, server_default="{}"),
    # The entries of the policy that the case is pinned to by its first filing day.
    Column("policy_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("item_version", Text, nullable=False),
    Column("applicant_uscc", Text, nullable=False),
    Column("jurisdiction_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    # The filing system and its own reference of the row: what makes a repeat a repeat. It also says who may withdraw.
    Column("caller", Text, nullable=False),
    Column("row_reference", Text, nullable=False),
    Column("portal_number", Text, nullable=True),
    Column("project_name", Text, nullable=True),
    Column("project_code", Text, nullable=True),
    Column("park_code", Text, nullable=True),
    Column("level", Text, nullable=True),
    Column("support_year", Integer, nullable=True),
    Column("requested_fen", BigInteger, nullable=False),
    Column("amount_fen", BigInteger, nullable=True),
    # Day of the act, day of receipt, instant of entry (architecture 4).
    Column("filed_on", Date, nullable=False),
    Column("received_on", Date, nullable=False),
    Column("entered_at", DateTime(timezone=True), nullable=False),
    Column("content", JSONB, nullable=False),
    Column("content_version", Integer, nullable=False),
    Column("content_fingerprint", Text, nullable=False),
    # NULL where the item has no once rule, and again when the case ended without an award.
    Column("once_key", Text, nullable=True),
    # "N working days from D": due_on is computed when the calendar of its year is published.
    Column("due_working_days", Integer, nullable=True),
    Column("due_from_day", Date, nullable=True),
    Column("due_on", Date, nullable=True),
    Column("proposal_id", Uuid, nullable=True),
    Column("fiscal_year", Integer, nullable=True),
    # Where a case goes when its money has been given back, and where it came from in case it cannot be.
    Column("release_target", Text, nullable=True),
    Column("release_from", Text, nullable=True),
    Column("release_reason", Text, nullable=True),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    # Kept by a trigger: which transaction changed the row last, the key of the changed-since feed.
    Column("changed_xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()"), server_onupdate=FetchedValue()),
    UniqueConstraint("case_number", name="application_case_number"),
    UniqueConstraint("caller", "row_reference", name="application_row"),
    UniqueConstraint("once_key", name="application_once"),
    CheckConstraint("requested_fen > 0", name="requested_positive"),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    # A number of the provincial portal stands for one case.
    Index("application_portal_number", "caller", "portal_number", unique=True, postgresql_where=text("portal_number IS NOT NULL")),
    Index("application_by_place", "jurisdiction_id", "id"),
    Index("application_by_change", "changed_xid", "id"),
    Index("application_by_applicant", "applicant_uscc", "id"),
    Index("application_by_state", "state", "id"),
)

# Earlier contents of a row that was sent again before acceptance.
filed_version = Table(
    "filed_version",
    metadata,
    Column("application_id", Uuid, primary_key=True),
    Column("content_version", Integer, primary_key=True),
    Column("content", JSONB, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["application_id"], ["application.id"], name="filed_version_application"),
)

# A change that came after acceptance: nothing is changed by it, the officer sees the difference.
late_change = Table(
    "late_change",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("application_id", Uuid, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("difference", JSONB, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("fingerprint", Text, nullable=False),
    UniqueConstraint("application_id", "fingerprint", name="late_change_once"),
    ForeignKeyConstraint(["application_id"], ["application.id"], name="late_change_application"),
)

# The history: who, when (instant and business date), why, and by which version of the rule.
step = Table(
    "step",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("application_id", Uuid, nullable=False),
    Column("case_version", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("from_state", Text, nullable=True),
    Column("to_state", Text, nullable=False),
    Column("stage", Text, nullable=True),
    Column("caller", Text, nullable=False),
    # The officer that a system names for its call.
    Column("officer", Text, nullable=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("on", Date, nullable=False),
    Column("reason", Text, nullable=True),
    Column("clause", Text, nullable=False),
    Column("rule_version", Text, nullable=False),
    Column("facts", JSONB, nullable=False, server_default="{}"),
    Index("step_by_application", "application_id", "id"),
    ForeignKeyConstraint(["application_id"], ["application.id"], name="step_application"),
)
