"""What the policy data of every service is made of: entries with their source and their days, and what of them the law leaves open."""

from datetime import date
from typing import Annotated, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=1_000)]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Part(Strict):
    """A value that somebody set. `assumed` says that neither law nor contract settles it, and `why` on what ground it was set."""

    assumed: bool = False
    why: Text | None = None

    @model_validator(mode="after")
    def _check_reason(self) -> Self:
        if self.assumed != (self.why is not None):
            raise ValueError("assumed = true and why come together")
        return self


class Sourced(Part):
    """`source` is document and place, a colon, and the words relied on."""

    source: Text

    @property
    def clause(self) -> str:
        """Document and place, without the words."""
        return self.source.partition(": ")[0]

    @property
    def quote(self) -> str:
        return self.source.partition(": ")[2]


class Dated(Sourced):
    """In force from the first to the last day, both included. An absent last_day means: until it is replaced."""

    first_day: date
    last_day: date | None = None

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.last_day is not None and self.last_day < self.first_day:
            raise ValueError(f"last_day {self.last_day} is before first_day {self.first_day}")
        return self

    def is_in_force(self, on: date) -> bool:
        return self.first_day <= on and (self.last_day is None or on <= self.last_day)
