"""The figures of a bench run: what was measured, what is asked for, and what holds it back."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.table import Table


class NoMeasurement(Exception):
    """What was seen is not what was meant to be measured, so nothing is reported."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What is asked for: at least, or at most, this value."""

    value: float
    sense: Literal["at least", "at most"]

    def is_met_by(self, value: float) -> bool:
        return value >= self.value if self.sense == "at least" else value <= self.value


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`bar` is absent for a figure that only explains another one."""

    name: str
    value: float
    unit: str
    bar: Bar | None
    limited_by: str

    def document(self) -> dict[str, object]:
        bar, met = (self.bar.value, self.bar.is_met_by(self.value)) if self.bar else (None, None)
        return {"name": self.name, "value": self.value, "unit": self.unit, "bar": bar, "met": met, "limited_by": self.limited_by}


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed (nearest rank)."""
    assert values, "a percentile of nothing"
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def write_figures(figures: Sequence[Figure], *, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps([figure.document() for figure in figures], ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def table_of(figures: Sequence[Figure]) -> Table:
    table = Table("figure", "value", "unit", "bar", "")
    table.columns[1].justify = "right"
    for figure in figures:
        bar = f"{figure.bar.sense} {figure.bar.value:g}" if figure.bar else ""
        met = "" if figure.bar is None else "[green]met[/]" if figure.bar.is_met_by(figure.value) else "[red]not met[/]"
        table.add_row(figure.name, f"{figure.value:g}", figure.unit, bar, met)
    return table
