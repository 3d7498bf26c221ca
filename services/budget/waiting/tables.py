"""Proposals of cases: who waits for money, for whom it is reserved, and how each of them ended."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from services.budget.schema import metadata

# One row for each proposal of a case. A row `released_early` is a tombstone: the release came before the proposal, which is not known yet.
reservation = Table(
    "reservation",
    metadata,
    Column("application_id", Uuid, nullable=False),
    Column("proposal_id", Uuid, nullable=False),
    # The rank: the order in which proposals came, and within each the order of its list.
    Column("place", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("case_number", Text),
    Column("applicant_uscc", Text),
    Column("fiscal_year", Integer),
    Column("line_id", Text),
    Column("jurisdiction_id", Text),
    Column("amount_fen", BigInteger),
    Column("policy_version", Text),
    Column("funding_source", Text),
    Column("expenditure_category", Text),
    Column("proposed_on", Date),
    Column("reason", Text),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("application_id", "proposal_id"),
    CheckConstraint(
        "state IN ('waiting', 'reserved', 'in_transit', 'paid', 'released', 'released_early', 'refused')",
        name="state_known",
    ),
    CheckConstraint(
        "state IN ('released', 'released_early', 'refused') OR num_nulls(case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, "
        "amount_fen, policy_version, funding_source, expenditure_category) = 0",
        name="live_is_complete",
    ),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    # A case never has the money of two proposals, nor is it paid twice.
    Index("reservation_one_live", "application_id", unique=True, postgresql_where=text("state IN ('waiting', 'reserved', 'in_transit', 'paid')")),
    Index("reservation_waiting_idx", "fiscal_year", "place", postgresql_where=text("state = 'waiting'")),
)

# What became of each proposal after its first answer, which is in the journal; and what came late or twice and changed nothing.
reservation_history = Table(
    "reservation_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("application_id", Uuid, nullable=False),
    Column("proposal_id", Uuid, nullable=False),
    Column("what", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("happened_at", DateTime(timezone=True), nullable=False),
    Column("happened_on", Date, nullable=False),
    Index(None, "application_id", "id"),
)
