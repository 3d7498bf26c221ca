"""Pages and cursors: a full page is the last one when nothing follows it; our cursors are read back, everything else is refused."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from shared.paging import CursorUnreadable, id_of_last, number_of_last, page_of, read_cursor, write_cursor

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ID = UUID("01994e6e-7c1a-7000-8000-000000000001")


class NumberView(BaseModel):
    number: int


@given(number=st.integers(0, 2**63 - 1), name=TEXTS, day=st.dates(), row_id=st.uuids())
def test_a_cursor_of_ours_is_read_back(number: int, name: str, day: date, row_id: UUID) -> None:
    assert read_cursor(write_cursor(number, name, day, row_id), int, str, date, UUID) == (number, name, day, row_id)


def test_the_first_page_has_no_cursor() -> None:
    assert (read_cursor(None, int, str), id_of_last(None), number_of_last(None)) == (None, None, 0)


def test_the_last_row_of_the_page_before_is_known_by_its_id_or_number() -> None:
    assert (id_of_last(write_cursor(ID)), number_of_last(write_cursor(7))) == (ID, 7)


@given(st.text(max_size=500))
def test_any_text_is_read_or_refused(cursor: str) -> None:
    try:
        number, name = read_cursor(cursor, int, str) or (0, "")
    except CursorUnreadable:
        return
    assert (type(number), type(name)) == (int, str)


@pytest.mark.parametrize(("number", "is_read"), [(-1, False), (0, True), (2**63 - 1, True), (2**63, False)])
def test_a_number_that_no_row_has_is_refused(number: int, is_read: bool) -> None:
    cursor = write_cursor(number)

    if is_read:
        assert number_of_last(cursor) == number
    else:
        with pytest.raises(CursorUnreadable):
            number_of_last(cursor)


@pytest.mark.parametrize("values", [("not an id",), (1,), (str(ID), str(ID)), ()])
def test_what_is_not_one_id_is_refused_and_the_parameter_is_pointed_at(values: tuple[str | int, ...]) -> None:
    with pytest.raises(CursorUnreadable) as refused:
        id_of_last(write_cursor(*values))

    assert [each.pointer for each in refused.value.problems] == ["/query/cursor"]


@pytest.mark.parametrize(("found", "shown", "place"), [([], [], None), ([1, 2], [1, 2], None), ([1, 2, 3], [1, 2], 2)])
def test_a_page_has_a_cursor_only_when_a_row_follows(found: list[int], shown: list[int], place: int | None) -> None:
    page = page_of(found, rows_max=2, view=lambda number: NumberView(number=number), place=lambda number: (number,))

    assert [row.number for row in page.rows] == shown
    assert page.next_cursor == (None if place is None else write_cursor(place))
