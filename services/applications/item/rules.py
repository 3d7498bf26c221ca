"""Decisions about support items: which one is in force, and who may ask for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.applications.claim.rules import Claim
from services.applications.policy.catalogue import ApplicantKind, Catalogue, Item, Policy, WayToKnow
from shared.errors import Refusal


class ItemUnknown(Refusal):
    code = "item-unknown"
    title_en = "There is no such support item"
    title_zh = "没有该扶持项目"
    remedy_en = "Choose one of the items in force on the day of filing (GET /v1/items)."
    remedy_zh = "请从申报之日有效的扶持项目清单中选择（GET /v1/items）。"


class ItemIsReferral(Refusal):
    code = "item-is-referral"
    title_en = "This support is paid by other rules and cannot be applied for here"
    title_zh = "该项支持按其他规定办理，不在此申报"


class NotInForce(Refusal):
    code = "not-in-force"
    title_en = "The item is not in force on the day of filing"
    title_zh = "申报之日该项目不在有效期内"


class ApplicantKindNotEligible(Refusal):
    code = "applicant-kind-not-eligible"
    title_en = "The clause does not name this kind of applicant"
    title_zh = "申报主体不属于条款规定的对象"


class ApplicantEnded(Refusal):
    code = "applicant-ended"
    title_en = "The applicant no longer exists"
    title_zh = "申报主体已注销或终止"


class NotParkOperator(Refusal):
    code = "not-park-operator"
    title_en = "The applicant does not operate this park"
    title_zh = "申报主体不是该产业园的运营单位"


class RecognitionOutsideTerm(Refusal):
    code = "recognition-outside-term"
    title_en = "The park was not newly approved inside the term of the policy"
    title_zh = "产业园不是在政策有效期内新批准的"


class AssessmentNotPassed(Refusal):
    code = "assessment-not-passed"
    title_en = "The park did not pass the assessment of that year"
    title_zh = "产业园未通过该年度评估"


class Unverified(StrEnum):
    """A fact that the registry has not told yet. Filing goes on; acceptance waits for it."""

    APPLICANT = "applicant-unknown"
    PERMIT_OR_FILING = "permit-or-filing-unknown"
    PARK = "park-unknown"
    RECOGNITION = "park-recognition-unknown"
    ASSESSMENT = "park-assessment-unknown"


UNVERIFIED_TITLES_ZH = {
    Unverified.APPLICANT: "申报主体尚未登记入库",
    Unverified.PERMIT_OR_FILING: "未查到申报之日有效的人力资源服务许可或备案",
    Unverified.PARK: "产业园尚未登记入库",
    Unverified.RECOGNITION: "未查到该级别产业园的批准信息",
    Unverified.ASSESSMENT: "未查到该年度的评估结果",
}


@dataclass(frozen=True, kw_only=True)
class Permit:
    """A permit or a filing; no last day means until it is ended."""

    first_day: date
    last_day: date | None


@dataclass(frozen=True, kw_only=True)
class Applicant:
    """What the registry told of the organisation."""

    kind: str
    is_active: bool
    permits: tuple[Permit, ...] = ()
    operates_park: bool = False

    def holds_permit_on(self, day: date) -> bool:
        return any(permit.first_day <= day and (permit.last_day is None or day <= permit.last_day) for permit in self.permits)


@dataclass(frozen=True, kw_only=True)
class Park:
    """What the registry told of the park: (level, approved on) and (year, result)."""

    operator_uscc: str
    recognitions: tuple[tuple[str, date], ...] = ()
    assessments: tuple[tuple[int, str], ...] = ()


def item_for_filing(catalogue: Catalogue, *, item_id: str, filed_on: date) -> Item:
    """The version in force on the first filing day: the one that the case is pinned to."""
    item = catalogue.item_in_force(item_id, on=filed_on)
    if item is not None:
        return item
    if (referral := catalogue.referral(item_id)) is not None:
        raise ItemIsReferral(
            f"{referral.title_en} has no amount in {referral.clause}: other rules and other funds pay it. Ask {referral.ask_at_en}.",
            detail_zh=f"{referral.title_zh}（{referral.clause}）未规定金额，按其他规定、由其他资金办理，请向{referral.ask_at_zh}咨询。",
            pointer="/item_id",
            facts={"ask_at_zh": referral.ask_at_zh, "ask_at_en": referral.ask_at_en, "clause": referral.clause},
        )
    versions = catalogue.item_versions(item_id)
    if not versions:
        raise ItemUnknown(f"There is no item {item_id!r}.", detail_zh=f"没有编号为{item_id!r}的扶持项目。", pointer="/item_id")
    first_day, last_day = min(each.first_day for each in versions), max(each.last_day for each in versions)
    raise NotInForce(
        f"{item_id} could be applied for from {first_day} to {last_day}, both included; the day of filing is {filed_on} ({versions[0].clause}).",
        detail_zh=f"{item_id}的申报期为{first_day}至{last_day}（含首尾两日），申报日为{filed_on}（{versions[0].clause}）。",
        pointer="/item_id",
        facts={"first_day": first_day.isoformat(), "last_day": last_day.isoformat(), "filed_on": filed_on.isoformat()},
    )


def check_eligibility(
    item: Item, *, claim: Claim, policy: Policy, applicant: Applicant | None, park: Park | None, filed_on: date
) -> tuple[Unverified, ...]:
    """Refuse what the known facts rule out; return the facts that are still wanted before acceptance."""
    wanted = _check_park(item, claim=claim, policy=policy, park=park) if item.concerns_park else []
    if applicant is None:
        return (Unverified.APPLICANT, *wanted)
    if not applicant.is_active:
        raise ApplicantEnded(
            f"{claim.applicant_uscc} is recorded as ended; only an existing organisation can be supported.",
            detail_zh=f"{claim.applicant_uscc}已登记为终止，只有存续的单位可以申报。",
            pointer="/applicant_uscc",
        )
    wanted = [*_check_kind(item, claim=claim, policy=policy, applicant=applicant, park=park, filed_on=filed_on), *wanted]
    return tuple(dict.fromkeys(wanted))


def _check_kind(item: Item, *, claim: Claim, policy: Policy, applicant: Applicant, park: Park | None, filed_on: date) -> list[Unverified]:
    kinds = [policy.applicant_kind_on(kind, on=filed_on) for kind in item.applicants.kinds_for(claim.level)]
    answers = [_wanted_for(way, claim=claim, applicant=applicant, park=park, filed_on=filed_on) for kind in kinds for way in kind.known_by]
    open_answers = [answer for answer in answers if answer is not None]
    if not open_answers:
        raise _kind_not_eligible(item, applicant=applicant, kinds=kinds)
    return min(open_answers, key=len)


def _wanted_for(way: WayToKnow, *, claim: Claim, applicant: Applicant, park: Park | None, filed_on: date) -> list[Unverified] | None:
    """What is still wanted to know the applicant this way; None when the known facts rule this way out."""
    if way.organisation_kinds and applicant.kind not in way.organisation_kinds:
        return None
    if way.holds == "permit_or_filing":
        return [] if applicant.holds_permit_on(filed_on) else [Unverified.PERMIT_OR_FILING]
    if way.holds == "park":
        return _wanted_of_operator(claim=claim, applicant=applicant, park=park)
    return []


def _wanted_of_operator(*, claim: Claim, applicant: Applicant, park: Park | None) -> list[Unverified] | None:
    if claim.park_code is None:
        return [] if applicant.operates_park else None
    if park is None:
        return [Unverified.PARK]
    return [] if park.operator_uscc == claim.applicant_uscc else None


def _kind_not_eligible(item: Item, *, applicant: Applicant, kinds: Iterable[ApplicantKind]) -> ApplicantKindNotEligible:
    named = list(kinds)
    return ApplicantKindNotEligible(
        f"{item.clause} supports: {'; '.join(kind.title_en for kind in named)}. The applicant is recorded as {applicant.kind!r}.",
        detail_zh=f"{item.clause}的扶持对象为{'、'.join(kind.title_zh for kind in named)}，申报主体的登记类型（{applicant.kind}）不在其列。",
        pointer="/applicant_uscc",
        facts={"kinds": [kind.id for kind in named], "recorded_kind": applicant.kind},
    )


def _check_park(item: Item, *, claim: Claim, policy: Policy, park: Park | None) -> list[Unverified]:
    if park is None:
        return [Unverified.PARK]
    if park.operator_uscc != claim.applicant_uscc:
        raise NotParkOperator(
            f"Park {claim.park_code} is operated by another organisation; its operator applies ({item.clause}).",
            detail_zh=f"产业园{claim.park_code}由其他单位运营，应由其运营单位申报（{item.clause}）。",
            pointer="/park_code",
        )
    wanted = []
    if item.recognition is not None and not _is_recognised(item, claim=claim, policy=policy, park=park):
        wanted.append(Unverified.RECOGNITION)
    if item.assessment is not None and not _is_assessed(item, year=claim.support_year, result=item.assessment.result, park=park):
        wanted.append(Unverified.ASSESSMENT)
    return wanted


def _is_recognised(item: Item, *, claim: Claim, policy: Policy, park: Park) -> bool:
    """False while no recognition of that level is known; one outside the term is refused (新批准)."""
    approved = [approved_on for level, approved_on in park.recognitions if level == claim.level]
    must_be_inside = "park_recognition_approved_on" in policy.term.facts_inside
    if approved and must_be_inside and not any(policy.is_in_force(day) for day in approved):
        raise RecognitionOutsideTerm(
            f"The park was approved on {max(approved)}; {item.clause} supports parks approved from {policy.first_day} to {policy.last_day}.",
            detail_zh=f"该产业园批准日期为{max(approved)}，{item.clause}支持{policy.first_day}至{policy.last_day}期间新批准的产业园。",
            pointer="/park_code",
            facts={"approved_on": max(approved).isoformat()},
        )
    return bool(approved)


def _is_assessed(item: Item, *, year: int | None, result: str, park: Park) -> bool:
    """False while no result of that year is known; any other result than the one the clause asks for is refused."""
    results = [told for assessed_year, told in park.assessments if assessed_year == year]
    if results and result not in results:
        raise AssessmentNotPassed(
            f"The park's assessment of {year} has the result {results[-1]!r}; {item.clause} asks for {result!r}.",
            detail_zh=f"该产业园{year}年度评估结果为{results[-1]!r}，{item.clause}要求通过年度评估。",
            pointer="/park_code",
        )
    return bool(results)
