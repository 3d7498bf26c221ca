"""What the registry's policy is made of: dated entries, each with its clause, and the finding of one by its id."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Literal, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.dated import Dated, Text
from shared.errors import Refusal

_Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]

Regime: TypeAlias = Literal["permit", "filing", "external"]
Ended: TypeAlias = Literal["organisation", "permit", "filing"]


class NotInPolicy(Refusal):
    code = "not-in-policy"
    title_en = "No such entry is in force"
    title_zh = "没有此项，或该日未施行"


class Entry(Dated):
    id: _Id
    title_zh: Text
    title_en: Text
    source: Annotated[str, Field(pattern=r"^.+: .+$")]


class Business(Entry):
    """`with_business` is one that this never goes without."""

    regime: Regime
    with_business: _Id | None = None


class EndingCause(Entry):
    """`after_last_day`: only what has passed its last day ends by it."""

    of: Annotated[tuple[Ended, ...], Field(strict=False, min_length=1)]
    after_last_day: bool = False


class TimeLimit(Entry):
    amount: Annotated[int, Field(ge=1)]
    unit: Literal["working_day", "calendar_day", "year"]
    starts_zh: Text


class Kind(Entry):
    uscc_prefixes: Annotated[tuple[Annotated[str, Field(min_length=2, max_length=2)], ...], Field(strict=False)]


EntryT = TypeVar("EntryT", bound=Entry)


class Catalogue(BaseModel):
    """Everything the registry decides by, past and present."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    businesses: tuple[Business, ...]
    ending_causes: tuple[EndingCause, ...]
    time_limits: tuple[TimeLimit, ...]
    kinds: tuple[Kind, ...]

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        for entries in (self.businesses, self.ending_causes, self.time_limits, self.kinds):
            _check_no_overlap(entries)
        known = {business.id for business in self.businesses}
        for business in self.businesses:
            if business.with_business is not None and business.with_business not in known:
                raise ValueError(f"{business.id}: {business.with_business} is no business")
        return self

    def business(self, business_id: str, *, on: date) -> Business:
        return _in_force(self.businesses, entry_id=business_id, on=on)

    def business_by_id(self, business_id: str) -> Business:
        """Its newest version, in force or not: what was recorded once keeps its name."""
        return max((business for business in self.businesses if business.id == business_id), key=lambda business: business.first_day)

    def ending_cause(self, cause_id: str, *, on: date) -> EndingCause:
        return _in_force(self.ending_causes, entry_id=cause_id, on=on)

    def time_limit(self, limit_id: str, *, on: date) -> TimeLimit:
        return _in_force(self.time_limits, entry_id=limit_id, on=on)

    def kind(self, kind_id: str, *, on: date) -> Kind:
        return _in_force(self.kinds, entry_id=kind_id, on=on)


def _in_force(entries: Iterable[EntryT], *, entry_id: str, on: date) -> EntryT:
    in_force = [entry for entry in entries if entry.is_in_force(on)]
    for entry in in_force:
        if entry.id == entry_id:
            return entry
    known = [entry.id for entry in in_force]
    raise NotInPolicy(
        f"{entry_id!r} is not in force on {on.isoformat()}; `known` lists what is.",
        detail_zh=f"{on.isoformat()}没有生效的“{entry_id}”，可用的见known。",
        facts={"known": known},
    )


def _check_no_overlap(entries: Iterable[Entry]) -> None:
    newest: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: (entry.id, entry.first_day)):
        earlier = newest.get(entry.id)
        if earlier is not None and earlier.is_in_force(entry.first_day):
            raise ValueError(f"{entry.id} of {earlier.first_day} still runs on {entry.first_day}: end it the day before")
        newest[entry.id] = entry
