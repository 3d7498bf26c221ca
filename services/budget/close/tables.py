"""Fiscal years that take no entry any more."""

from sqlalchemy import BigInteger, Column, Date, DateTime, ForeignKey, Integer, Table, Text

from services.budget.ledger.tables import fund
from services.budget.schema import metadata

# `last_seq` is the last row of the close itself. The database refuses entries of these years whoever writes them.
closed_year = Table(
    "closed_year",
    metadata,
    Column("fiscal_year", Integer, ForeignKey(fund.c.fiscal_year), primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
    Column("carried_cases", Integer, nullable=False),
    Column("waiting_cases", Integer, nullable=False),
    Column("carried_fen", BigInteger, nullable=False),
    Column("lapsed_fen", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("closed_on", Date, nullable=False),
    Column("closed_by", Text, nullable=False),
    Column("closed_at", DateTime(timezone=True), nullable=False),
)
