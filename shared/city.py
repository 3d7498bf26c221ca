"""The city and its jurisdictions, read from one data file: code knows neither names nor codes."""

import tomllib
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.errors import Refusal

DEFAULT_FILE = Path(__file__).parents[1] / "deploy" / "city.toml"

_STRICT = ConfigDict(strict=True, frozen=True, extra="forbid")
_Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
_Code = Annotated[str, Field(pattern=r"^[0-9]{6}$")]
_Text = Annotated[str, Field(min_length=1)]


class UnknownJurisdiction(Refusal):
    code = "unknown-jurisdiction"
    title_en = "No such jurisdiction"
    title_zh = "未知的辖区"


class Bureaus(BaseModel):
    """The three offices of a jurisdiction that the policy addresses."""

    model_config = _STRICT

    human_resources_zh: _Text
    finance_zh: _Text
    development_zh: _Text


class FormerCode(BaseModel):
    """A division code (and name) used until last_day: read in old documents, never issued."""

    model_config = _STRICT

    code: _Code
    name_zh: _Text
    last_day: date


class Jurisdiction(BaseModel):
    """`id` is ours and never changes. `code` is the national or statistics code; one without a code is counted under `statistics_code`."""

    model_config = _STRICT

    id: _Id
    name_zh: _Text
    short_name_zh: _Text | None = None
    kind: Literal["city", "district", "county_level_city", "development_zone", "new_area"]
    code: _Code | None = None
    statistics_code: _Code | None = None
    number_segment: Annotated[str, Field(pattern=r"^[0-9A-Z]{6}$")]
    first_day: date | None = None
    last_day: date | None = None
    bureaus: Bureaus
    former_codes: Annotated[tuple[FormerCode, ...], Field(strict=False, alias="former_code")] = ()

    @model_validator(mode="after")
    def _check_codes(self) -> Self:
        if (self.code is None) == (self.statistics_code is None):
            raise ValueError(f"{self.id}: either code or statistics_code")
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise ValueError(f"{self.id} ends before it begins")
        return self

    def exists_on(self, day: date) -> bool:
        return (self.first_day is None or self.first_day <= day) and (self.last_day is None or day <= self.last_day)

    def code_on(self, day: date) -> str | None:
        """The code that was its own on that day; None when it had none."""
        for former in sorted(self.former_codes, key=lambda each: each.last_day):
            if day <= former.last_day:
                return former.code
        return self.code


class City(BaseModel):
    model_config = _STRICT

    id: _Id
    name_zh: _Text
    name_en: _Text
    code: _Code
    case_prefix: Annotated[str, Field(pattern=r"^[A-Z]{2,4}$")]
    timezone: str
    jurisdictions: Annotated[tuple[Jurisdiction, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        _check_timezone(self.timezone)
        cities = [(each.id, each.code) for each in self.jurisdictions if each.kind == "city"]
        if cities != [(self.id, self.code)]:
            raise ValueError("exactly one jurisdiction of kind city, with the city's own id and code")
        _refuse_repeats("id", (each.id for each in self.jurisdictions))
        _refuse_repeats("number_segment", (each.number_segment for each in self.jurisdictions))
        former = [old.code for each in self.jurisdictions for old in each.former_codes]
        _refuse_repeats("code", [each.code for each in self.jurisdictions if each.code is not None] + former)
        return self

    @property
    def districts(self) -> tuple[Jurisdiction, ...]:
        """Every jurisdiction but the city itself."""
        return tuple(each for each in self.jurisdictions if each.id != self.id)

    def jurisdiction(self, jurisdiction_id: str) -> Jurisdiction:
        for each in self.jurisdictions:
            if each.id == jurisdiction_id:
                return each
        raise UnknownJurisdiction(
            f"There is no jurisdiction {jurisdiction_id!r}; `known` lists those there are.",
            detail_zh=f"没有标识为{jurisdiction_id!r}的辖区，现有辖区见known。",
            facts={"known": [each.id for each in self.jurisdictions]},
        )

    def jurisdiction_for_code(self, code: str, *, on: date) -> Jurisdiction:
        """Whose code this was on that day; a former code is known until its last day only."""
        for each in self.jurisdictions:
            if each.exists_on(on) and each.code_on(on) == code:
                return each
        raise UnknownJurisdiction(
            f"No jurisdiction had the division code {code!r} on {on.isoformat()}.",
            detail_zh=f"{on.isoformat()}没有区划代码为{code!r}的辖区。",
        )

    def wire_code(self, jurisdiction_id: str) -> str:
        """The 12-digit region code of the provincial interfaces; the statistics code stands in where there is no own code."""
        found = self.jurisdiction(jurisdiction_id)
        return f"{found.code or found.statistics_code}000000"


def load(path: Path | None = None) -> City:
    """Read the city file. A wrong file is a ValueError: the process must not start."""
    document = tomllib.loads((path or DEFAULT_FILE).read_text(encoding="utf-8"))
    if document.keys() != {"city", "jurisdiction"}:
        raise ValueError(f"a city file has [city] and [[jurisdiction]], not {sorted(document)}")
    return City.model_validate({**document["city"], "jurisdictions": document["jurisdiction"]})


def _check_timezone(name: str) -> None:
    try:
        ZoneInfo(name)
    except ZoneInfoNotFoundError as unknown:
        raise ValueError(f"unknown time zone {name!r}") from unknown


def _refuse_repeats(what: str, values: Iterable[str]) -> None:
    listed = list(values)
    if repeated := {value for value in listed if listed.count(value) > 1}:
        raise ValueError(f"{what} used twice: {sorted(repeated)}")
