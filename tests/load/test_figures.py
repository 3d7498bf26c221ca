"""Figures: nearest-rank percentiles, both sides of a bar, and the file that is written."""

import json
from pathlib import Path
from typing import Literal

import pytest

from tests.load.figures import Bar, Figure, percentile, write_figures


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_the_smallest_value_that_the_share_does_not_exceed(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_the_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.5], 0.5) == percentile([7.5], 0.99) == 7.5


@pytest.mark.parametrize(
    ("sense", "value", "met"), [("at least", 1.5, True), ("at least", 1.49, False), ("at most", 1.5, True), ("at most", 1.51, False)]
)
def test_the_bar_itself_is_met_and_the_next_value_is_not(sense: Literal["at least", "at most"], value: float, met: bool) -> None:
    assert Bar(value=1.5, sense=sense).is_met_by(value) is met


def test_the_file_is_a_list_of_figures_with_bar_and_verdict_where_there_is_one(tmp_path: Path) -> None:
    file = tmp_path / ".local" / "bench.json"
    figures = [
        Figure(name="ready_s", value=12.5, unit="s", bar=Bar(value=20, sense="at most"), limited_by="imports"),
        Figure(name="filing_p50_ms", value=30, unit="ms", bar=None, limited_by="clients in line"),
    ]

    write_figures(figures, file=file)

    assert json.loads(file.read_text(encoding="utf-8")) == [
        {"name": "ready_s", "value": 12.5, "unit": "s", "bar": 20, "met": True, "limited_by": "imports"},
        {"name": "filing_p50_ms", "value": 30, "unit": "ms", "bar": None, "met": None, "limited_by": "clients in line"},
    ]
