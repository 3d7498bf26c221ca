"""A day on the wire is YYYY-MM-DD; an instant or a number, which would be a day in some zone or other, is none. An instant is no number."""

from datetime import UTC, date, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.day import Day, Instant

DAY = TypeAdapter[date](Day)
INSTANT = TypeAdapter[datetime](Instant)


def test_a_day_is_read_as_it_is_written() -> None:
    assert DAY.validate_json('"2025-09-15"') == date(2025, 9, 15)


NO_DAYS = ["1757894400", "1757894400.0", "null", "true", '"1757894400"', '"20250915"', '"2025-9-15"', '"2025-09-15T00:00:00"', '"2025-09-15 "']


@pytest.mark.parametrize("written", [*NO_DAYS, '"２０２５-09-15"'])
def test_what_is_no_day_is_refused_with_the_form_of_a_day(written: str) -> None:
    with pytest.raises(ValidationError, match="A day is written as YYYY-MM-DD"):
        DAY.validate_json(written)


def test_a_day_that_no_calendar_has_is_refused() -> None:
    with pytest.raises(ValidationError):
        DAY.validate_json('"2025-02-29"')


@pytest.mark.parametrize("written", ["2025-09-15T10:00:00+08:00", "2025-09-15T02:00:00Z", "2025-09-15T02:00:00.000Z"])
def test_an_instant_is_read_with_its_zone(written: str) -> None:
    assert INSTANT.validate_python(written) == datetime(2025, 9, 15, 2, tzinfo=UTC)


NO_INSTANTS = ["1757894400", "-1", "1e9", "2025-09-15", "2025-09-15T10:00:00", "20250915T100000Z", "", "T10:00:00Z", 1_757_894_400, 1.5, True, None]


@pytest.mark.parametrize("written", NO_INSTANTS, ids=str)
def test_what_is_no_instant_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(written)
