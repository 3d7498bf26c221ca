"""Cursors of lists that are paged by the id of a row."""

from uuid import UUID

from shared.paging import CursorUnreadable, read_cursor


def id_of_last(cursor: str | None) -> UUID | None:
    """The id of the last row of the page before; None for the first page."""
    values = read_cursor(cursor, str)
    if values is None:
        return None
    try:
        return UUID(values[0])
    except ValueError as error:
        raise CursorUnreadable("Start again without a cursor.", detail_zh="请去掉游标，从第一页重新开始。", pointer="/cursor") from error
