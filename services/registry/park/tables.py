"""Parks (人力资源服务产业园), their recognitions and yearly assessments."""

from sqlalchemy import CheckConstraint, Column, Date, DateTime, ForeignKeyConstraint, Index, Integer, PrimaryKeyConstraint, SmallInteger, Table, Text

from services.registry.schema import metadata

park = Table(
    "park",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("operator_uscc", Text, nullable=False),
    Column("jurisdiction_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("changed_by", Text, nullable=False),
    ForeignKeyConstraint(["operator_uscc"], ["organisation.uscc"]),
    Index(None, "operator_uscc"),
)

# Once per park and level; what was approved is never changed.
recognition = Table(
    "recognition",
    metadata,
    Column("park_code", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("approved_on", Date, nullable=False),
    Column("document", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("recorded_by", Text, nullable=False),
    PrimaryKeyConstraint("park_code", "level"),
    ForeignKeyConstraint(["park_code"], ["park.code"]),
    CheckConstraint("level IN ('national', 'provincial', 'city')", name="level"),
)

# Once per park and year.
assessment = Table(
    "assessment",
    metadata,
    Column("park_code", Text, nullable=False),
    Column("year", SmallInteger, nullable=False),
    Column("result", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("recorded_by", Text, nullable=False),
    PrimaryKeyConstraint("park_code", "year"),
    ForeignKeyConstraint(["park_code"], ["park.code"]),
    CheckConstraint("result IN ('passed', 'failed')", name="result"),
)
