"""The published working-day calendar, against the vectors of the law and an independent library."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import workdays
from shared.errors import problem
from shared.workdays import CalendarNotPublished

calendar = workdays.load()
PUBLISHED_DAYS = [date(2023, 1, 1) + timedelta(days=offset) for offset in range(1461)]

TABLE = """
year = 2030
revision = 1
[[notice]]
number = "测试〔2029〕1号"
issued_on = 2029-11-01
title_zh = "测试"
[[holiday]]
name_zh = "元旦"
first_day = 2030-01-01
last_day = 2030-01-01
makeup_workdays = [2030-01-05]
"""


def test_the_published_years_are_2023_to_2026_and_each_names_its_notice() -> None:
    assert (calendar.published_from, calendar.published_until) == (date(2023, 1, 1), date(2026, 12, 31))
    assert {table.year: (table.notices[0].number, table.notices[0].issued_on) for table in calendar.years} == {
        2023: ("国办发明电〔2022〕16号", date(2022, 12, 8)),
        2024: ("国办发明电〔2023〕7号", date(2023, 10, 25)),
        2025: ("国办发明电〔2024〕12号", date(2024, 11, 12)),
        2026: ("国办发明电〔2025〕7号", date(2025, 11, 4)),
    }


def test_every_day_of_four_years_agrees_with_chinesecalendar() -> None:
    differing = [day for day in PUBLISHED_DAYS if calendar.is_workday(day) != chinese_calendar.is_workday(day)]

    assert PUBLISHED_DAYS[-1] == calendar.published_until
    assert differing == []


@pytest.mark.parametrize(
    ("start", "count", "last"),
    [
        (date(2023, 9, 25), 15, date(2023, 10, 20)),
        (date(2024, 2, 5), 5, date(2024, 2, 18)),
        (date(2025, 1, 22), 15, date(2025, 2, 18)),
        (date(2025, 9, 22), 20, date(2025, 10, 24)),
        (date(2026, 2, 10), 5, date(2026, 2, 24)),
        (date(2026, 9, 18), 15, date(2026, 10, 15)),
    ],
)
def test_a_term_of_working_days_ends_where_the_law_says(start: date, count: int, last: date) -> None:
    assert calendar.add_workdays(start, count=count) == last


@pytest.mark.parametrize(
    ("start", "days", "last"),
    [
        (date(2025, 9, 20), 15, date(2025, 10, 9)),
        (date(2024, 4, 18), 15, date(2024, 5, 6)),
        (date(2026, 2, 2), 15, date(2026, 2, 24)),
        (date(2025, 3, 1), 15, date(2025, 3, 17)),
    ],
)
def test_a_term_of_calendar_days_is_rolled_past_rest_days(start: date, days: int, last: date) -> None:
    assert calendar.roll_forward(start + timedelta(days=days)) == last


def test_a_working_day_is_not_rolled_and_a_make_up_sunday_is_a_working_day() -> None:
    sunday = date(2024, 2, 18)

    assert sunday.isoweekday() == 7
    assert calendar.is_workday(sunday)
    assert calendar.roll_forward(sunday) == sunday
    assert calendar.next_workday(sunday) == date(2024, 2, 19)


def test_day_one_is_the_next_working_day_also_when_the_start_is_a_rest_day() -> None:
    assert calendar.add_workdays(date(2025, 9, 30), count=1) == date(2025, 10, 9)
    assert calendar.add_workdays(date(2025, 10, 3), count=1) == date(2025, 10, 9)


def test_the_last_fifteen_working_days_of_the_last_year_are_known_and_the_sixteenth_is_not() -> None:
    assert calendar.add_workdays(date(2026, 12, 10), count=15) == date(2026, 12, 31)
    with pytest.raises(CalendarNotPublished):
        calendar.add_workdays(date(2026, 12, 10), count=16)


def test_past_the_last_published_year_the_refusal_says_which_year_and_what_to_do() -> None:
    with pytest.raises(CalendarNotPublished) as refused:
        calendar.add_workdays(date(2026, 12, 10), count=20)

    document = problem(refused.value, trace_id="abc")
    assert (document["code"], document["status"]) == ("calendar-not-published", 422)
    assert (document["year"], document["published_until"]) == (2027, "2026-12-31")
    assert "2027" in refused.value.detail_en
    assert "2027年" in refused.value.detail_zh
    assert document["remedy"]
    assert document["remedy_zh"]


@pytest.mark.parametrize("day", [date(2022, 12, 31), date(2027, 1, 1)])
@pytest.mark.parametrize(
    "ask",
    [
        calendar.is_workday,
        calendar.next_workday,
        calendar.roll_forward,
        lambda day: calendar.add_workdays(day, count=1),
        lambda day: calendar.workdays_between(min(day, date(2025, 1, 1)), last_day=max(day, date(2025, 1, 1))),
    ],
)
def test_no_question_about_a_day_outside_the_published_years_is_answered(day: date, ask: Callable[[date], object]) -> None:
    with pytest.raises(CalendarNotPublished) as refused:
        ask(day)

    assert refused.value.facts["year"] == day.year


def test_a_term_of_no_days_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        calendar.add_workdays(date(2025, 9, 1), count=0)


def test_working_days_between_counts_both_ends() -> None:
    assert calendar.workdays_between(date(2025, 9, 28), last_day=date(2025, 10, 11)) == 6
    assert calendar.workdays_between(date(2025, 9, 30), last_day=date(2025, 9, 30)) == 1
    assert calendar.workdays_between(date(2025, 10, 1), last_day=date(2025, 10, 8)) == 0


@given(st.dates(date(2023, 1, 1), date(2026, 9, 30)), st.integers(1, 60))
def test_a_term_holds_exactly_its_working_days_and_ends_on_one(start: date, count: int) -> None:
    last = calendar.add_workdays(start, count=count)

    assert calendar.is_workday(last)
    assert calendar.workdays_between(start + timedelta(days=1), last_day=last) == count


def test_a_well_formed_table_of_another_folder_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "2030.toml").write_text(TABLE, encoding="utf-8")

    loaded = workdays.load(tmp_path)

    assert loaded.published_until == date(2030, 12, 31)
    assert not loaded.is_workday(date(2030, 1, 1))
    assert loaded.is_workday(date(2030, 1, 5))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("revision = 1", "revision = 0"),
        ("revision = 1", 'revision = "1"'),
        ("revision = 1", "revision = 1\nverified = true"),
        ("year = 2030", "year = 2031"),
        ("last_day = 2030-01-01", "last_day = 2029-12-31"),
        ("last_day = 2030-01-01", 'last_day = "2030-01-01"'),
        ("first_day = 2030-01-01", "first_day = 2029-12-31"),
        ("[2030-01-05]", "[2030-01-04]"),
        ("[2030-01-05]", "[2030-01-05, 2030-01-05]"),
        ("last_day = 2030-01-01", "last_day = 2030-01-05"),
        ('number = "测试〔2029〕1号"', ""),
    ],
)
def test_a_wrong_table_is_refused_and_its_file_named(tmp_path: Path, right: str, wrong: str) -> None:
    assert right in TABLE
    (tmp_path / "2030.toml").write_text(TABLE.replace(right, wrong, 1), encoding="utf-8")

    with pytest.raises(ValueError, match=r"2030\.toml"):
        workdays.load(tmp_path)


def test_a_missing_year_between_two_tables_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no <year>"):
        workdays.load(tmp_path)
    (tmp_path / "2030.toml").write_text(TABLE, encoding="utf-8")
    # 2032-01-10 is a Saturday, as 2030-01-05 is.
    (tmp_path / "2032.toml").write_text(TABLE.replace("2030-01-05", "2032-01-10").replace("2030", "2032"), encoding="utf-8")

    with pytest.raises(ValueError, match="no table between 2030 and 2032"):
        workdays.load(tmp_path)
