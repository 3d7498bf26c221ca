"""Resident identity numbers (公民身份号码, GB 11643-1999): normalised, checked, masked. A refusal never repeats any part of the number."""

import re
import unicodedata
from datetime import date

from shared.errors import Refusal

_SHAPE = re.compile(r"[0-9]{17}[0-9X]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"


class BadResidentId(Refusal):
    code = "bad-resident-id"
    title_en = "Not a valid resident identity number"
    title_zh = "公民身份号码无效"
    remedy_en = "Copy the 18 characters from the identity card."
    remedy_zh = "请按居民身份证上的18位号码填写。"


def normalise(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().upper()


def check(text: str, *, on: date) -> str:
    """The normalised number. The region is not compared with any list: people keep the code of the day they were registered."""
    number = normalise(text)
    if _SHAPE.fullmatch(number) is None:
        raise BadResidentId("17 digits and a check character (a digit or X) are needed.", detail_zh="应为17位数字加1位校验码（数字或X）。")
    born_on = _birth_date(number)
    if born_on is None or born_on > on:
        raise BadResidentId(
            "Positions 7 to 14 are not a birth date up to this day (GB 11643-1999).",
            detail_zh="第7至14位不是有效的出生日期，或晚于当日（GB 11643-1999）。",
        )
    weighted = sum(int(digit) * weight for digit, weight in zip(number[:17], _WEIGHTS, strict=True))
    if number[17] != _CHECK_CHARACTERS[weighted % 11]:
        raise BadResidentId(
            "The check character does not fit: one of the 18 is mistyped (GB 11643-1999).",
            detail_zh="校验码不符，18位中有一位填写有误（GB 11643-1999）。",
        )
    return number


def masked(number: str) -> str:
    """First 6 and last 4 of a checked number, the birth date hidden."""
    assert len(number) == 18, "only a checked number can be masked"
    return f"{number[:6]}{'*' * 8}{number[14:]}"


def _birth_date(number: str) -> date | None:
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None
