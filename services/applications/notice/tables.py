"""Public notices (公示), the awards they list, and the objections to them."""

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, ForeignKeyConstraint, Index, Sequence, Table, Text, UniqueConstraint, Uuid

from services.applications.schema import metadata

notice_number_seq = Sequence("notice_number_seq", metadata=metadata)

notice = Table(
    "notice",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    # The first working day after the last day: the job closes it then, from the hour that the rule names.
    Column("closes_on", Date, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True), nullable=True),
    # A published closing date changes only by a notice that takes the place of this one.
    Column("supersedes", Uuid, nullable=True),
    Column("rule_version", Text, nullable=False),
    UniqueConstraint("number", name="notice_number"),
    Index("notice_by_close", "state", "closes_on"),
)

notice_case = Table(
    "notice_case",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("application_id", Uuid, primary_key=True),
    Column("applicant_uscc", Text, nullable=False),
    Column("applicant_name", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    ForeignKeyConstraint(["notice_id"], ["notice.id"], name="notice_case_notice"),
    ForeignKeyConstraint(["application_id"], ["application.id"], name="notice_case_application"),
    Index("notice_case_by_application", "application_id"),
)

objection = Table(
    "objection",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("notice_id", Uuid, nullable=False),
    Column("application_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("grounds", Text, nullable=False),
    # What counts: the instant it reached the office, not the instant of entry.
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("entered_by", Text, nullable=False),
    Column("entered_at", DateTime(timezone=True), nullable=False),
    # Received in time, and entered when the award was confirmed already.
    Column("entered_late", Boolean, nullable=False),
    Column("decided_by", Text, nullable=True),
    Column("decided_at", DateTime(timezone=True), nullable=True),
    Column("reason", Text, nullable=True),
    ForeignKeyConstraint(["notice_id"], ["notice.id"], name="objection_notice"),
    ForeignKeyConstraint(["application_id"], ["application.id"], name="objection_application"),
    Index("objection_by_case", "application_id", "state"),
)
