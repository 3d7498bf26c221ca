"""The versions of policy entries that this service has worked by."""

from sqlalchemy import Column, Date, Table, Text

from services.applications.schema import metadata

# Written when a process starts, never by a filing: which of them are used follows from the cases themselves.
policy_version = Table(
    "policy_version",
    metadata,
    Column("version", Text, primary_key=True),
    Column("policy_id", Text, nullable=False),
    Column("section", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("fingerprint", Text, nullable=False),
)
