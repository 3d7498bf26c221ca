"""Accounts that money is paid to; the number itself is sealed."""

from sqlalchemy import CheckConstraint, Column, DateTime, Index, Integer, LargeBinary, Table, Text, Uuid, text

from services.budget.schema import metadata

_CURRENT = "state IN ('entered', 'confirmed')"

payee_account = Table(
    "payee_account",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Either of one case, or of an organisation for all its cases.
    Column("application_id", Uuid),
    Column("uscc", Text),
    Column("jurisdiction_id", Text),
    Column("account_name", Text, nullable=False),
    Column("bank_name", Text, nullable=False),
    # 联行号; where it is absent the payment names the bank by its name alone.
    Column("bank_code", Text),
    Column("number_sealed", LargeBinary, nullable=False),
    Column("number_last_4", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("entered_by", Text, nullable=False),
    Column("entered_at", DateTime(timezone=True), nullable=False),
    Column("confirmed_by", Text),
    Column("confirmed_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    CheckConstraint("num_nonnulls(application_id, uscc) = 1", name="one_holder"),
    CheckConstraint("bank_code ~ '^[0-9]{12}$'", name="bank_code_shape"),
    CheckConstraint("state IN ('entered', 'confirmed', 'replaced', 'returned')", name="state_known"),
    CheckConstraint("entered_by <> confirmed_by", name="two_people"),
    CheckConstraint("state <> 'confirmed' OR confirmed_by IS NOT NULL", name="confirmed_by_somebody"),
    Index("payee_account_one_of_case", "application_id", unique=True, postgresql_where=text(_CURRENT)),
    Index("payee_account_one_of_organisation", "uscc", unique=True, postgresql_where=text(_CURRENT)),
)
