"""What the budget decides by: the fund of each policy with its ceiling, its budget lines and its rule of waiting, each with its clause."""

from datetime import date
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.dated import Dated, Part, Text

_Year = Annotated[int, Field(ge=2000, le=2999)]


class WaitingRule(StrEnum):
    """Who is funded when money comes: everybody it suffices for in rank order, or nobody past the first that does not fit."""

    FIRST_THAT_FITS = "first_that_fits"
    STRICT = "strict"


class Allotment(StrEnum):
    """Whether the year's money is free for every line as soon as it is appropriated, or only once it is allotted."""

    WHOLE_FUND = "whole_fund"
    BY_LINE = "by_line"


class Entry(Dated):
    id: Annotated[str, Field(min_length=1, max_length=40)]
    title_zh: Text
    title_en: Text
    last_day: date
    source: Annotated[str, Field(pattern=r"^\S+ \S+: .+$")]


class Line(Entry):
    """A budget line; `cap_fen` is the most that one award under it may be."""

    cap_fen: Annotated[int, Field(gt=0)]
    expenditure_category: Literal["reward", "subsidy", "award_subsidy", "construction"]


class Years(Part):
    """On what ground the first and last fiscal year were read from the text."""


class Waiting(Part):
    waiting_rule: Annotated[WaitingRule, Field(strict=False)]
    waiting_at_year_end: Literal["lapse", "carry"]


class Pools(Part):
    """`draw_first`: which money a case takes first, that carried over from an earlier year or that of the current one."""

    allotment: Annotated[Allotment, Field(strict=False)]
    draw_first: Literal["carried", "current"]


class Clawback(Part):
    """Where money goes that comes back in the fiscal year it was paid in; what comes back later always goes to the treasury."""

    same_year: Literal["to_remit", "available"]


class Reversal(Part):
    """The kinds of voucher that a reversal may take back; those of cases go back by release, rejection or bank return alone."""

    kinds: Annotated[tuple[Literal["appropriate", "allot", "transfer"], ...], Field(strict=False, min_length=1)]


class YearEnd(Part):
    """What the close does with money that no case holds, and what a proposal gets whose year is closed when it arrives."""

    free_money: Literal["carry", "lapse"]
    late_proposal: Literal["refuse", "open_year"]


class Fund(Entry):
    """The money of one policy. `yearly_ceiling_fen` bounds what is appropriated in each fiscal year from `first_year` to `last_year`."""

    first_year: _Year
    last_year: _Year
    yearly_ceiling_fen: Annotated[int, Field(gt=0)]
    funding_source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
    years: Years
    waiting: Waiting
    allotment: Pools
    clawback: Clawback
    reversal: Reversal
    year_end: YearEnd
    lines: Annotated[tuple[Line, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _check_lines(self) -> Self:
        ids = [line.id for line in self.lines]
        if repeated := {line_id for line_id in ids if ids.count(line_id) > 1}:
            raise ValueError(f"{self.id}: {sorted(repeated)[0]} is there twice")
        for line in self.lines:
            if not line.id.startswith(f"{self.id}/"):
                raise ValueError(f"{line.id}: a line of this fund begins with {self.id}/")
            if line.first_day < self.first_day or line.last_day > self.last_day:
                raise ValueError(f"{line.id}: outside the term {self.first_day} to {self.last_day}")
        if self.last_year < self.first_year:
            raise ValueError(f"{self.id}: last_year {self.last_year} is before first_year {self.first_year}")
        return self

    def covers(self, fiscal_year: int) -> bool:
        return self.first_year <= fiscal_year <= self.last_year

    def spends_in(self, fiscal_year: int) -> bool:
        """Also in the year after its last: what was carried into it may still be spent (预算法 42, 实施条例 50)."""
        return self.first_year <= fiscal_year <= self.last_year + 1

    def line(self, line_id: str) -> Line | None:
        return self._lines_by_id.get(line_id)

    @cached_property
    def _lines_by_id(self) -> dict[str, Line]:
        return {line.id: line for line in self.lines}

    def version_of(self, line: Line) -> str:
        """For instance 2023-15/lines/4b@2023-06-12: what each posting names as the rule it was made under."""
        return _line_version(self.id, line.id, line.first_day)

    @property
    def version(self) -> str:
        return f"{self.id}/fund@{self.first_day.isoformat()}"


class Catalogue(BaseModel):
    """The funds of all policies, past and present; a fiscal year belongs to one of them at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    funds: Annotated[tuple[Fund, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_years(self) -> Self:
        ordered = sorted(self.funds, key=lambda fund: fund.first_year)
        for earlier, later in pairwise(ordered):
            if later.first_year <= earlier.last_year:
                raise ValueError(f"{later.id} begins in {later.first_year}, a fiscal year of {earlier.id}")
        return self

    def fund(self, policy_id: str) -> Fund | None:
        for fund in self.funds:
            if fund.id == policy_id:
                return fund
        return None

    def fund_of_year(self, fiscal_year: int) -> Fund | None:
        return next((fund for fund in self.funds if fund.covers(fiscal_year)), None)

    def fund_spending_in(self, fiscal_year: int) -> Fund | None:
        """The fund of the year; where no policy provides for it, the one whose last year's money was carried into it."""
        return self.fund_of_year(fiscal_year) or next((fund for fund in self.funds if fund.spends_in(fiscal_year)), None)


@lru_cache(maxsize=1_000)
def _line_version(fund_id: str, line_id: str, first_day: date) -> str:
    return f"{fund_id}/lines/{line_id.removeprefix(fund_id + '/')}@{first_day.isoformat()}"
