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
    Column("decision", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=True),
    Column("reason", Text, nullable=True),
    # Four eyes compare this: staff by issuer and subject, the officer a system names by system and officer.
    Column("officer", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("on", Date, nullable=False),
    UniqueConstraint("application_id", "round", "stage", "decider", name="decision_once"),
    UniqueConstraint("application_id", "round", "officer", name="decision_nobody_twice"),
    ForeignKeyConstraint(["application_id"], ["application.id"], name="decision_application"),
    Index("decision_by_application", "application_id", "id"),
)
