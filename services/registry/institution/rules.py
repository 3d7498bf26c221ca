"""Decisions about permits and filings: their numbers, what they cover, and on which days they are good."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from services.registry.organisation.rules import CauseDoesNotFit, EndingDayWrong, Warning
from services.registry.policy.catalogue import Business, Catalogue, EndingCause, TimeLimit
from shared.errors import Conflict, Refusal

NUMBER_CHARACTERS_MAX = 60
# A term is counted on from its first day: these leave room in the calendar on both sides. No authority granted anything before the one, and
# a last day of 9999-12-31, as some write "without end", may stand.
FIRST_DAY_MIN, FIRST_DAY_MAX = date(1949, 10, 1), date(2999, 12, 31)

_BRACKETS = str.maketrans("〔【[{〈《〕】]}〉》", "((((((" + "))))))")
_PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新兵"
# The form of the ministry; brackets and 第 are left out by some authorities. Older permits have 12 digits, others anything.
_NATIONAL = re.compile(rf"\(?(?P<province>[{_PROVINCES}])\)?人服证字\((?P<year>20[0-9]{{2}})\)第?(?P<serial>[0-9]{{6,10}})号")


class Basis(StrEnum):
    PERMIT = "permit"
    FILING = "filing"


class Standing(StrEnum):
    """What it is worth on one day."""

    NOT_YET = "not_yet"
    VALID = "valid"
    EXPIRED = "expired"
    ENDED = "ended"


class BadNumber(Refusal):
    code = "bad-permit-number"
    title_en = "Not a number of a permit or filing"
    title_zh = "许可证或备案编号无效"
    remedy_en = "Copy the number from the document as it stands there."
    remedy_zh = "请按证书或备案凭证上的编号填写。"


class OutsideScope(Refusal):
    code = "business-outside-basis"
    title_en = "This business stands on another basis"
    title_zh = "该业务不属于此类许可或备案"


class BadTerm(Refusal):
    code = "bad-term"
    title_en = "The first and last day do not fit"
    title_zh = "有效期填写有误"


class AlreadyRecorded(Conflict):
    code = "number-already-recorded"
    title_en = "This number is recorded already"
    title_zh = "该编号已登记"
    remedy_en = "Compare the number with the document. If it is right, change the record that has it."
    remedy_zh = "请与证书核对编号；如编号无误，请变更已登记的记录。"


class InstitutionHasEnded(Conflict):
    code = "institution-ended"
    title_en = "This permit or filing came to its end"
    title_zh = "该许可或备案已终止"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What is recorded of a permit or filing. Both days included; a filing may have no last day."""

    basis: Basis
    number: str
    # Another way to write the same number is no change.
    number_as_written: str = field(compare=False)
    scope: tuple[str, ...]
    first_day: date
    last_day: date | None


def canonical_number(text: str) -> str:
    """One way to write each number: brackets and full width do not matter. Any format is taken; no checksum is known."""
    unspaced = re.sub(r"\s", "", unicodedata.normalize("NFKC", text))
    # Once more: what blanks kept apart may combine, and some capitals are written with two characters.
    folded = unicodedata.normalize("NFKC", unspaced.upper()).translate(_BRACKETS)
    if not folded or len(folded) > NUMBER_CHARACTERS_MAX or not folded.isprintable():
        raise _bad_number(f"1 to {NUMBER_CHARACTERS_MAX} visible characters are needed.", detail_zh=f"应为1至{NUMBER_CHARACTERS_MAX}个可见字符。")
    if any(char.isdigit() and not char.isascii() for char in folded):
        raise _bad_number("Digits are written 0 to 9.", detail_zh="数字应使用0至9。")
    if (national := _NATIONAL.fullmatch(folded)) is not None:
        return "({province})人服证字〔{year}〕第{serial}号".format(**national.groupdict())
    return folded


def check_fact(fact: Fact, *, policy: Catalogue, on: date) -> None:
    """`on` is the day of recording: what counts is what the law knows then."""
    _check_term(fact)
    businesses = [policy.business(business_id, on=on) for business_id in fact.scope]
    for business in businesses:
        _check_business(business, fact=fact)


def check_is_not_ended(*, ended_on: date | None) -> None:
    if ended_on is not None:
        raise InstitutionHasEnded(f"It ended on {ended_on}; nothing of it can be changed.", detail_zh=f"该记录已于{ended_on}终止，不能再变更。")


def check_ending(cause: EndingCause, *, basis: str, first_day: date, last_day: date | None, ended_on: date, today: date) -> None:
    """The causes are different acts: what is revoked did not expire, and what expired cannot be revoked any more."""
    if basis not in cause.of:
        raise CauseDoesNotFit(
            f"{cause.id} ({cause.clause}) ends no {basis}.", detail_zh=f"“{cause.title_zh}”（{cause.clause}）不适用于此类记录。", pointer="/cause"
        )
    if not first_day <= ended_on <= today:
        raise EndingDayWrong(
            f"It can end from {first_day.isoformat()}, its first day, to {today.isoformat()}, today.",
            detail_zh=f"终止日期应在起始日{first_day.isoformat()}至今天{today.isoformat()}之间。",
            pointer="/ended_on",
        )
    if cause.after_last_day and (last_day is None or ended_on <= last_day):
        raise EndingDayWrong(
            f"It expires only after its last day, {last_day}.",
            detail_zh=f"有效期至{last_day}，此日之后才能以“{cause.title_zh}”终止。",
            pointer="/ended_on",
        )


def standing(*, first_day: date, last_day: date | None, ended_on: date | None, on: date) -> Standing:
    """The day it ended is the first one on which it is no longer good; its last day still is."""
    if ended_on is not None and ended_on <= on:
        return Standing.ENDED
    if on < first_day:
        return Standing.NOT_YET
    if last_day is not None and last_day < on:
        return Standing.EXPIRED
    return Standing.VALID


def extend_by(last_day: date, *, limit: TimeLimit) -> date:
    """The last day on which an extension can be applied for in time (行政许可法 50: 届满三十日前)."""
    assert limit.unit == "calendar_day", "行政许可法 50 counts calendar days"
    return last_day - timedelta(days=limit.amount)


def warnings_about(*, basis: str, first_day: date, last_day: date | None, validity: TimeLimit) -> tuple[Warning, ...]:
    """A permit runs for the usual number of years up to the day before the anniversary; another term is recorded as it stands."""
    if basis != Basis.PERMIT or last_day == (usual := _day_before_anniversary(first_day, years=validity.amount)):
        return ()
    return (
        Warning(
            code="unusual-validity",
            detail_en=f"A permit from {first_day} usually runs to {usual}: {validity.amount} years ({validity.clause}).",
            detail_zh=f"自{first_day}起的许可证有效期通常至{usual}，即{validity.amount}年（{validity.clause}）。",
        ),
    )


def _check_term(fact: Fact) -> None:
    if not FIRST_DAY_MIN <= fact.first_day <= FIRST_DAY_MAX:
        raise BadTerm(
            f"The first day {fact.first_day} is not between {FIRST_DAY_MIN} and {FIRST_DAY_MAX}.",
            detail_zh=f"起始日{fact.first_day}应在{FIRST_DAY_MIN}至{FIRST_DAY_MAX}之间。",
            pointer="/first_day",
        )
    if fact.last_day is None and fact.basis is Basis.PERMIT:
        raise BadTerm("A permit has a last day.", detail_zh="许可证应填写有效期截止日。", pointer="/last_day")
    if fact.last_day is not None and fact.last_day < fact.first_day:
        raise BadTerm(
            f"The last day {fact.last_day} is before the first day {fact.first_day}.",
            detail_zh=f"截止日{fact.last_day}早于起始日{fact.first_day}。",
            pointer="/last_day",
        )


def _check_business(business: Business, *, fact: Fact) -> None:
    if business.regime != fact.basis:
        raise OutsideScope(
            f"{business.id} stands on a {business.regime}, not on a {fact.basis} ({business.clause}).",
            detail_zh=f"“{business.title_zh}”不属于此类许可或备案的范围（{business.clause}）。",
            pointer="/scope",
            facts={"business": business.id, "regime": business.regime},
        )
    if business.with_business is not None and business.with_business not in fact.scope:
        raise OutsideScope(
            f"{business.id} goes only together with {business.with_business} ({business.clause}).",
            detail_zh=f"“{business.title_zh}”须与{business.with_business}一并许可（{business.clause}）。",
            pointer="/scope",
            facts={"business": business.id, "with_business": business.with_business},
        )


def _day_before_anniversary(day: date, *, years: int) -> date:
    # 29 February has its anniversary on 1 March of a common year.
    leap_day = (day.month, day.day) == (2, 29)
    anniversary = date(day.year + years, 3, 1) if leap_day and (day.year + years) % 4 else day.replace(year=day.year + years)
    return anniversary - timedelta(days=1)


def _bad_number(detail_en: str, *, detail_zh: str) -> BadNumber:
    return BadNumber(detail_en, detail_zh=detail_zh, pointer="/number")
