"""Working days: the published calendar, one dated table a year, and the counting of days in it."""

import tomllib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.errors import Refusal

_STRICT = ConfigDict(strict=True, frozen=True, extra="forbid")
_SATURDAY = 5


class CalendarNotPublished(Refusal):
    code = "calendar-not-published"
    title_en = "The working-day calendar of that year is not published"
    title_zh = "该年度工作日历尚未公布"
    remedy_en = (
        "The day is computed once the State Council's holiday notice for that year is loaded; a coming year's notice usually appears "
        "in October or November. Until then the term stays a number of working days."
    )
    remedy_zh = "待国务院办公厅公布并载入该年度节假日安排（通常在上一年10月至11月）后计算具体日期，在此之前期限以工作日数表示。"


class Notice(BaseModel):
    model_config = _STRICT

    number: str
    issued_on: date
    title_zh: str


class Holiday(BaseModel):
    """Rest days from first_day to last_day, weekends among them included, and the weekend days worked in exchange."""

    model_config = _STRICT

    name_zh: str
    first_day: date
    last_day: date
    makeup_workdays: Annotated[tuple[date, ...], Field(strict=False)] = ()

    def rest_days(self) -> list[date]:
        return [self.first_day + timedelta(days=offset) for offset in range((self.last_day - self.first_day).days + 1)]


class YearTable(BaseModel):
    """One `<year>.toml`. `revision` grows when a later notice changes days of a year already loaded."""

    model_config = _STRICT

    year: int
    revision: Annotated[int, Field(ge=1)]
    notices: Annotated[tuple[Notice, ...], Field(strict=False, alias="notice", min_length=1)]
    holidays: Annotated[tuple[Holiday, ...], Field(strict=False, alias="holiday", min_length=1)]

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        for holiday in self.holidays:
            if holiday.last_day < holiday.first_day:
                raise ValueError(f"{holiday.name_zh} ends before it begins")
        rest, makeup = self.rest_days(), self.makeup_workdays()
        if outside := [day for day in rest + makeup if day.year != self.year]:
            raise ValueError(f"not a day of {self.year}: {outside[0]}")
        if len(set(rest + makeup)) != len(rest + makeup):
            raise ValueError(f"a day is listed twice in {self.year}")
        if weekdays := [day for day in makeup if day.weekday() < _SATURDAY]:
            raise ValueError(f"a make-up workday must be a Saturday or Sunday: {weekdays[0]}")
        return self

    def rest_days(self) -> list[date]:
        return [day for holiday in self.holidays for day in holiday.rest_days()]

    def makeup_workdays(self) -> list[date]:
        return [day for holiday in self.holidays for day in holiday.makeup_workdays]

    def workdays(self) -> list[date]:
        rest, makeup = set(self.rest_days()), set(self.makeup_workdays())
        first = date(self.year, 1, 1)
        days = (first + timedelta(days=offset) for offset in range((date(self.year, 12, 31) - first).days + 1))
        return [day for day in days if day in makeup or (day.weekday() < _SATURDAY and day not in rest)]


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """The published years, without a gap. Whatever would need a day outside them raises CalendarNotPublished."""

    years: tuple[YearTable, ...]
    workdays: tuple[date, ...] = field(repr=False)

    @property
    def published_from(self) -> date:
        return date(self.years[0].year, 1, 1)

    @property
    def published_until(self) -> date:
        return date(self.years[-1].year, 12, 31)

    def is_workday(self, day: date) -> bool:
        self._check_published(day)
        index = bisect_left(self.workdays, day)
        return index < len(self.workdays) and self.workdays[index] == day

    def next_workday(self, day: date) -> date:
        """The first working day after `day`."""
        return self.add_workdays(day, count=1)

    def add_workdays(self, start: date, *, count: int) -> date:
        """The last day of a term of `count` working days; day 1 is the first working day after `start`."""
        assert count >= 1, "a term has at least one working day"
        self._check_published(start)
        return self._workday_at(bisect_right(self.workdays, start) + count - 1)

    def roll_forward(self, day: date) -> date:
        """`day` itself when it is a working day, else the next one (民法典 203: a term that ends on a rest day ends on the day after the rest)."""
        self._check_published(day)
        return self._workday_at(bisect_left(self.workdays, day))

    def workdays_between(self, first_day: date, *, last_day: date) -> int:
        """How many working days lie in the period, both ends included."""
        assert first_day <= last_day, "a period does not end before it begins"
        self._check_published(first_day)
        self._check_published(last_day)
        return bisect_right(self.workdays, last_day) - bisect_left(self.workdays, first_day)

    def _workday_at(self, index: int) -> date:
        if index >= len(self.workdays):
            raise self._not_published(self.years[-1].year + 1)
        return self.workdays[index]

    def _check_published(self, day: date) -> None:
        if not self.published_from <= day <= self.published_until:
            raise self._not_published(day.year)

    def _not_published(self, year: int) -> CalendarNotPublished:
        first, last = self.years[0].year, self.years[-1].year
        return CalendarNotPublished(
            f"A working day of {year} is needed, but the calendar is loaded for {first} to {last} only.",
            detail_zh=f"需要{year}年的工作日历，目前仅载入{first}年至{last}年。",
            facts={"year": year, "published_until": self.published_until.isoformat()},
        )


def load(folder: Path | None = None) -> Calendar:
    """Read every `<year>.toml` of the folder (ours by default). A wrong table is a ValueError that names the file: the process must not start."""
    folder = folder or Path(__file__).parent
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise ValueError(f"no <year>.toml in {folder}")
    years = tuple(_read(file) for file in files)
    for earlier, later in pairwise(years):
        if later.year != earlier.year + 1:
            raise ValueError(f"no table between {earlier.year} and {later.year}")
    return Calendar(years=years, workdays=tuple(day for year in years for day in year.workdays()))


def _read(file: Path) -> YearTable:
    try:
        table = YearTable.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValueError as wrong:
        raise ValueError(f"{file.name}: {wrong}") from wrong
    if file.stem != str(table.year):
        raise ValueError(f"{file.name} holds the year {table.year}")
    return table
