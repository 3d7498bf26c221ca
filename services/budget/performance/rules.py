"""Decisions about performance targets and self-evaluations (预算法 57: what is spent is evaluated)."""

from services.budget.policy.catalogue import Catalogue, Line
from shared.errors import Conflict, NotFound, Refusal

WEIGHT_PERCENT_MAX = 100


class UnknownLine(Refusal):
    code = "unknown-line"
    title_en = "No budget line of that year has this id"
    title_zh = "该年度没有此项目"


class TargetExists(Conflict):
    code = "performance-target-exists"
    title_en = "The line has this indicator for the year"
    title_zh = "该项目本年度已有此指标"


class WeightsTooHigh(Refusal):
    code = "performance-weights"
    title_en = "The weights of a line are more than 100 % together"
    title_zh = "同一项目的指标权重合计超过100%"
    remedy_en = "Give this target no more than is left."
    remedy_zh = "请按剩余权重填写。"


class NoSuchTarget(NotFound):
    code = "performance-target-not-found"
    title_en = "There is no such performance target"
    title_zh = "未找到该绩效目标"


class EvaluatedBefore(Conflict):
    code = "self-evaluation-exists"
    title_en = "The target is evaluated already"
    title_zh = "该绩效目标已自评"


class YearNotOver(Conflict):
    code = "fiscal-year-not-over"
    title_en = "The year is not over"
    title_zh = "预算年度尚未结束"


def line_of(line_id: str, *, fiscal_year: int, catalogue: Catalogue) -> Line:
    fund = catalogue.fund_of_year(fiscal_year)
    line = None if fund is None else fund.line(line_id)
    if line is None:
        raise UnknownLine(f"{line_id} is no line of {fiscal_year}.", detail_zh=f"{fiscal_year}年度没有项目{line_id}。", pointer="/line_id")
    return line


def check_weight(weight_percent: int, *, given_percent: int) -> None:
    """The weights of a line and year may come to 100 % and no further."""
    left_percent = WEIGHT_PERCENT_MAX - given_percent
    if weight_percent > left_percent:
        raise WeightsTooHigh(
            f"{weight_percent} % are asked for, {left_percent} % are left.",
            detail_zh=f"本指标权重{weight_percent}%，剩余{left_percent}%。",
            pointer="/weight_percent",
        )


def check_year_over(fiscal_year: int, *, year_now: int) -> None:
    if fiscal_year >= year_now:
        raise YearNotOver(f"{fiscal_year} is evaluated from {fiscal_year + 1} on.", detail_zh=f"{fiscal_year}年度自{fiscal_year + 1}年起自评。")
