"""Decisions about organisations. Facts in, refusal or nothing out."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.registry.policy.catalogue import EndingCause, Kind
from shared.city import City, UnknownJurisdiction
from shared.errors import Conflict, Refusal
from shared.uscc import inner_check_holds


class OrganisationKind(StrEnum):
    """Every one has its entry in policy/kinds.toml."""

    ENTERPRISE = "enterprise"
    INDIVIDUAL_BUSINESS = "individual_business"
    INDUSTRY_ASSOCIATION = "industry_association"
    SOCIAL_ASSOCIATION = "social_association"
    PRIVATE_NON_ENTERPRISE = "private_non_enterprise"
    FOUNDATION = "foundation"
    UNIVERSITY = "university"
    RESEARCH_INSTITUTE = "research_institute"
    PUBLIC_INSTITUTION = "public_institution"
    PUBLIC_HR_INSTITUTION = "public_hr_institution"
    GOVERNMENT_BODY = "government_body"
    OTHER = "other"


class OrganisationStatus(StrEnum):
    ACTIVE = "active"
    ENDED = "ended"


class AlreadyRegistered(Conflict):
    code = "organisation-already-registered"
    title_en = "This organisation is registered already"
    title_zh = "该组织已登记"
    remedy_en = "Read it under its code and change it there. If it is not to be found there, it belongs to another jurisdiction: ask the city bureau."
    remedy_zh = "请按其统一社会信用代码查询并变更；如查询不到，则由其他辖区登记，请联系市级主管部门。"


class OrganisationEnded(Conflict):
    code = "organisation-ended"
    title_en = "This organisation came to its end"
    title_zh = "该组织已终止"


class StillOperatesPark(Conflict):
    code = "organisation-operates-park"
    title_en = "This organisation still operates a park"
    title_zh = "该组织仍在运营产业园"
    remedy_en = "Record the park's new operator first."
    remedy_zh = "请先变更产业园的运营单位。"


class EndingDayWrong(Refusal):
    code = "ending-day-wrong"
    title_en = "It cannot end on that day"
    title_zh = "终止日期有误"


class CauseDoesNotFit(Refusal):
    code = "ending-cause-does-not-fit"
    title_en = "This does not end for that cause"
    title_zh = "终止原因不适用"


@dataclass(frozen=True, kw_only=True)
class Particulars:
    """What is recorded of an organisation and may change."""

    kind: OrganisationKind
    name: str
    jurisdiction_id: str


@dataclass(frozen=True, kw_only=True)
class Warning:
    """Something unusual that is recorded all the same."""

    code: str
    detail_en: str
    detail_zh: str


def check_jurisdiction(jurisdiction_id: str, *, city: City, on: date) -> None:
    """Raises UnknownJurisdiction, also for one that does not exist on that day."""
    if not city.jurisdiction(jurisdiction_id).exists_on(on):
        raise UnknownJurisdiction(
            f"{jurisdiction_id} does not exist on {on.isoformat()}.",
            detail_zh=f"辖区{jurisdiction_id}在{on.isoformat()}不存在。",
            pointer="/jurisdiction_id",
        )


def check_is_active(*, status: str, ended_on: date | None) -> None:
    """What came to its end is kept as it was."""
    if status == OrganisationStatus.ENDED:
        raise OrganisationEnded(f"It ended on {ended_on}; nothing of it can be changed.", detail_zh=f"该组织已于{ended_on}终止，不能再变更。")


def check_ending(cause: EndingCause, *, of: str, ended_on: date, today: date) -> None:
    """An end is recorded on its day or later, for a cause that the law knows for it."""
    if of not in cause.of:
        raise CauseDoesNotFit(
            f"{cause.id} ({cause.clause}) ends no {of}.", detail_zh=f"“{cause.title_zh}”（{cause.clause}）不适用于此类记录。", pointer="/cause"
        )
    if ended_on > today:
        raise EndingDayWrong(
            f"{ended_on.isoformat()} has not come yet; today is {today.isoformat()}.",
            detail_zh=f"终止日期{ended_on.isoformat()}晚于今天{today.isoformat()}。",
            pointer="/ended_on",
        )


def warnings_about(uscc: str, *, kind: Kind) -> tuple[Warning, ...]:
    """Both are only likely to be mistakes: neither is a condition of GB 32100-2015."""
    warnings = []
    if kind.uscc_prefixes and uscc[:2] not in kind.uscc_prefixes:
        usual = "、".join(kind.uscc_prefixes)
        warnings.append(
            Warning(
                code="uscc-unusual-for-kind",
                detail_en=f"The code begins with {uscc[:2]}; of the kind {kind.id} it usually begins with {usual} ({kind.clause}).",
                detail_zh=f"代码以{uscc[:2]}开头，{kind.title_zh}的代码通常以{usual}开头（{kind.clause}）。",
            )
        )
    if not inner_check_holds(uscc):
        warnings.append(
            Warning(
                code="organisation-code-inside-wrong",
                detail_en="Positions 9 to 17 are not an organisation code (GB 11714): compare the code with the certificate.",
                detail_zh="第9至17位不符合组织机构代码规则（GB 11714），请与证照核对。",
            )
        )
    return tuple(warnings)
