"""Cursors of the lists of applications: by the id of a row, by a day and an id, and the place in the feed of changes."""

from datetime import date
from typing import NamedTuple
from uuid import UUID

from shared.paging import CursorUnreadable, read_cursor, write_cursor


class Place(NamedTuple):
    """The transaction that changed the last row read, and the row's id."""

    xid: int = 0
    id: UUID = UUID(int=0)

    def written(self) -> str:
        return write_cursor(self.xid, str(self.id))


class LastOfDay(NamedTuple):
    day: date
    id: UUID

    def written(self) -> str:
        return write_cursor(self.day.isoformat(), str(self.id))


def id_of_last(cursor: str | None) -> UUID | None:
    """The id of the last row of the page before; None for the first page."""
    values = read_cursor(cursor, str)
    return None if values is None else _id(values[0])


def day_and_id_of_last(cursor: str | None) -> LastOfDay | None:
    values = read_cursor(cursor, str, str)
    if values is None:
        return None
    try:
        return LastOfDay(date.fromisoformat(values[0]), _id(values[1]))
    except ValueError as error:
        raise _unreadable() from error


def place_after(changed_after: str) -> Place:
    """An empty text is the beginning of the feed."""
    values = read_cursor(changed_after or None, int, str)
    if values is None:
        return Place()
    if values[0] < 0:
        raise _unreadable()
    return Place(values[0], _id(values[1]))


def _id(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError as error:
        raise _unreadable() from error


def _unreadable() -> CursorUnreadable:
    return CursorUnreadable("Start again without a cursor.", detail_zh="请去掉游标，从头重新读取。", pointer="/query/cursor")
