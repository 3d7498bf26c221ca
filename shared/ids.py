"""Identifiers: UUIDv7 for machines, case numbers for people."""

from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUIDv7: its order is the order of creation."""
    return uuid7()


def new_id_text() -> str:
    """The same where only the text is wanted, in a seventh of the time."""
    return str(uuid_utils.uuid7())


def case_number(*, prefix: str, year: int, district_code: str, number: int) -> str:
    """For instance AB-2025-990002-000123; numbers may have gaps and grow past six digits."""
    assert number >= 1, "case numbers start at 1"
    return f"{prefix}-{year:04d}-{district_code}-{number:06d}"
