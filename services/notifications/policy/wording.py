"""What an organisation is told: a template for each step, remedies, and who hears an appeal."""

from collections import defaultdict
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from services.notifications.policy.entries import DatedT, Names, check_unbroken, in_force
from services.notifications.policy.steps import CASE_EVENTS, check_every_step, check_text, shown_fields
from shared.city import City
from shared.dated import Dated, Sourced, Strict, Text

REMEDY_FIELDS = frozenset({"authority_zh"})


class Remedy(Strict):
    """`decided_by`: whose decision it is, which settles who hears the appeal; "stage": look at the stage that the event names."""

    kind: Literal["reconsideration"]
    decided_by: Literal["stage", "district", "city"]


class Template(Dated):
    event: str
    title_zh: Text
    body_zh: Text
    next_step_zh: Text
    remedy: Remedy | None = None

    @model_validator(mode="after")
    def _check_texts(self) -> Self:
        kind = CASE_EVENTS.get(self.event)
        if kind is None:
            raise ValueError(f"{self.event} is no step of a case")
        for name in ("title_zh", "body_zh", "next_step_zh"):
            check_text(getattr(self, name), known=shown_fields(kind), where=f"{self.event} {name}")
        if self.remedy is not None and self.remedy.decided_by == "stage" and "stage" not in kind.model_fields:
            raise ValueError(f"{self.event} names no stage that could say who decided")
        return self


class Silent(Sourced):
    event: str
    reason: Text


class RemedyText(Dated):
    kind: Literal["reconsideration"]
    text_zh: Text

    @model_validator(mode="after")
    def _check_text(self) -> Self:
        check_text(self.text_zh, known=REMEDY_FIELDS, where=f"remedy {self.kind}")
        if "{authority_zh}" not in self.text_zh:
            raise ValueError(f"remedy {self.kind}: 行政复议法 20 asks for the authority to be named")
        return self


class DistrictStages(Sourced):
    """Stages that the district decides; all others are the city's."""

    stages: Names


class Authority(Sourced):
    """Who hears the appeal against a decision of this jurisdiction's bureau."""

    jurisdiction_id: str
    name_zh: Text


class Wording(Strict):
    templates: Annotated[tuple[Template, ...], Field(strict=False)]
    silent: Annotated[tuple[Silent, ...], Field(strict=False)]
    remedies: Annotated[tuple[RemedyText, ...], Field(strict=False)]
    district_stages: DistrictStages
    authorities: Annotated[tuple[Authority, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        check_every_step([each.event for each in self.templates], [each.event for each in self.silent], what="templates")
        check_unbroken(_grouped(self.templates, by="event"))
        check_unbroken(_grouped(self.remedies, by="kind"))
        if missing := {each.remedy.kind for each in self.templates if each.remedy} - {each.kind for each in self.remedies}:
            raise ValueError(f"no text for the remedy {sorted(missing)[0]}")
        return self

    def check_city(self, city: City) -> None:
        named = {each.jurisdiction_id for each in self.authorities}
        if missing := sorted({each.id for each in city.jurisdictions} - named):
            raise ValueError(f"authorities: who hears appeals in {missing[0]} is not said")

    def template_for(self, event: str, *, on: date) -> Template | None:
        """None for a step that is silent."""
        found = [each for each in self.templates if each.event == event]
        return in_force(found, on=on, what=event) if found else None

    def remedy_text(self, kind: str, *, on: date) -> str:
        return in_force([each for each in self.remedies if each.kind == kind], on=on, what=kind).text_zh

    def authority_zh(self, jurisdiction_id: str) -> str:
        (found,) = (each.name_zh for each in self.authorities if each.jurisdiction_id == jurisdiction_id)
        return found


def _grouped(entries: tuple[DatedT, ...], *, by: str) -> dict[str, list[DatedT]]:
    groups: dict[str, list[DatedT]] = defaultdict(list)
    for entry in entries:
        groups[getattr(entry, by)].append(entry)
    return groups
