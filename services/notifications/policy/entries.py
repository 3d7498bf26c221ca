"""What every policy entry has: the days it is in force, its source, and whether it is our own assumption."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(min_length=1, max_length=1_000)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
Names = Annotated[tuple[Name, ...], Field(strict=False)]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Sourced(Strict):
    """`assumed` says that neither law nor contract settles it, and `why` on what ground it was set."""

    source: Text
    assumed: bool = False
    why: Text | None = None

    @model_validator(mode="after")
    def _check_reason(self) -> Self:
        if self.assumed != (self.why is not None):
            raise ValueError("assumed = true and why come together")
        return self


class Dated(Sourced):
    """An absent last_day means: until it is replaced."""

    first_day: date
    last_day: date | None = None

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.last_day is not None and self.last_day < self.first_day:
            raise ValueError(f"last_day {self.last_day} is before first_day {self.first_day}")
        return self

    def is_in_force(self, on: date) -> bool:
        return self.first_day <= on and (self.last_day is None or on <= self.last_day)


DatedT = TypeVar("DatedT", bound=Dated)


def in_force(entries: Iterable[DatedT], *, on: date, what: str) -> DatedT:
    """The one in force; a day before the first entry is a fault of the data, since the entries leave no gap."""
    found = [entry for entry in entries if entry.is_in_force(on)]
    assert len(found) == 1, f"{len(found)} entries of {what} are in force on {on}"
    return found[0]


def check_unbroken(groups: Mapping[str, list[DatedT]]) -> None:
    """Within each group one entry follows the other without gap or overlap, and the last has no end."""
    for what, entries in groups.items():
        ordered = sorted(entries, key=lambda entry: entry.first_day)
        for earlier, later in pairwise(ordered):
            if earlier.last_day is None or later.first_day != earlier.last_day + timedelta(days=1):
                raise ValueError(f"{what}: the entry of {later.first_day} must begin the day after the one before it ends")
        if ordered[-1].last_day is not None:
            raise ValueError(f"{what}: nothing is in force after {ordered[-1].last_day}")
