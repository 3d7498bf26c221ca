"""Decisions of the review stages, one row a decider and round."""

from sqlalchemy import BigInteger, Column, Date, DateTime, ForeignKeyConstraint, Identity, Index, Integer, Table, Text, UniqueConstraint, Uuid

from services.applications.schema import metadata

decision = Table(
    "decision",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("application_id", Uuid, nullable=False),
    # A case that comes back to a stage is decided there anew.
    Column("round", Integer, nullable=False),
    Column("stage", Text, nullable=False),
    Column("decider", Text, nullable=False),
    # An open decision may be taken anew by the officer who took it; the newest counts, the earlier ones stay.
    Column("attempt", Integer, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=True),
    Column("reason", Text, nullable=True),
    # 会议纪要文号, where the officers gave it.
    Column("minutes_number", Text, nullable=True),
    # Four eyes compare this: staff by issuer and subject, the officer a system names by system and officer.
    Column("officer", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("on", Date, nullable=False),
    UniqueConstraint("application_id", "round", "stage", "decider", "attempt", name="decision_once"),
    ForeignKeyConstraint(["application_id"], ["application.id"], name="decision_application"),
    Index("decision_by_application", "application_id", "id"),
)
