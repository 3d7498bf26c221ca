"""A case as it is known here, how its steps are shown to people, and whose decision a step is."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from shared import money
from shared.events.applications import CaseEvent, Due

# As people type it into a search; every number that applications gives out fits.
CaseNumber = Annotated[str, Field(pattern=r"^[0-9A-Z-]{1,40}$", examples=["AB-2025-990002-000123"])]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the filing said and later steps do not repeat. `applicant_name` is None while the registry has not told of it."""

    case_number: str
    applicant_uscc: str
    applicant_name: str | None
    jurisdiction_id: str
    item_id: str
    item_title_zh: str
    item_short_name_zh: str
    channel: str
    portal_number: str | None
    filed_on: date


def shown_values(event: CaseEvent, *, case: Case, bureau_zh: str) -> dict[str, str]:
    """Every value that a text about this step may name, as people read it."""
    own = {name: _shown(name, getattr(event, name)) for name in type(event).model_fields}
    added = {"item_title_zh": case.item_title_zh, "item_short_name_zh": case.item_short_name_zh, "bureau_zh": bureau_zh}
    return {name: value for name, value in own.items() if value is not None} | added


def _shown(name: str, value: object) -> str | None:
    """None for what is not shown: ids, versions, instants."""
    if isinstance(value, str):
        return value
    if isinstance(value, Due):
        return _due_text(value)
    # An instant has a date too, but is no day.
    if type(value) is date:
        return day_text(value)
    if isinstance(value, int) and name.endswith("_fen"):
        return f"{money.yuan_text(value)}元"
    return None


def day_text(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def _due_text(due: Due) -> str:
    until = f"，至{day_text(due.due_on)}" if due.due_on else "，截止日待该年度工作日安排公布后确定"
    return f"{due.working_days}个工作日（自{day_text(due.from_day)}次日起计算{until}）"


def deciding_jurisdiction(
    decided_by: Literal["stage", "district", "city"], *, event: CaseEvent, district_stages: Collection[str], city_id: str
) -> str:
    """Whose decision it is: the case's own jurisdiction, or the city."""
    if decided_by == "stage":
        # Only steps that name a stage are declared so: checked when the data was loaded.
        decided_by = "district" if event.model_dump(include={"stage"})["stage"] in district_stages else "city"
    return event.jurisdiction_id if decided_by == "district" else city_id
