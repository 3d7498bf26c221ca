"""The books: journal, balances, voucher numbers and the head; written by the database function post_entries alone."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.budget.schema import metadata

# One row a fiscal year: who changes its money locks it.
fund = Table(
    "fund",
    metadata,
    Column("fiscal_year", Integer, primary_key=True, autoincrement=False),
    Column("policy_id", Text, nullable=False),
)

# One row: the last sequence number and instant of the journal. Whoever writes to the books locks it first, before any fund or case.
head = Table(
    "head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("booked_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# Every account of the budget-quota rules, also those that later movements use; `side` is where its balance grows.
account_name = Table(
    "account_name",
    metadata,
    Column("name", Text, primary_key=True),
    Column("class", Text, nullable=False),
    Column("side", Text, nullable=False),
    CheckConstraint("side IN ('dr', 'cr')", name="side_known"),
)

balance = Table(
    "balance",
    metadata,
    Column("account", Text, primary_key=True),
    Column("name", Text, ForeignKey("account_name.name"), nullable=False),
    Column("fiscal_year", Integer, nullable=False),
    Column("origin_year", Integer, nullable=False),
    Column("line_id", Text),
    Column("jurisdiction_id", Text),
    Column("application_id", Uuid),
    Column("balance_fen", BigInteger, nullable=False),
    CheckConstraint("balance_fen >= 0", name="not_negative"),
    # Emptied accounts of settled cases are many and say nothing.
    Index("balance_held_idx", "fiscal_year", "name", postgresql_where=text("balance_fen > 0")),
)

voucher_type = Table(
    "voucher_type",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("prefix", Text, nullable=False),
    UniqueConstraint("prefix"),
)

voucher_counter = Table(
    "voucher_counter",
    metadata,
    Column("kind", Text, ForeignKey("voucher_type.kind"), nullable=False),
    Column("fiscal_year", Integer, nullable=False),
    Column("last_number", BigInteger, nullable=False),
    PrimaryKeyConstraint("kind", "fiscal_year"),
)

journal = Table(
    "journal",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("voucher", Text, nullable=False),
    Column("leg", SmallInteger, nullable=False),
    Column("dr", Text, ForeignKey("balance.account"), nullable=False),
    Column("cr", Text, ForeignKey("balance.account"), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("kind", Text, ForeignKey("voucher_type.kind"), nullable=False),
    Column("fiscal_year", Integer, nullable=False),
    Column("origin_year", Integer, nullable=False),
    Column("line_id", Text),
    Column("jurisdiction_id", Text),
    Column("application_id", Uuid),
    Column("proposal_id", Uuid),
    Column("policy_version", Text, nullable=False),
    Column("funding_source", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("expenditure_category", Text),
    Column("maker", Text),
    Column("checker", Text),
    Column("approver", Text),
    Column("booked_at", DateTime(timezone=True), nullable=False),
    Column("effective_on", Date, nullable=False),
    Column("caller", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    CheckConstraint("dr <> cr", name="two_accounts"),
    # NULL compares as unknown and passes: a name that is there must differ from the others that are.
    CheckConstraint("maker <> checker AND checker <> approver AND maker <> approver", name="four_eyes"),
    CheckConstraint("kind <> 'order' OR num_nulls(maker, checker, approver) = 0", name="order_signed"),
    UniqueConstraint("voucher", "leg"),
    Index(None, "fiscal_year", "seq"),
    Index(None, "application_id", "seq"),
)
