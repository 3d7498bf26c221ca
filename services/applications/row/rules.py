"""Decisions about a caller's own rows: the same row sent again is the same application."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.applications.intake.rules import BEFORE_ACCEPTANCE, ENDED, State
from shared.errors import Conflict, Refusal

# Cases of these channels are reported back there under the number that the channel gave them.
NUMBERED_CHANNELS = frozenset({"portal"})


class RowConflict(Conflict):
    code = "row-conflict"
    title_en = "This row reference belongs to another applicant"
    title_zh = "该行标识已用于其他申报主体"
    remedy_en = "Send the application under a row reference of its own."
    remedy_zh = "请使用新的行标识报送。"


class RowEnded(Conflict):
    code = "row-ended"
    title_en = "The application of this row has ended"
    title_zh = "该行对应的申报已办结"
    remedy_en = "Send a new application under a row reference of its own."
    remedy_zh = "如需重新申报，请使用新的行标识报送。"


class PortalNumberMissing(Refusal):
    code = "portal-number-missing"
    title_en = "The portal files under its own number"
    title_zh = "缺少一网通办办件编号"


class PortalNumberTaken(Conflict):
    code = "portal-number-taken"
    title_en = "This portal number stands for another application"
    title_zh = "该办件编号已用于其他申报"
    remedy_en = "Send each application under a number of its own."
    remedy_zh = "每件申报请使用各自的办件编号。"


class PortalNumberFixed(Conflict):
    code = "portal-number-fixed"
    title_en = "The portal number of this application stays"
    title_zh = "办件编号不得变更"
    remedy_en = "Send the correction under the first number. If it really is another matter, withdraw this one and file anew."
    remedy_zh = "请使用原办件编号报送更正；确属另一办件的，请撤回后重新申报。"


class RowVerdict(StrEnum):
    NEW = "new"
    UNCHANGED = "unchanged"
    NEXT_VERSION = "next_version"
    # The difference is kept for the officer; the case itself stays as it is.
    IN_REVIEW = "in_review"


@dataclass(frozen=True, kw_only=True)
class KnownRow:
    """What the row reference of this caller stands for so far."""

    applicant_uscc: str
    fingerprint: bytes
    state: State


def row_fingerprint(content: Mapping[str, object]) -> bytes:
    """SHA-256 of the row as normalised JSON: the order of fields says nothing."""
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).digest()


def judge_row(known: KnownRow | None, *, applicant_uscc: str, fingerprint: bytes) -> RowVerdict:
    if known is None:
        return RowVerdict.NEW
    if known.applicant_uscc != applicant_uscc:
        raise RowConflict(
            "The row reference already stands for an application of another unified social credit code.",
            detail_zh="该行标识已对应另一统一社会信用代码的申报。",
            pointer="/row_reference",
        )
    if known.fingerprint == fingerprint:
        return RowVerdict.UNCHANGED
    if known.state in BEFORE_ACCEPTANCE:
        return RowVerdict.NEXT_VERSION
    if known.state in ENDED:
        raise RowEnded(
            f"The application of this row ended as {known.state.value}; it cannot be changed any more.",
            detail_zh="该行对应的申报已办结，不能再修改。",
            pointer="/row_reference",
        )
    return RowVerdict.IN_REVIEW


def check_portal_number(number: str | None, *, channel: str) -> None:
    if number is None and channel in NUMBERED_CHANNELS:
        raise PortalNumberMissing(
            "Name the number under which the portal keeps this application.", detail_zh="请填写一网通办办件编号。", pointer="/portal_number"
        )


def kept_portal_number(number: str | None, *, kept: str | None) -> str | None:
    """The number of a correction: under the first one the portal goes on getting records. One may come later, and none leaves the first.

    Raises PortalNumberFixed.
    """
    if number is not None and kept is not None and number != kept:
        raise PortalNumberFixed(
            f"The application has the portal number {kept!r}; the correction says {number!r}.",
            detail_zh=f"该申报的办件编号为{kept!r}，更正中填写的是{number!r}。",
            pointer="/portal_number",
        )
    return kept if number is None else number


def portal_number_taken(number: str) -> PortalNumberTaken:
    return PortalNumberTaken(
        f"Portal number {number!r} is in use under another row reference of yours.",
        detail_zh=f"办件编号{number!r}已用于另一行标识的申报。",
        pointer="/portal_number",
    )


def repeated_reference(reference: str) -> RowConflict:
    return RowConflict(
        f"Row reference {reference!r} stands twice in this call; only the first was looked at.",
        detail_zh=f"行标识{reference!r}在本次报送中重复，仅处理第一行。",
        pointer="/row_reference",
    )


def filed_meanwhile() -> RowConflict:
    return RowConflict(
        "The same row is being filed by another call at this moment; send it again.",
        detail_zh="该行正由另一请求报送，请稍后重新报送。",
        pointer="/row_reference",
    )
