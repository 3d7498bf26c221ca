"""What an accepted case of a compared line is for: the same under two lines may be support for the same twice."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table, Text, Uuid

from services.applications.schema import metadata

# Written at acceptance, not at filing: the path of filing stays short, and a correction before it leaves nothing behind.
matter = Table(
    "matter",
    metadata,
    Column("application_id", Uuid, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Index("matter_by_value", "value", "kind"),
    ForeignKeyConstraint(["application_id"], ["application.id"], name="matter_application"),
)
