"""Rules about organisations, contacts and parks."""

from datetime import date

import pytest

from services.registry import policy
from services.registry.contact.rules import BadMobile, checked_mobile
from services.registry.organisation import rules
from services.registry.organisation.rules import CauseDoesNotFit, EndingDayWrong, OrganisationEnded
from services.registry.park.rules import NotYetHappened, check_approved_on, check_assessed_year
from shared import city
from shared.city import UnknownJurisdiction
from tests.fixtures.uscc import make_synthetic

TODAY = date(2025, 9, 15)
TOMORROW = date(2025, 9, 16)


@pytest.mark.parametrize(
    ("prefix", "kind", "is_unusual"),
    [
        ("91", "enterprise", False),
        ("92", "enterprise", True),
        ("51", "industry_association", False),
        ("52", "university", False),
        ("Y1", "other", False),
    ],
)
def test_a_code_that_is_unusual_for_its_kind_is_warned_about(prefix: str, kind: str, is_unusual: bool) -> None:
    uscc = make_synthetic(f"{prefix}990000MA0000015")

    codes = [warning.code for warning in rules.warnings_about(uscc, kind=policy.current().kind(kind, on=TODAY))]

    assert ("uscc-unusual-for-kind" in codes) is is_unusual


def test_an_organisation_code_that_fails_its_own_check_is_warned_about() -> None:
    enterprise = policy.current().kind("enterprise", on=TODAY)

    assert rules.warnings_about("91371000MA3N6WYW1J", kind=enterprise) == ()
    assert [each.code for each in rules.warnings_about(make_synthetic("91990000MA0000011"), kind=enterprise)] == ["organisation-code-inside-wrong"]


def test_what_has_ended_is_not_changed_any_more() -> None:
    rules.check_is_active(status="active", ended_on=None)
    with pytest.raises(OrganisationEnded):
        rules.check_is_active(status="ended", ended_on=TODAY)


def test_an_organisation_ends_today_at_the_latest_and_for_a_cause_of_organisations() -> None:
    dissolved = policy.current().ending_cause("dissolved", on=TODAY)

    rules.check_ending(dissolved, of="organisation", ended_on=TODAY, today=TODAY)
    with pytest.raises(EndingDayWrong):
        rules.check_ending(dissolved, of="organisation", ended_on=TOMORROW, today=TODAY)
    with pytest.raises(CauseDoesNotFit):
        rules.check_ending(policy.current().ending_cause("revoked", on=TODAY), of="organisation", ended_on=TODAY, today=TODAY)


def test_a_jurisdiction_counts_from_its_first_day() -> None:
    here = city.load()

    rules.check_jurisdiction("huancui", city=here, on=date(1987, 6, 15))
    with pytest.raises(UnknownJurisdiction):
        rules.check_jurisdiction("huancui", city=here, on=date(1987, 6, 14))
    with pytest.raises(UnknownJurisdiction):
        rules.check_jurisdiction("atlantis", city=here, on=TODAY)


@pytest.mark.parametrize("text", ["13900001234", "+86 139-0000-1234", "008613900001234", "１３９００００１２３４"])
def test_a_mobile_number_is_normalised(text: str) -> None:
    assert checked_mobile(text) == "13900001234"


@pytest.mark.parametrize("text", ["1390000123", "139000012345", "12900001234", "+8512345678", "8613900001234", "١٣٩٠٠٠٠١٢٣٤"])
def test_what_is_no_mobile_number_is_refused(text: str) -> None:
    with pytest.raises(BadMobile):
        checked_mobile(text)


def test_an_approval_is_recorded_on_its_day_or_later() -> None:
    check_approved_on(TODAY, today=TODAY)
    with pytest.raises(NotYetHappened):
        check_approved_on(TOMORROW, today=TODAY)


def test_this_year_may_be_assessed_and_the_next_one_may_not() -> None:
    check_assessed_year(2025, today=TODAY)
    with pytest.raises(NotYetHappened):
        check_assessed_year(2026, today=TODAY)
