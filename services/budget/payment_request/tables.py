"""Requests for payment: what is in each, who took its file, and what came back."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from services.budget.payment.tables import payment_order
from services.budget.schema import metadata

payment_request = Table(
    "payment_request",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("fiscal_year", Integer, nullable=False),
    # 指标文号
    Column("quota_document", Text, nullable=False),
    Column("warnings", ARRAY(Text), nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
)

requested_payment = Table(
    "requested_payment",
    metadata,
    Column("payment_request_id", Uuid, ForeignKey(payment_request.c.id), nullable=False),
    Column("place", Integer, nullable=False),
    Column("payment_order_id", Uuid, ForeignKey(payment_order.c.id), nullable=False),
    PrimaryKeyConstraint("payment_request_id", "place"),
    # An issue of a payment is asked for once; the next issue after a return is another order.
    UniqueConstraint("payment_order_id"),
)

# Who took the file with the whole account numbers, and exactly which.
payment_request_export = Table(
    "payment_request_export",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("payment_request_id", Uuid, ForeignKey(payment_request.c.id), nullable=False),
    Column("format", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("exported_by", Text, nullable=False),
    Column("exported_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("format IN ('xlsx', 'csv')", name="format_known"),
    CheckConstraint("length(sha256) = 32", name="sha256_is_a_hash"),
    Index(None, "payment_request_id", "id"),
)

payment_request_import = Table(
    "payment_request_import",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("payment_request_id", Uuid, ForeignKey(payment_request.c.id), nullable=False),
    Column("document", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("imported_by", Text, nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("length(sha256) = 32", name="sha256_is_a_hash"),
    Index(None, "payment_request_id", "id"),
)

# How a sheet that came back differed from what was asked for.
payment_difference = Table(
    "payment_difference",
    metadata,
    Column("payment_request_import_id", Uuid, ForeignKey(payment_request_import.c.id), nullable=False),
    Column("place", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("row", Integer),
    Column("bank_reference", Text, nullable=False),
    Column("expected", Text),
    Column("found", Text),
    PrimaryKeyConstraint("payment_request_import_id", "place"),
    CheckConstraint("kind IN ('missing', 'extra', 'other_amount', 'other_payee', 'repeated')", name="kind_known"),
)
