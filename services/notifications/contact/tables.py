"""Contacts of organisations: personal data, kept here once and copied nowhere else."""

from sqlalchemy import Column, Table, Text

from services.notifications.schema import metadata

contact = Table(
    "contact",
    metadata,
    Column("uscc", Text, primary_key=True),
    Column("contact_name", Text, nullable=False),
    Column("mobile", Text, nullable=False),
)
