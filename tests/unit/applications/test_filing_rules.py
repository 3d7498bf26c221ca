"""Whether an application may be taken: item, term, sum, applicant, park, and what may be had once."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.applications import policy as policy_data
from services.applications.claim.rules import (
    AboveCeiling,
    AmountNotPositive,
    ClaimFactMissing,
    FiledInTheFuture,
    HandedOverLate,
    LevelNotEligible,
    ProjectCodeInvalid,
    SupportYearNotEligible,
    already_filed,
)
from services.applications.intake.rules import ApplicantUnverified, Judgement, check_verified, judge_filing
from services.applications.item.rules import (
    ApplicantEnded,
    ApplicantKindNotEligible,
    AssessmentNotPassed,
    ItemIsReferral,
    ItemUnknown,
    NotInForce,
    NotParkOperator,
    RecognitionOutsideTerm,
    Unverified,
    lines_to_compare,
)
from services.applications.policy.catalogue import Catalogue, Item, Policy
from shared.errors import Refusal
from tests.fixtures.filings import FILED_ON, OTHER_USCC, USCC, Situation, claiming, document, filed_on, fitting

ITEMS = [item.id for item in policy_data.load().policies[0].items]


def item_of(catalogue: Catalogue, line: str) -> Item:
    item = catalogue.item_in_force(f"2023-15/{line}", on=FILED_ON)
    assert item is not None
    return item


def judge(catalogue: Catalogue, situation: Situation) -> Judgement:
    return judge_filing(catalogue, filing=situation.filing, applicant=situation.applicant, park=situation.park)


@pytest.mark.parametrize("item_id", ITEMS)
def test_a_fitting_filing_of_each_item_is_taken_at_its_ceiling(catalogue: Catalogue, item_id: str) -> None:
    item = item_of(catalogue, item_id.removeprefix("2023-15/"))

    judged = judge(catalogue, fitting(item))

    assert (judged.item, judged.unverified) == (item, ())
    assert judged.missing_evidence == (*catalogue.policies[0].evidence_on(FILED_ON).common, *item.evidence.required)


@pytest.mark.parametrize("item_id", ITEMS)
def test_one_fen_above_the_ceiling_is_refused(catalogue: Catalogue, item_id: str) -> None:
    item = item_of(catalogue, item_id.removeprefix("2023-15/"))
    situation = fitting(item)

    with pytest.raises(AboveCeiling) as refused:
        judge(catalogue, replace(situation, filing=replace(situation.filing, requested_fen=item.cap_fen + 1)))

    assert item.clause in refused.value.detail_zh
    assert refused.value.facts["cap_fen"] == item.cap_fen


def test_one_fen_is_enough_and_nothing_is_not(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "5"))

    assert judge(catalogue, replace(situation, filing=replace(situation.filing, requested_fen=1))).item.id == "2023-15/5"
    with pytest.raises(AmountNotPositive):
        judge(catalogue, replace(situation, filing=replace(situation.filing, requested_fen=0)))


@pytest.mark.parametrize("day", [date(2023, 6, 12), date(2025, 12, 31)])
def test_the_first_and_the_last_day_of_the_term_are_inside(catalogue: Catalogue, day: date) -> None:
    situation = filed_on(fitting(item_of(catalogue, "2")), day)

    assert judge(catalogue, situation).item.version == "2023-15/items/2@2023-06-12"


@pytest.mark.parametrize("day", [date(2023, 6, 11), date(2026, 1, 1)])
def test_the_day_before_and_the_day_after_the_term_are_refused(catalogue: Catalogue, day: date) -> None:
    situation = filed_on(fitting(item_of(catalogue, "2")), day)

    with pytest.raises(NotInForce) as refused:
        judge(catalogue, situation)

    assert refused.value.facts == {"first_day": "2023-06-12", "last_day": "2025-12-31", "filed_on": day.isoformat()}


def test_an_unknown_item_is_refused(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "2"))

    with pytest.raises(ItemUnknown):
        judge(catalogue, replace(situation, filing=replace(situation.filing, item_id="2023-15/99")))


@pytest.mark.parametrize("day", [FILED_ON, date(2026, 1, 1)])
def test_a_referral_is_refused_with_where_to_ask_also_after_the_term(catalogue: Catalogue, day: date) -> None:
    situation = filed_on(fitting(item_of(catalogue, "2")), day)

    with pytest.raises(ItemIsReferral) as refused:
        judge(catalogue, replace(situation, filing=replace(situation.filing, item_id="2023-15/3a")))

    assert "公共就业服务机构" in refused.value.detail_zh
    assert "二(一)3" in refused.value.detail_zh


def test_filing_is_not_received_before_it_is_filed(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "2"))

    with pytest.raises(FiledInTheFuture):
        judge(catalogue, replace(situation, filing=replace(situation.filing, received_on=FILED_ON - timedelta(days=1))))


def test_what_was_filed_on_the_last_day_may_arrive_30_days_later_and_not_31(catalogue: Catalogue) -> None:
    last_day = date(2025, 12, 31)
    situation = filed_on(fitting(item_of(catalogue, "2")), last_day)

    in_time = replace(situation, filing=replace(situation.filing, received_on=last_day + timedelta(days=30)))
    late = replace(situation, filing=replace(situation.filing, received_on=last_day + timedelta(days=31)))

    assert judge(catalogue, in_time).unverified == ()
    with pytest.raises(HandedOverLate):
        judge(catalogue, late)


# --- who may ask


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("4a", "university"),
        ("4b", "public_hr_institution"),
        ("5", "social_association"),
        ("8a", "university"),
        ("9e", "industry_association"),
        ("9i", "university"),
        ("10", "social_association"),
        ("11b", "enterprise"),
    ],
)
def test_a_kind_that_the_clause_does_not_name_is_refused(catalogue: Catalogue, line: str, kind: str) -> None:
    situation = fitting(item_of(catalogue, line))
    assert situation.applicant is not None
    other = replace(situation.applicant, kind=kind, permits=(), operates_park=False)

    # 5 and 10 name the industry association, which is one kind of social association and has its own.
    if kind == "social_association":
        assert Unverified.PERMIT_OR_FILING in judge(catalogue, replace(situation, applicant=other)).unverified
    else:
        with pytest.raises(ApplicantKindNotEligible) as refused:
            judge(catalogue, replace(situation, applicant=other))
        assert refused.value.facts["recorded_kind"] == kind


def test_the_innovation_award_is_open_to_any_unit(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "2"))
    assert situation.applicant is not None

    for kind in ("enterprise", "university", "foundation", "other"):
        assert judge(catalogue, replace(situation, applicant=replace(situation.applicant, kind=kind))).unverified == ()


def test_a_group_standard_is_for_associations_and_the_others_for_the_others(catalogue: Catalogue) -> None:
    by_university = fitting(item_of(catalogue, "11a"))
    assert by_university.applicant is not None
    by_university = replace(by_university, applicant=replace(by_university.applicant, kind="university", permits=()))
    by_association = replace(by_university, applicant=replace(by_university.applicant, kind="industry_association"))

    assert judge(catalogue, claiming(by_university, level="local")).unverified == ()
    assert judge(catalogue, claiming(by_association, level="group")).unverified == ()
    with pytest.raises(ApplicantKindNotEligible):
        judge(catalogue, claiming(by_university, level="group"))


def test_an_unknown_applicant_is_taken_and_its_acceptance_waits(catalogue: Catalogue) -> None:
    judged = judge(catalogue, replace(fitting(item_of(catalogue, "4b")), applicant=None))

    assert judged.unverified == (Unverified.APPLICANT,)
    with pytest.raises(ApplicantUnverified) as refused:
        check_verified(judged.unverified)
    assert refused.value.facts == {"unverified": ["applicant-unknown"]}


def test_an_ended_applicant_is_refused(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "2"))
    assert situation.applicant is not None

    with pytest.raises(ApplicantEnded):
        judge(catalogue, replace(situation, applicant=replace(situation.applicant, is_active=False)))


@pytest.mark.parametrize(
    ("first_day", "last_day", "wanted"),
    [
        (FILED_ON, FILED_ON, ()),
        (date(2020, 1, 1), None, ()),
        (FILED_ON + timedelta(days=1), None, (Unverified.PERMIT_OR_FILING,)),
        (date(2020, 1, 1), FILED_ON - timedelta(days=1), (Unverified.PERMIT_OR_FILING,)),
    ],
)
def test_a_permit_counts_when_it_is_good_on_the_day_of_filing(
    catalogue: Catalogue, first_day: date, last_day: date | None, wanted: tuple[Unverified, ...]
) -> None:
    situation = fitting(item_of(catalogue, "4b"))
    assert situation.applicant is not None
    permit = replace(situation.applicant.permits[0], first_day=first_day, last_day=last_day)

    judged = judge(catalogue, replace(situation, applicant=replace(situation.applicant, permits=(permit,))))

    assert judged.unverified == wanted


# --- parks


def test_an_unknown_park_is_taken_and_its_acceptance_waits(catalogue: Catalogue) -> None:
    judged = judge(catalogue, replace(fitting(item_of(catalogue, "7c")), park=None))

    assert judged.unverified == (Unverified.PARK,)


def test_only_the_operator_asks_for_its_park(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "8b"))
    assert situation.park is not None

    with pytest.raises(NotParkOperator):
        judge(catalogue, replace(situation, park=replace(situation.park, operator_uscc=OTHER_USCC)))


@pytest.mark.parametrize("day", [date(2023, 6, 12), date(2025, 9, 9)])
def test_a_park_approved_inside_the_term_is_newly_approved(catalogue: Catalogue, day: date) -> None:
    situation = fitting(item_of(catalogue, "7p"))
    assert situation.park is not None

    judged = judge(catalogue, replace(situation, park=replace(situation.park, recognitions=(("provincial", day),))))

    assert judged.unverified == ()


def test_a_park_approved_the_day_before_the_term_is_refused(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "7p"))
    assert situation.park is not None

    with pytest.raises(RecognitionOutsideTerm) as refused:
        judge(catalogue, replace(situation, park=replace(situation.park, recognitions=(("provincial", date(2023, 6, 11)),))))

    assert refused.value.facts == {"approved_on": "2023-06-11"}


def test_a_recognition_of_another_level_does_not_count(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "7n"))
    assert situation.park is not None

    judged = judge(catalogue, replace(situation, park=replace(situation.park, recognitions=(("city", date(2024, 5, 6)),))))

    assert judged.unverified == (Unverified.RECOGNITION,)


@pytest.mark.parametrize(
    ("assessments", "wanted"), [(((2025, "passed"),), ()), (((2024, "passed"),), (Unverified.ASSESSMENT,)), ((), (Unverified.ASSESSMENT,))]
)
def test_a_park_is_supported_for_the_year_it_was_assessed(
    catalogue: Catalogue, assessments: tuple[tuple[int, str], ...], wanted: tuple[Unverified, ...]
) -> None:
    situation = fitting(item_of(catalogue, "8b"))
    assert situation.park is not None

    assert judge(catalogue, replace(situation, park=replace(situation.park, assessments=assessments))).unverified == wanted


def test_a_failed_assessment_is_refused(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "8b"))
    assert situation.park is not None

    with pytest.raises(AssessmentNotPassed):
        judge(catalogue, replace(situation, park=replace(situation.park, assessments=((2025, "failed"),))))


# --- what is asked for


@pytest.mark.parametrize(("line", "field"), [("5", "project_code"), ("7n", "park_code"), ("8b", "park_code"), ("8b", "support_year"), ("4b", "level")])
def test_a_fact_that_the_item_counts_by_must_be_there(catalogue: Catalogue, line: str, field: str) -> None:
    situation = claiming(fitting(item_of(catalogue, line)), **{field: None})

    with pytest.raises(ClaimFactMissing) as refused:
        judge(catalogue, situation)

    assert [problem.pointer for problem in refused.value.problems] == [f"/{field}"]


@pytest.mark.parametrize("level", ["provincial", "national", "international"])
def test_an_exhibition_counts_from_the_provincial_level_up(catalogue: Catalogue, level: str) -> None:
    assert judge(catalogue, claiming(fitting(item_of(catalogue, "4b")), level=level)).claim.level == level


def test_a_city_exhibition_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(LevelNotEligible):
        judge(catalogue, claiming(fitting(item_of(catalogue, "4b")), level="city"))


def test_an_item_of_one_level_needs_none_named_but_no_other(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "7n"))

    assert judge(catalogue, claiming(situation, level=None)).claim.level == "national"
    with pytest.raises(LevelNotEligible):
        judge(catalogue, claiming(situation, level="city"))


@pytest.mark.parametrize("year", [2023, 2025])
def test_support_years_run_from_the_first_of_the_term_to_that_of_filing(catalogue: Catalogue, year: int) -> None:
    assert judge(catalogue, claiming(fitting(item_of(catalogue, "4b")), support_year=year)).claim.support_year == year


@pytest.mark.parametrize("year", [2022, 2026])
def test_a_support_year_before_the_term_or_to_come_is_refused(catalogue: Catalogue, year: int) -> None:
    with pytest.raises(SupportYearNotEligible):
        judge(catalogue, claiming(fitting(item_of(catalogue, "4b")), support_year=year))


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("2", f"2023-15/2|applicant={USCC}"),
        ("4a", "2023-15/4a|project=KP-01"),
        ("4b", f"2023-15/4b|applicant={USCC}|year=2025"),
        ("7n", "2023-15/7n|park=P-01|level=national"),
        ("8b", "2023-15/8b|park=P-01|year=2025"),
        ("11a", "2023-15/11a|project=KP-01"),
    ],
)
def test_the_once_key_names_what_may_be_had_once(catalogue: Catalogue, line: str, key: str) -> None:
    assert judge(catalogue, fitting(item_of(catalogue, line))).once_key == key


def test_an_item_without_a_once_rule_has_no_key(catalogue: Catalogue) -> None:
    item = item_of(catalogue, "5").model_copy(update={"once": None})
    endless = replace(catalogue, policies=(catalogue.policies[0].model_copy(update={"items": (item,)}),))

    assert judge(endless, fitting(item)).once_key is None


@pytest.mark.parametrize("typed", ["kp-01", " KP-01 ", "ＫＰ－０１"])
def test_a_project_code_is_the_same_however_it_is_typed(catalogue: Catalogue, typed: str) -> None:
    assert judge(catalogue, claiming(fitting(item_of(catalogue, "5")), project_code=typed)).once_key == "2023-15/5|project=KP-01"


@given(st.text(max_size=80))
def test_no_project_code_reaches_into_another_part_of_the_key(typed: str) -> None:
    catalogue = policy_data.load() if not LOADED else LOADED[0]
    LOADED[:] = [catalogue]
    situation = claiming(fitting(item_of(catalogue, "5")), project_code=typed)

    try:
        key = judge(catalogue, situation).once_key
    except ProjectCodeInvalid:
        assert "|" in typed or "｜" in typed or not typed.strip() or len(typed) > 20
    else:
        assert key is not None
        assert key.count("|") == 1


LOADED: list[Catalogue] = []


def test_a_project_code_of_60_characters_is_taken_and_61_are_not(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "5"))

    assert judge(catalogue, claiming(situation, project_code="A" * 60)).claim.project_code == "A" * 60
    with pytest.raises(ProjectCodeInvalid):
        judge(catalogue, claiming(situation, project_code="A" * 61))


def test_the_refusal_of_a_second_filing_names_the_clause_and_nobody(catalogue: Catalogue) -> None:
    refusal = already_filed(item_of(catalogue, "8b"))

    assert (refusal.code, refusal.status) == ("already-filed", 409)
    assert "产业园、年度" in refusal.detail_zh
    assert "二(三)8" in refusal.detail_en
    assert USCC not in refusal.detail_en + refusal.detail_zh


def test_named_documents_are_not_missing(catalogue: Catalogue, policy: Policy) -> None:
    item = item_of(catalogue, "2")
    situation = fitting(item)
    kinds = (*policy.evidence_on(FILED_ON).common, *item.evidence.required)
    complete = replace(situation, filing=replace(situation.filing, evidence=tuple(document(kind) for kind in kinds)))
    one_less = replace(situation, filing=replace(situation.filing, evidence=tuple(document(kind) for kind in kinds[:-1])))

    assert judge(catalogue, complete).missing_evidence == ()
    assert judge(catalogue, one_less).missing_evidence == (kinds[-1],)


def test_lines_that_may_pay_for_the_same_are_compared_both_ways(policy: Policy) -> None:
    assert lines_to_compare(policy, item_id="2023-15/8a", on=FILED_ON) == {"2023-15/8b"}
    assert lines_to_compare(policy, item_id="2023-15/8b", on=FILED_ON) == {"2023-15/8a"}
    assert lines_to_compare(policy, item_id="2023-15/2", on=FILED_ON) == frozenset()


def test_every_refusal_of_the_rules_has_its_own_code_and_titles() -> None:
    def below(cls: type[Refusal]) -> set[type[Refusal]]:
        return {cls, *(each for child in cls.__subclasses__() for each in below(child))}

    own = [each for each in below(Refusal) if each.__module__.startswith("services.applications.") and each.__module__.endswith(".rules")]
    codes = [each.code for each in own]

    assert len(own) >= 20
    assert len(set(codes)) == len(codes)
    assert all("title_zh" in vars(each) and "title_en" in vars(each) and "code" in vars(each) for each in own)
