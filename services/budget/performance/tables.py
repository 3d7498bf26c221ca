"""What the money of a line was to achieve in a year, and what it did achieve (绩效)."""

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Integer, Numeric, Table, Text, UniqueConstraint, Uuid

from services.budget.schema import metadata

performance_target = Table(
    "performance_target",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("fiscal_year", Integer, nullable=False),
    Column("line_id", Text, nullable=False),
    Column("indicator", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("target", Numeric(16, 4), nullable=False),
    Column("weight_percent", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("weight_percent BETWEEN 1 AND 100", name="weight_is_a_share"),
    UniqueConstraint("fiscal_year", "line_id", "indicator"),
)

self_evaluation = Table(
    "self_evaluation",
    metadata,
    Column("performance_target_id", Uuid, ForeignKey(performance_target.c.id), primary_key=True),
    Column("actual", Numeric(16, 4), nullable=False),
    Column("document", Text, nullable=False),
    Column("explanation", Text),
    Column("evaluated_by", Text, nullable=False),
    Column("evaluated_at", DateTime(timezone=True), nullable=False),
)
