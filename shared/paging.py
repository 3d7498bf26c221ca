"""Keyset paging: a page ends with an opaque cursor that names the last row seen; no offsets, no counts."""

import base64
import binascii
import json
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from fastapi import Query
from pydantic import BaseModel

from shared.errors import Malformed

PAGE_ROWS_MAX = 200

RowView = TypeVar("RowView", bound=BaseModel)


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


def write_cursor(*values: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The values that write_cursor took, checked against `kinds`; None for the first page."""
    if cursor is None:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        raise _unreadable() from error
    if not isinstance(values, list) or len(values) != len(kinds):
        raise _unreadable()
    if any(type(value) is not kind or not _fits_database(value) for value, kind in zip(values, kinds, strict=True)):
        raise _unreadable()
    return tuple(values)


def _fits_database(value: Any) -> bool:
    """A bigint, or a text without U+0000 and halves of surrogate pairs: a cursor can be written by anybody."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    return -(2**63) <= int(value) < 2**63


def _unreadable() -> CursorUnreadable:
    return CursorUnreadable("Start again without a cursor.", detail_zh="请去掉游标，从第一页重新开始。", pointer="/query/cursor")
