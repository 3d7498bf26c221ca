"""Decisions about parks, their recognitions and yearly assessments."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from shared.errors import Conflict, NotFound, Refusal


class Level(StrEnum):
    NATIONAL = "national"
    PROVINCIAL = "provincial"
    CITY = "city"


class AssessmentResult(StrEnum):
    PASSED = "passed"
    FAILED = "failed"


class ParkUnknown(NotFound):
    code = "park-unknown"
    title_en = "There is no such park"
    title_zh = "未找到该产业园"


class ParkAlreadyRegistered(Conflict):
    code = "park-already-registered"
    title_en = "A park with this code is registered already"
    title_zh = "该产业园编码已登记"


class OperatorUnknown(Refusal):
    code = "operator-unknown"
    title_en = "The operator is not registered"
    title_zh = "运营单位未登记"
    remedy_en = "Register the operator as an organisation first."
    remedy_zh = "请先登记运营单位。"


class AlreadyRecognised(Conflict):
    code = "park-already-recognised"
    title_en = "The park is recognised at this level already"
    title_zh = "该产业园已获此级别认定"


class AlreadyAssessed(Conflict):
    code = "park-already-assessed"
    title_en = "The park was assessed for this year already"
    title_zh = "该产业园此年度已评估"


class NotYetHappened(Refusal):
    code = "not-yet-happened"
    title_en = "This lies in the future"
    title_zh = "日期尚未到来"


@dataclass(frozen=True, kw_only=True)
class Particulars:
    """What is recorded of a park and may change."""

    name: str
    operator_uscc: str


def check_approved_on(approved_on: date, *, today: date) -> None:
    if approved_on > today:
        raise NotYetHappened(
            f"An approval of {approved_on} cannot be recorded on {today}.",
            detail_zh=f"批准日期{approved_on}晚于今天{today}。",
            pointer="/approved_on",
        )


def check_assessed_year(year: int, *, today: date) -> None:
    """A year may be assessed before it is over; when it is due is not decided by the policy."""
    if year > today.year:
        raise NotYetHappened(f"{year} cannot be assessed in {today.year}.", detail_zh=f"{today.year}年不能评估{year}年度。", pointer="/year")
