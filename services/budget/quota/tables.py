"""Quota documents (指标文件): money handed down to a district's finance office, which pays it out and reports each payment."""

from sqlalchemy import Column, Date, DateTime, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text, UniqueConstraint, Uuid

from services.budget.payment.tables import payment_order
from services.budget.schema import metadata

quota_document = Table(
    "quota_document",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", Text, nullable=False),
    Column("fiscal_year", Integer, nullable=False),
    Column("jurisdiction_id", Text, nullable=False),
    Column("handed_down_on", Date, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("fiscal_year", "number"),
    Index(None, "jurisdiction_id", "id"),
)

# `voucher` is the 支付凭证号 that the district reported when it had paid.
quota_payment = Table(
    "quota_payment",
    metadata,
    Column("quota_document_id", Uuid, ForeignKey(quota_document.c.id), nullable=False),
    Column("place", Integer, nullable=False),
    Column("payment_order_id", Uuid, ForeignKey(payment_order.c.id), nullable=False),
    Column("voucher", Text),
    PrimaryKeyConstraint("quota_document_id", "place"),
    UniqueConstraint("payment_order_id"),
    UniqueConstraint("quota_document_id", "voucher"),
)
