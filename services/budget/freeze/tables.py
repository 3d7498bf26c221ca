"""Orders to stop, each with its document, and the document that lifted it."""

from sqlalchemy import CheckConstraint, Column, Date, DateTime, Index, Integer, Table, Text, Uuid, text

from services.budget.schema import metadata

freeze_order = Table(
    "freeze_order",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("application_id", Uuid),
    Column("line_id", Text),
    Column("uscc", Text),
    Column("jurisdiction_id", Text),
    Column("document", Text, nullable=False),
    # Who ordered it, and is to be asked.
    Column("authority", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ordered_on", Date, nullable=False),
    Column("ordered_by", Text, nullable=False),
    Column("ordered_at", DateTime(timezone=True), nullable=False),
    Column("lifting_document", Text),
    Column("lifted_by", Text),
    Column("lifted_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    CheckConstraint("scope IN ('case', 'line', 'fund', 'organisation', 'jurisdiction')", name="scope_known"),
    CheckConstraint(
        "(scope = 'case') = (application_id IS NOT NULL) AND (scope = 'line') = (line_id IS NOT NULL) "
        "AND (scope = 'organisation') = (uscc IS NOT NULL) AND (scope = 'jurisdiction') = (jurisdiction_id IS NOT NULL)",
        name="names_its_scope",
    ),
    CheckConstraint("num_nonnulls(lifting_document, lifted_by, lifted_at) IN (0, 3)", name="lifted_by_document"),
    Index("freeze_order_in_force_idx", "scope", postgresql_where=text("lifted_at IS NULL")),
)
