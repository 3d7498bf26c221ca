"""Cursors: ours are read back, everything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.paging import CursorUnreadable, read_cursor, write_cursor

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(number=st.integers(-(2**63), 2**63 - 1), name=TEXTS)
def test_a_cursor_of_ours_is_read_back(number: int, name: str) -> None:
    assert read_cursor(write_cursor(number, name), int, str) == (number, name)


def test_the_first_page_has_no_cursor() -> None:
    assert read_cursor(None, int, str) is None


@given(st.text(max_size=500))
def test_any_text_is_read_or_refused(cursor: str) -> None:
    try:
        number, name = read_cursor(cursor, int, str) or (0, "")
    except CursorUnreadable:
        return
    assert (type(number), type(name)) == (int, str)


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**63])
def test_a_number_that_no_column_holds_is_refused(number: int) -> None:
    with pytest.raises(CursorUnreadable):
        read_cursor(write_cursor(number), int)
