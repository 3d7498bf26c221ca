"""Keyset paging: a page ends with an opaque cursor that names the last row seen; no offsets, no counts."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from shared.errors import Malformed

PAGE_ROWS_MAX = 200
# The first number that no bigint column holds.
BIGINT_END = 2**63

RowT = TypeVar("RowT")
RowView = TypeVar("RowView", bound=BaseModel)
Place: TypeAlias = tuple[str | int | UUID | date, ...]

_READ: Mapping[type, Callable[[Any], Any]] = {str: str, int: int, UUID: UUID, date: date.fromisoformat}


class CursorUnreadable(Malformed):
    code = "cursor-unreadable"
    title_en = "The cursor is not one of ours"
    title_zh = "分页游标无法识别"


class Page(BaseModel, Generic[RowView]):
    """`next_cursor` is absent on the last page."""

    rows: list[RowView]
    next_cursor: str | None = None


Limit: TypeAlias = Annotated[int, Query(ge=1, le=PAGE_ROWS_MAX, description="Rows a page | 每页行数")]
Cursor: TypeAlias = Annotated[str | None, Query(max_length=500, description="next_cursor of the page before | 上一页返回的游标")]


def page_of(rows: Sequence[RowT], *, rows_max: int, view: Callable[[RowT], RowView], place: Callable[[RowT], Place]) -> Page[RowView]:
    """`rows` has up to `rows_max` + 1: the one beyond is not shown, it says that a next page follows. `place` is what a cursor holds of a row."""
    return Page(rows=[view(row) for row in rows[:rows_max]], next_cursor=next_cursor(rows, rows_max=rows_max, place=place))


def next_cursor(rows: Sequence[RowT], *, rows_max: int, place: Callable[[RowT], Place]) -> str | None:
    """Of a page that shows the first `rows_max` of `rows`; None where there is none beyond."""
    return write_cursor(*place(rows[rows_max - 1])) if len(rows) > rows_max else None


def write_cursor(*values: str | int | UUID | date) -> str:
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":"), default=str).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The values that write_cursor took, checked against `kinds`; None for the first page."""
    if cursor is None:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != len(kinds):
            raise ValueError("other values than were written")
        return tuple(_value(value, kind=kind) for value, kind in zip(values, kinds, strict=True))
    except ValueError as error:
        raise CursorUnreadable("Start again without a cursor.", detail_zh="请去掉游标，从第一页重新开始。", pointer="/query/cursor") from error


def id_of_last(cursor: str | None) -> UUID | None:
    """The id of the last row of the page before; None for the first page."""
    last: UUID | None
    (last,) = read_cursor(cursor, UUID) or (None,)
    return last


def number_of_last(cursor: str | None) -> int:
    """The number of the last row of the page before; 0, which comes before every number, for the first page."""
    last: int
    (last,) = read_cursor(cursor, int) or (0,)
    return last


def _value(value: Any, *, kind: type) -> Any:
    """Raises ValueError for what is not of this kind, or is no value of any row."""
    if type(value) is not (int if kind is int else str) or not _fits_database(value):
        raise ValueError("no value of this kind")
    return _READ[kind](value)


def _fits_database(value: str | int) -> bool:
    """A text without U+0000 and halves of surrogate pairs, or a bigint from 0 on: a cursor can be written by anybody."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    return 0 <= value < BIGINT_END
