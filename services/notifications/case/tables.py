"""Cases as the filing told of them: a local copy of what later steps do not repeat."""

from sqlalchemy import Column, Date, Table, Text, Uuid

from services.notifications.schema import metadata

known_case = Table(
    "known_case",
    metadata,
    Column("application_id", Uuid, primary_key=True),
    Column("case_number", Text, nullable=False),
    Column("applicant_uscc", Text, nullable=False),
    Column("jurisdiction_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("item_title_zh", Text, nullable=False),
    Column("item_short_name_zh", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("portal_number", Text, nullable=True),
    Column("filed_on", Date, nullable=False),
)
