"""A dated entry of policy data: its days, its clause, and what of it the law leaves open."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Document number, place in the document, and the words relied on.
_SOURCE = re.compile(r"^(?P<document>\S+) (?P<place>\S+): (?P<quote>.+)$")
Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=500)]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Part(Strict):
    """A value of an entry. `assumed` says that the law does not, and `why` on what ground it was set."""

    assumed: bool = False
    why: Text | None = None

    @model_validator(mode="after")
    def _check_reason(self) -> Self:
        if self.assumed != (self.why is not None):
            raise ValueError("assumed = true and why come together")
        return self


class Entry(Part):
    """A dated entry. `fingerprint` is the SHA-256 of what the file says, all but `last_day`: a successor may end it, nothing may change it."""

    policy_id: str
    section: str
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    id: Annotated[str, Field(min_length=1, max_length=40)]
    title_zh: Text
    title_en: Text
    first_day: date
    last_day: date
    source: Annotated[str, Field(pattern=_SOURCE.pattern)]

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.last_day < self.first_day:
            raise ValueError(f"{self.id}: last_day {self.last_day} is before first_day {self.first_day}")
        return self

    @property
    def version(self) -> str:
        """For instance 2023-15/items/4b@2023-06-12: what a case is pinned to."""
        return f"{self.policy_id}/{self.section}/{self.id.removeprefix(self.policy_id + '/')}@{self.first_day.isoformat()}"

    @property
    def clause(self) -> str:
        """Document and place, without the words."""
        return self.source.partition(": ")[0]

    @property
    def quote(self) -> str:
        return self.source.partition(": ")[2]

    def is_in_force(self, on: date) -> bool:
        return self.first_day <= on <= self.last_day


EntryT = TypeVar("EntryT", bound=Entry)


def all_in_force(entries: Iterable[EntryT], *, on: date) -> tuple[EntryT, ...]:
    return tuple(entry for entry in entries if entry.is_in_force(on))
