"""Cursors of the lists of applications: by a day and an id, and the place in the feed of changes."""

from datetime import date
from typing import NamedTuple
from uuid import UUID

from shared.paging import read_cursor, write_cursor


class Place(NamedTuple):
    """The transaction that changed the last row read, and the row's id."""

    xid: int = 0
    id: UUID = UUID(int=0)

    def written(self) -> str:
        return write_cursor(*self)


def day_and_id_of_last(cursor: str | None) -> tuple[date, UUID] | None:
    """Of the last row of the page before; None for the first page."""
    values = read_cursor(cursor, date, UUID)
    return None if values is None else (values[0], values[1])


def place_after(changed_after: str) -> Place:
    """An empty text is the beginning of the feed."""
    values = read_cursor(changed_after or None, int, UUID)
    return Place() if values is None else Place(*values)
