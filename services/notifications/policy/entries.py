"""Which of several dated entries holds on a day, and that there always is one."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated, TypeVar

from pydantic import Field

from shared.dated import Dated, Text

Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
Names = Annotated[tuple[Name, ...], Field(strict=False)]


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
