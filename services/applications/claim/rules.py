"""Decisions about what is asked for: the facts an item counts by, the sum, the days, and the key of what may be had once."""

import unicodedata
from dataclasses import dataclass, replace
from datetime import date, timedelta

from services.applications.policy.catalogue import Item, OnceBy, Policy
from shared.errors import Conflict, Refusal
from shared.money import wan_text, yuan_text

PROJECT_CODE_CHARS_MAX = 60
# NFKC leaves these apart, and nobody who types a code from paper can tell one dash from another.
_DASHES = str.maketrans(dict.fromkeys("‐‒–—―−", "-"))
# Letters by their category that show nothing.
_UNSEEN_LETTERS = "\u115f\u1160"
_ONCE_TITLES_ZH = {OnceBy.APPLICANT: "申报主体", OnceBy.PROJECT: "项目", OnceBy.PARK: "产业园", OnceBy.LEVEL: "级别", OnceBy.YEAR: "年度"}


class ClaimFactMissing(Refusal):
    code = "claim-fact-missing"
    title_en = "A fact that this item needs is missing"
    title_zh = "缺少该项目必填的信息"


class ProjectCodeInvalid(Refusal):
    code = "project-code-invalid"
    title_en = "The project code cannot be used"
    title_zh = "项目编号无效"


class LevelNotEligible(Refusal):
    code = "level-not-eligible"
    title_en = "The clause does not name this level"
    title_zh = "该级别不在条款范围内"


class SupportYearNotEligible(Refusal):
    code = "support-year-not-eligible"
    title_en = "Support cannot be asked for that year"
    title_zh = "补贴所属年度不符合要求"


class AmountNotPositive(Refusal):
    code = "amount-not-positive"
    title_en = "The sum must be at least one fen"
    title_zh = "金额应大于零"


class AboveCeiling(Refusal):
    code = "above-ceiling"
    title_en = "The sum is above the ceiling of the item"
    title_zh = "金额超过该项目最高标准"


class FiledInTheFuture(Refusal):
    code = "filed-in-the-future"
    title_en = "The day of filing has not come yet"
    title_zh = "申报日期晚于收到日期"


class HandedOverLate(Refusal):
    code = "handed-over-late"
    title_en = "The application was held too long before it was handed over"
    title_zh = "报送超过期限"


class AlreadyFiled(Conflict):
    code = "already-filed"
    title_en = "This support can be had once, and it was already applied for"
    title_zh = "该项支持只能享受一次，已有申报"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Who asks, and for what: a project, a park, a level, a year, as far as the item needs them."""

    applicant_uscc: str
    project_code: str | None = None
    park_code: str | None = None
    level: str | None = None
    support_year: int | None = None


def complete_claim(item: Item, *, claim: Claim, policy: Policy, filed_on: date) -> Claim:
    """The claim with its codes normalised and every fact there that the item counts by; refuses what is missing or not named."""
    claim = replace(claim, project_code=_project_code(claim.project_code), level=_level(item, level=claim.level))
    needed = (
        ("project_code", claim.project_code, item.is_once_by(OnceBy.PROJECT), "项目编号"),
        ("park_code", claim.park_code, item.concerns_park or item.is_once_by(OnceBy.PARK), "产业园编号"),
        ("support_year", claim.support_year, item.assessment is not None or item.is_once_by(OnceBy.YEAR), "补贴所属年度"),
    )
    for field, value, is_needed, title_zh in needed:
        if is_needed and value is None:
            raise _missing(item, field=field, title_zh=title_zh)
    if claim.support_year is not None:
        _check_support_year(item, year=claim.support_year, policy=policy, filed_on=filed_on)
    return claim


def once_key(item: Item, *, claim: Claim) -> str | None:
    """What may be had once, for instance `2023-15/8b|park=P-01|year=2025`; None where the item has no such rule. The claim is a complete one."""
    if item.once is None:
        return None
    values = {
        OnceBy.APPLICANT: claim.applicant_uscc,
        OnceBy.PROJECT: claim.project_code,
        OnceBy.PARK: claim.park_code,
        OnceBy.LEVEL: claim.level,
        OnceBy.YEAR: claim.support_year,
    }
    parts = [f"{what}={values[what]}" for what in OnceBy if what in item.once.per]
    assert all(values[what] is not None for what in item.once.per), "complete_claim saw to every fact that the item counts by"
    return "|".join([item.id, *parts])


def check_amount(item: Item, *, amount_fen: int, pointer: str) -> None:
    """Refuse less than one fen, or more than the ceiling; the ceiling itself may be asked for and given."""
    if amount_fen <= 0:
        raise AmountNotPositive(
            f"{amount_fen} fen given; the least is 1 fen.", detail_zh=f"金额为{amount_fen}分，至少应为1分。", pointer=pointer, facts={"least_fen": 1}
        )
    if amount_fen > item.cap_fen:
        raise AboveCeiling(
            f"{yuan_text(amount_fen)} yuan given; {item.clause} allows at most {yuan_text(item.cap_fen)} yuan.",
            detail_zh=f"金额为{yuan_text(amount_fen)}元，{item.clause}规定最高{wan_text(item.cap_fen)}万元。",
            pointer=pointer,
            facts={"amount_fen": amount_fen, "cap_fen": item.cap_fen, "clause": item.clause},
        )


def check_days(policy: Policy, *, filed_on: date, received_on: date) -> None:
    """The applicant's day of filing and the day the city received it; that the item is in force is checked with the item."""
    if filed_on > received_on:
        raise FiledInTheFuture(
            f"Filed on {filed_on}, received on {received_on}: an application is not received before it is filed.",
            detail_zh=f"申报日期{filed_on}晚于收到日期{received_on}。",
            pointer="/filed_on",
        )
    window = policy.hand_over_on(filed_on)
    latest = filed_on + timedelta(days=window.hand_over_calendar_days)
    if "received_on" in policy.term.facts_inside:
        latest = min(latest, policy.last_day)
    if received_on > latest:
        raise HandedOverLate(
            f"Filed on {filed_on}, so it had to arrive by {latest}; it arrived on {received_on} ({window.clause}).",
            detail_zh=f"申报日期为{filed_on}，应于{latest}前（含当日）报送，实际收到日期为{received_on}（{window.clause}）。",
            pointer="/filed_on",
            facts={"latest": latest.isoformat()},
        )


def already_filed(item: Item) -> AlreadyFiled:
    """The refusal when the once key is taken; it names no other applicant and no district."""
    assert item.once is not None, "an item without a once rule is never already filed"
    per_en, per_zh = ", ".join(item.once.per), "、".join(_ONCE_TITLES_ZH[what] for what in item.once.per)
    return AlreadyFiled(
        f"{item.id} is given once per {per_en} and was already applied for ({item.clause}).",
        detail_zh=f"{item.short_name_zh}按{per_zh}只能享受一次，已有申报（{item.clause}）。",
        facts={"once_per": list(item.once.per), "clause": item.clause},
    )


def _project_code(given: str | None) -> str | None:
    if given is None:
        return None
    code = " ".join(unicodedata.normalize("NFKC", given).upper().translate(_DASHES).split())
    if not code or len(code) > PROJECT_CODE_CHARS_MAX or "|" in code or not all(_can_be_told_apart(char) for char in code):
        raise ProjectCodeInvalid(
            f"A project code has 1 to {PROJECT_CODE_CHARS_MAX} visible characters, the digits 0 to 9 and no '|'.",
            detail_zh=f"项目编号为1至{PROJECT_CODE_CHARS_MAX}个可见字符，数字使用0至9，且不含“|”。",
            pointer="/project_code",
        )
    return code


def _can_be_told_apart(char: str) -> bool:
    """Not an invisible character, a mark on another one, or another script's digit: with these one project would have two codes."""
    hidden = unicodedata.category(char)[0] in "CM" or char in _UNSEEN_LETTERS
    return not hidden and (char.isascii() or not char.isdigit())


def _level(item: Item, *, level: str | None) -> str | None:
    """The level given, or the only one that the item names."""
    if not item.levels:
        return level
    if level is None and len(item.levels) == 1:
        return next(iter(item.levels))
    if level is None:
        raise _missing(item, field="level", title_zh="级别")
    if level not in item.levels:
        raise LevelNotEligible(
            f"{item.clause} names {', '.join(item.levels)}; {level!r} is not among them.",
            detail_zh=f"{item.clause}规定的级别为{'、'.join(item.levels.values())}，不包括{level!r}。",
            pointer="/level",
            facts={"levels": list(item.levels)},
        )
    return level


def _check_support_year(item: Item, *, year: int, policy: Policy, filed_on: date) -> None:
    first_year = policy.first_day.year - policy.support_years_on(filed_on).years_before_term
    if not first_year <= year <= filed_on.year:
        raise SupportYearNotEligible(
            f"On {filed_on}, {item.id} may be asked for the years {first_year} to {filed_on.year}, not for {year} ({item.clause}).",
            detail_zh=f"{filed_on}可申报{first_year}年至{filed_on.year}年的{item.short_name_zh}，不能申报{year}年（{item.clause}）。",
            pointer="/support_year",
            facts={"first_year": first_year, "last_year": filed_on.year},
        )


def _missing(item: Item, *, field: str, title_zh: str) -> ClaimFactMissing:
    return ClaimFactMissing(
        f"{item.id} needs {field}: it decides what this support is given for ({item.clause}).",
        detail_zh=f"申报{item.short_name_zh}须填写{title_zh}（{item.clause}）。",
        pointer=f"/{field}",
    )
