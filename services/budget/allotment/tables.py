"""What was allotted, each by its document, and from which pools a case has its money where that is not the whole fund's."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from services.budget.ledger.tables import fund
from services.budget.schema import metadata
from services.budget.waiting.tables import reservation

allotment = Table(
    "allotment",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("fiscal_year", Integer, ForeignKey(fund.c.fiscal_year), nullable=False),
    Column("line_id", Text),
    Column("jurisdiction_id", Text),
    Column("amount_fen", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    Column("approved_on", Date, nullable=False),
    Column("voucher", Text, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    UniqueConstraint("fiscal_year", "document", "line_id", "jurisdiction_id", name="allotment_once", postgresql_nulls_not_distinct=True),
)

# Only of cases that drew from a narrower pool, from several, or from money of an earlier year; of all others the whole fund is the pool.
held_part = Table(
    "held_part",
    metadata,
    Column("application_id", Uuid, nullable=False),
    Column("proposal_id", Uuid, nullable=False),
    Column("place", SmallInteger, nullable=False),
    Column("fiscal_year", Integer, nullable=False),
    Column("origin_year", Integer, nullable=False),
    Column("line_id", Text),
    Column("jurisdiction_id", Text),
    Column("amount_fen", BigInteger, nullable=False),
    PrimaryKeyConstraint("application_id", "proposal_id", "place"),
    ForeignKeyConstraint(["application_id", "proposal_id"], [reservation.c.application_id, reservation.c.proposal_id]),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
)
