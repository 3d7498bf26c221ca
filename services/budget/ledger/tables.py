"""The books: journal, balances, voucher numbers and the head; written by the database function append_entries alone."""

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

# One row: the last number, the chain and the instant of the journal. Whoever writes to the books locks it first, before any fund or case.
head = Table(
    "head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("booked_at", DateTime(timezone=True), nullable=False),
    Column("chain", LargeBinary, nullable=False),
    # Counts what changes decisions without an entry: orders to stop, closed years.
    Column("epoch", BigInteger, nullable=False),
    CheckConstraint("length(chain) = 32", name="chain_is_a_hash"),
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
    Column("name", Text, nullable=False),
    Column("fiscal_year", Integer, nullable=False),
    Column("origin_year", Integer, nullable=False),
    Column("line_id", Text),
    Column("jurisdiction_id", Text),
    Column("balance_fen", BigInteger, nullable=False),
    CheckConstraint("balance_fen >= 0", name="not_negative"),
    Index(None, "fiscal_year", "name"),
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
    Column("voucher", Text),
    Column("leg", SmallInteger, nullable=False),
    Column("dr", Text),
    Column("cr", Text),
    Column("amount_fen", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
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
    Column("outcome", Text, nullable=False),
    Column("reverses_seq", BigInteger),
    Column("reason", Text),
    # The place of the row among those of its caller and key.
    Column("item", Integer, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    CheckConstraint("dr <> cr", name="two_accounts"),
    # NULL compares as unknown and passes: a name that is there must differ from the others that are.
    CheckConstraint("maker <> checker AND checker <> approver AND maker <> approver", name="four_eyes"),
    CheckConstraint("kind <> 'order' OR outcome <> 'posted' OR num_nulls(maker, checker, approver) = 0", name="order_signed"),
    CheckConstraint("outcome IN ('posted', 'refused', 'waiting')", name="outcome_known"),
    CheckConstraint("num_nonnulls(voucher, dr, cr) = CASE outcome WHEN 'posted' THEN 3 ELSE 0 END", name="only_posted_moves"),
    CheckConstraint("outcome <> 'refused' OR reason IS NOT NULL", name="refused_has_reason"),
    CheckConstraint("(kind = 'reverse' AND outcome = 'posted') <= (num_nulls(reverses_seq, reason, checker) = 0)", name="reversal_names_original"),
    CheckConstraint("reverses_seq < seq", name="reversal_looks_back"),
    CheckConstraint("length(leaf) = 32 AND length(chain) = 32", name="hashes"),
    UniqueConstraint("voucher", "leg"),
    # The first answer to a key is kept for ever.
    UniqueConstraint("caller", "key", "item"),
    Index(None, "application_id", "seq"),
    Index("journal_reverses_seq_idx", "reverses_seq", postgresql_where=text("reverses_seq IS NOT NULL")),
)
