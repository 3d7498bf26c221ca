"""Targets of a line, their weights, and when they are evaluated."""

import pytest

from services.budget import policy
from services.budget.performance import rules


def test_weights_come_to_a_hundred_and_no_further() -> None:
    rules.check_weight(40, given_percent=60)
    with pytest.raises(rules.WeightsTooHigh, match="40 % are left"):
        rules.check_weight(41, given_percent=60)


def test_a_year_is_evaluated_once_it_is_over() -> None:
    rules.check_year_over(2025, year_now=2026)
    with pytest.raises(rules.YearNotOver):
        rules.check_year_over(2025, year_now=2025)


@pytest.mark.parametrize(("line_id", "fiscal_year"), [("2023-15/99", 2025), ("2023-15/2", 2022), ("2023-15/2", 2026)])
def test_a_target_is_of_a_line_of_that_year(line_id: str, fiscal_year: int) -> None:
    assert rules.line_of("2023-15/2", fiscal_year=2025, catalogue=policy.current()).id == "2023-15/2"
    with pytest.raises(rules.UnknownLine):
        rules.line_of(line_id, fiscal_year=fiscal_year, catalogue=policy.current())
