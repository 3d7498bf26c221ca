"""Whether an application may be taken: item, term, sum, applicant, park, and what may be had once."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.applications import policy as policy_data
from services.applications.claim.rules import (
    AboveCeiling,
    AmountNotPositive,
    FiledInTheFuture,
    HandedOverLate,
)
from services.applications.intake.rules import ApplicantUnverified, check_verified
from services.applications.item.rules import (
    ApplicantEnded,
    ApplicantKindNotEligible,
    AssessmentNotPassed,
    ItemIsReferral,
    ItemUnknown,
    NotInForce,
    NotParkOperator,
    Permit,
    RecognitionOutsideTerm,
    Unverified,
)
from services.applications.policy.catalogue import Catalogue, Policy
from shared.errors import Refusal
from tests.fixtures.filings import (
    FILED_ON,
    OTHER_USCC,
    claiming,
    document,
    filed_on,
    fitting,
    item_of,
    judge,
    with_applicant,
    with_park,
)

ITEMS = [item.id for item in policy_data.load().policies[0].items]


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


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("4a", "university"),
        ("4b", "public_hr_institution"),
        ("5", "foundation"),
        ("8a", "university"),
        ("9e", "industry_association"),
        ("9i", "university"),
        ("10", "research_institute"),
        ("11a", "foundation"),
        ("11b", "enterprise"),
    ],
)
def test_a_kind_that_the_clause_does_not_name_is_refused(catalogue: Catalogue, line: str, kind: str) -> None:
    situation = fitting(item_of(catalogue, line))

    with pytest.raises(ApplicantKindNotEligible) as refused:
        judge(catalogue, with_applicant(situation, kind=kind, operates_park=False))

    assert refused.value.facts["recorded_kind"] == kind


def test_a_social_association_without_a_permit_may_yet_turn_out_to_be_an_institution(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "5"))

    judged = judge(catalogue, with_applicant(situation, kind="social_association", permits=()))

    assert judged.unverified == (Unverified.PERMIT_OR_FILING,)


def test_the_innovation_award_is_open_to_any_unit(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "2"))

    for kind in ("enterprise", "university", "foundation", "other"):
        assert judge(catalogue, with_applicant(situation, kind=kind)).unverified == ()


def test_a_group_standard_is_for_associations_and_the_others_for_the_others(catalogue: Catalogue) -> None:
    by_university = with_applicant(fitting(item_of(catalogue, "11a")), kind="university", permits=())
    by_association = with_applicant(by_university, kind="industry_association")

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

    with pytest.raises(ApplicantEnded):
        judge(catalogue, with_applicant(situation, is_active=False))


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
    permit = Permit(first_day=first_day, last_day=last_day)

    judged = judge(catalogue, with_applicant(situation, permits=(permit,)))

    assert judged.unverified == wanted


def test_an_unknown_park_is_taken_and_its_acceptance_waits(catalogue: Catalogue) -> None:
    judged = judge(catalogue, replace(fitting(item_of(catalogue, "7c")), park=None))

    assert judged.unverified == (Unverified.PARK,)


def test_only_the_operator_asks_for_its_park(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "8b"))

    with pytest.raises(NotParkOperator):
        judge(catalogue, with_park(situation, operator_uscc=OTHER_USCC))


@pytest.mark.parametrize("day", [date(2023, 6, 12), date(2025, 9, 9)])
def test_a_park_approved_inside_the_term_is_newly_approved(catalogue: Catalogue, day: date) -> None:
    situation = fitting(item_of(catalogue, "7p"))

    judged = judge(catalogue, with_park(situation, recognitions=(("provincial", day),)))

    assert judged.unverified == ()


def test_a_park_approved_the_day_before_the_term_is_refused(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "7p"))

    with pytest.raises(RecognitionOutsideTerm) as refused:
        judge(catalogue, with_park(situation, recognitions=(("provincial", date(2023, 6, 11)),)))

    assert refused.value.facts == {"approved_on": "2023-06-11"}


def test_a_recognition_of_another_level_does_not_count(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "7n"))

    judged = judge(catalogue, with_park(situation, recognitions=(("city", date(2024, 5, 6)),)))

    assert judged.unverified == (Unverified.RECOGNITION,)


@pytest.mark.parametrize(
    ("assessments", "wanted"), [(((2025, "passed"),), ()), (((2024, "passed"),), (Unverified.ASSESSMENT,)), ((), (Unverified.ASSESSMENT,))]
)
def test_a_park_is_supported_for_the_year_it_was_assessed(
    catalogue: Catalogue, assessments: tuple[tuple[int, str], ...], wanted: tuple[Unverified, ...]
) -> None:
    situation = fitting(item_of(catalogue, "8b"))

    assert judge(catalogue, with_park(situation, assessments=assessments)).unverified == wanted


def test_a_failed_assessment_is_refused(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "8b"))

    with pytest.raises(AssessmentNotPassed):
        judge(catalogue, with_park(situation, assessments=((2025, "failed"),)))


def test_named_documents_are_not_missing(catalogue: Catalogue, policy: Policy) -> None:
    item = item_of(catalogue, "2")
    situation = fitting(item)
    kinds = (*policy.evidence_on(FILED_ON).common, *item.evidence.required)
    complete = replace(situation, filing=replace(situation.filing, evidence=tuple(document(kind) for kind in kinds)))
    one_less = replace(situation, filing=replace(situation.filing, evidence=tuple(document(kind) for kind in kinds[:-1])))

    assert judge(catalogue, complete).missing_evidence == ()
    assert judge(catalogue, one_less).missing_evidence == (kinds[-1],)


def test_every_refusal_of_the_rules_has_its_own_code_and_titles() -> None:
    def below(cls: type[Refusal]) -> set[type[Refusal]]:
        return {cls, *(each for child in cls.__subclasses__() for each in below(child))}

    own = [each for each in below(Refusal) if each.__module__.startswith("services.applications.") and each.__module__.endswith(".rules")]
    codes = [each.code for each in own]

    assert len(own) >= 20
    assert len(set(codes)) == len(codes)
    assert all("title_zh" in vars(each) and "title_en" in vars(each) and "code" in vars(each) for each in own)
