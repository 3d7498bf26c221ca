"""What a policy is made of, and the catalogue that finds what is in force on a day."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from services.applications.policy.entry import Entry, EntryT, all_in_force
from shared.dated import Part, Strict, Text

_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
_WorkingDays = Annotated[int, Field(ge=1, le=250)]


class OnceBy(StrEnum):
    """What one support is counted for; the order here is the order inside a once key."""

    APPLICANT = "applicant"
    PROJECT = "project"
    PARK = "park"
    LEVEL = "level"
    YEAR = "year"


class Decider(StrEnum):
    DISTRICT_HR = "district_hr"
    CITY_HR = "city_hr"
    CITY_FINANCE = "city_finance"
    PANEL = "panel"


class Applicants(Part):
    """Kinds of applicant that the clause names; `levels_by_kind` where a kind is named for some levels only."""

    kinds: Annotated[tuple[_Name, ...], Field(min_length=1)]
    levels_by_kind: dict[_Name, tuple[_Name, ...]] = Field(default_factory=dict)

    def kinds_for(self, level: str | None) -> tuple[str, ...]:
        return tuple(kind for kind in self.kinds if kind not in self.levels_by_kind or level in self.levels_by_kind[kind])


class Once(Part):
    per: Annotated[tuple[OnceBy, ...], Field(min_length=1)]


class Gate(Part):
    kind: Literal["key_project"]


class Recognition(Part):
    """A recognition that came first. That of a park is known from the registry, others from the document handed in."""

    of: Literal["park", "innovation_project"]


class Assessment(Part):
    of: Literal["park"]
    result: _Name


class RequiredEvidence(Part):
    required: tuple[_Name, ...]


class Funding(Part):
    fund: Literal["city_hr_industry_fund", "provincial_hr_industry_fund"]


class Expenditure(Part):
    category: Literal["reward", "subsidy", "award_subsidy", "construction"]


class Item(Entry):
    """A line with an amount. `cap_fen` is 最高: a ceiling, never an entitlement. The budget line has the same id."""

    short_name_zh: Annotated[str, Field(min_length=1, max_length=20)]
    cap_fen: Annotated[int, Field(gt=0)]
    applicants: Applicants
    levels: dict[_Name, Text] = Field(default_factory=dict)
    once: Once | None = None
    gate: Gate | None = None
    recognition: Recognition | None = None
    assessment: Assessment | None = None
    evidence: RequiredEvidence
    funding: Funding
    expenditure: Expenditure

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.once and OnceBy.LEVEL in self.once.per and not self.levels:
            raise ValueError(f"{self.id}: once per level, and no level is named")
        named = {level for levels in self.applicants.levels_by_kind.values() for level in levels}
        if not named <= self.levels.keys() or not self.applicants.levels_by_kind.keys() <= set(self.applicants.kinds):
            raise ValueError(f"{self.id}: levels_by_kind names a level or kind that the item does not")
        # 鲁人社字〔2019〕196号 4: the provincial fund forbids construction.
        if self.expenditure.category == "construction" and self.funding.fund == "provincial_hr_industry_fund":
            raise ValueError(f"{self.id}: the provincial fund does not pay for construction")
        return self

    @property
    def budget_line(self) -> str:
        return self.id

    @property
    def funding_source(self) -> str:
        return self.funding.fund

    @property
    def concerns_park(self) -> bool:
        """Whether one park, and so its operator, is what the support is for."""
        return self.applicants.kinds == ("park_operator",)

    def is_once_by(self, what: OnceBy) -> bool:
        return self.once is not None and what in self.once.per


class Referral(Entry):
    """A line without an amount: other rules, other funds; shown here and never payable here."""

    ask_at_zh: Text
    ask_at_en: Text


class WayToKnow(Strict):
    """An organisation of one of these kinds (none listed: of any) that holds this; one way is enough."""

    organisation_kinds: tuple[_Name, ...]
    holds: Literal["permit_or_filing", "park"] | None = None


class ApplicantKind(Entry):
    known_by: Annotated[tuple[WayToKnow, ...], Field(min_length=1)]


class EvidenceTitle(Strict):
    title_zh: Text
    title_en: Text


class EvidenceList(Entry):
    """Every kind of document there is, and those that each application needs."""

    common: tuple[_Name, ...]
    kinds: dict[_Name, EvidenceTitle]


class Acceptance(Entry):
    decider: Decider
    decide_working_days: _WorkingDays
    correction_working_days: _WorkingDays


class Stage(Entry):
    """A review stage: every decider of it must approve, each through an officer of its own."""

    order: Annotated[int, Field(ge=1)]
    deciders: Annotated[tuple[Decider, ...], Field(min_length=1)]
    sets_amount: bool
    enabled: bool
    decide_working_days: _WorkingDays
    correction_working_days: _WorkingDays


class ObjectionRule(Part):
    counts_by: Literal["received_at"]
    until: Literal["end_of_last_day"]
    admitted: Literal["suspend"]
    upheld: Literal["refuse"]
    dismissed: Literal["resume"]


class ClosingRule(Part):
    """On its closing day a notice is closed from this hour of the city's time on; until then what came in time can be entered."""

    from_hour: Annotated[int, Field(ge=0, le=23)]


class NoticeRule(Entry):
    notice_working_days: _WorkingDays
    closing: ClosingRule
    objection: ObjectionRule


class SupportYears(Entry):
    years_before_term: Annotated[int, Field(ge=0, le=10)]


class HandOver(Entry):
    hand_over_calendar_days: Annotated[int, Field(ge=0, le=366)]


class ComparedLines(Entry):
    groups: tuple[tuple[str, ...], ...]


class MoneyStepId(StrEnum):
    """What the budget can do about a case, by the name of its event."""

    FUNDS_RESERVED = "funds_reserved"
    FUNDS_WAITING = "funds_waiting"
    RESERVATION_REFUSED = "reservation_refused"
    FUNDS_RELEASED = "funds_released"
    RELEASE_REFUSED = "release_refused"
    PAYMENT_ORDERED = "payment_ordered"
    PAYMENT_CONFIRMED = "payment_confirmed"
    PAYMENT_RETURNED = "payment_returned"
    PAYMENT_CLAWED_BACK = "payment_clawed_back"


class MoneyStep(Entry):
    """The clause that governs a step of the money: its history cites this, and not the item. It may be of another law than the policy."""

    id: MoneyStepId


class Term(Part):
    """Which days of a case must lie inside the term of the policy; the filing day picks the version, so it always does."""

    facts_inside: tuple[Literal["filed_on", "received_on", "park_recognition_approved_on"], ...]

    @model_validator(mode="after")
    def _check_filing_day(self) -> Self:
        if "filed_on" not in self.facts_inside:
            raise ValueError("facts_inside must hold filed_on")
        return self


def _the_one_in_force(entries: Iterable[EntryT], *, on: date) -> EntryT:
    (found,) = all_in_force(entries, on=on)
    return found


class Policy(Entry):
    """One policy document with all that follows from it. `on` is the first filing day of a case: the version it is pinned to."""

    document_number: Text
    issuers: Annotated[tuple[Text, ...], Field(min_length=1)]
    issued_on: date
    term: Term
    items: Annotated[tuple[Item, ...], Field(min_length=1)]
    referrals: tuple[Referral, ...]
    applicant_kinds: Annotated[tuple[ApplicantKind, ...], Field(min_length=1)]
    evidence_lists: tuple[EvidenceList, ...]
    acceptances: tuple[Acceptance, ...]
    stages: tuple[Stage, ...]
    notice_rules: tuple[NoticeRule, ...]
    support_years: tuple[SupportYears, ...]
    hand_over: tuple[HandOver, ...]
    compared_lines: tuple[ComparedLines, ...]
    money_steps: tuple[MoneyStep, ...]

    def stages_on(self, on: date) -> tuple[Stage, ...]:
        """The stages that are held, in their order."""
        return tuple(sorted((stage for stage in all_in_force(self.stages, on=on) if stage.enabled), key=lambda stage: stage.order))

    def acceptance_on(self, on: date) -> Acceptance:
        return _the_one_in_force(self.acceptances, on=on)

    def notice_rule_on(self, on: date) -> NoticeRule:
        return _the_one_in_force(self.notice_rules, on=on)

    def evidence_on(self, on: date) -> EvidenceList:
        return _the_one_in_force(self.evidence_lists, on=on)

    def support_years_on(self, on: date) -> SupportYears:
        return _the_one_in_force(self.support_years, on=on)

    def hand_over_on(self, on: date) -> HandOver:
        return _the_one_in_force(self.hand_over, on=on)

    def compared_lines_on(self, on: date) -> ComparedLines:
        return _the_one_in_force(self.compared_lines, on=on)

    def money_step_on(self, step_id: MoneyStepId, *, on: date) -> MoneyStep:
        return _the_one_in_force((step for step in self.money_steps if step.id is step_id), on=on)

    def applicant_kind_on(self, kind_id: str, *, on: date) -> ApplicantKind:
        return _the_one_in_force((kind for kind in self.applicant_kinds if kind.id == kind_id), on=on)

    def entries(self) -> Iterator[Entry]:
        yield self
        for _, value in self:
            if isinstance(value, tuple):
                yield from (entry for entry in value if isinstance(entry, Entry))


class Assumption(NamedTuple):
    """Something that the law leaves open and we set. `path` leads to the entry and the part of it."""

    path: str
    value: str
    why: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """All policies of the city, past and present."""

    policies: tuple[Policy, ...]

    def policy(self, policy_id: str) -> Policy:
        (found,) = (policy for policy in self.policies if policy.id == policy_id)
        return found

    def item_in_force(self, item_id: str, *, on: date) -> Item | None:
        return next((item for item in self.items_in_force(on) if item.id == item_id), None)

    def items_in_force(self, on: date) -> tuple[Item, ...]:
        return all_in_force((item for policy in self.policies for item in policy.items), on=on)

    def item_version(self, version: str) -> Item:
        """The item version that a case is pinned to: there is one, because no process starts without a version that cases use."""
        (found,) = (item for policy in self.policies for item in policy.items if item.version == version)
        return found

    def notice_rules(self) -> tuple[NoticeRule, ...]:
        return tuple(rule for policy in self.policies for rule in policy.notice_rules)

    def item_versions(self, item_id: str) -> tuple[Item, ...]:
        return tuple(item for policy in self.policies for item in policy.items if item.id == item_id)

    def referral(self, referral_id: str) -> Referral | None:
        """The newest version, in force or not: it is told to people who ask for it."""
        found = [referral for policy in self.policies for referral in policy.referrals if referral.id == referral_id]
        return max(found, key=lambda referral: referral.first_day, default=None)

    def referrals_in_force(self, on: date) -> tuple[Referral, ...]:
        return all_in_force((referral for policy in self.policies for referral in policy.referrals), on=on)

    def fingerprints(self) -> dict[str, str]:
        """Fingerprint of every version there is, to be kept with the versions that were used."""
        return {entry.version: entry.fingerprint for policy in self.policies for entry in policy.entries()}

    def assumptions(self) -> tuple[Assumption, ...]:
        entries = (entry for policy in self.policies for entry in policy.entries())
        return tuple(found for entry in entries for found in _assumptions_of(entry, entry=entry, path=entry.version))


def _assumptions_of(part: Part, *, entry: Entry, path: str) -> Iterator[Assumption]:
    if part.assumed and part.why is not None:
        # Where nothing is set but the clause, that it governs is what was assumed.
        yield Assumption(path=path, value=_value_text(part) or entry.clause, why=part.why, source=entry.source)
    for name, value in part:
        # Entries inside a policy are walked as entries of their own.
        if isinstance(value, Part) and not isinstance(value, Entry):
            yield from _assumptions_of(value, entry=entry, path=f"{path}/{name}")


def _value_text(part: Part) -> str:
    """The values set, short enough for a table; parts that state their own grounds are left to their own row."""
    said = part.model_dump(mode="json", exclude=set(Entry.model_fields), exclude_defaults=True)
    return "; ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in said.items() if not isinstance(value, dict))
