"""Rules about permits and filings."""

from dataclasses import replace
from datetime import date

import pytest

from services.registry import policy
from services.registry.institution import rules
from services.registry.institution.rules import BadTerm, Basis, Fact, OutsideScope, Standing
from services.registry.organisation.rules import CauseDoesNotFit, EndingDayWrong
from services.registry.policy.catalogue import NotInPolicy

TODAY = date(2025, 9, 15)
FIRST, LAST = date(2023, 3, 1), date(2028, 2, 29)
PERMIT = Fact(basis=Basis.PERMIT, number="1", number_as_written="1", scope=("job_placement",), first_day=FIRST, last_day=LAST)
FILING = replace(PERMIT, basis=Basis.FILING, scope=("training",), last_day=None)


def check(fact: Fact, *, on: date = TODAY) -> None:
    rules.check_fact(fact, policy=policy.current(), on=on)


@pytest.mark.parametrize(
    "fact",
    [
        PERMIT,
        FILING,
        replace(FILING, last_day=LAST),
        replace(PERMIT, scope=("job_placement", "online_recruitment")),
        replace(PERMIT, last_day=FIRST),
        replace(PERMIT, first_day=date(1949, 10, 1)),
        replace(PERMIT, first_day=date(2999, 12, 31), last_day=date(9999, 12, 31)),
        replace(FILING, scope=("information", "career_guidance", "management_consulting", "assessment", "training", "outsourcing")),
    ],
)
def test_what_the_law_knows_is_recorded(fact: Fact) -> None:
    check(fact)


@pytest.mark.parametrize(
    ("fact", "refusal"),
    [
        (replace(PERMIT, last_day=None), BadTerm),
        (replace(PERMIT, last_day=date(2023, 2, 28)), BadTerm),
        (replace(PERMIT, first_day=date(1949, 9, 30)), BadTerm),
        (replace(PERMIT, first_day=date(3000, 1, 1), last_day=date(9999, 12, 31)), BadTerm),
        (replace(PERMIT, scope=("job_placement", "training")), OutsideScope),
        (replace(FILING, scope=("job_placement",)), OutsideScope),
        (replace(FILING, scope=("labour_dispatch",)), OutsideScope),
        (replace(PERMIT, scope=("online_recruitment",)), OutsideScope),
        (replace(PERMIT, scope=("gardening",)), NotInPolicy),
    ],
)
def test_what_the_law_does_not_know_is_refused(fact: Fact, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        check(fact)


def test_a_business_is_known_from_its_first_day_on() -> None:
    online = replace(PERMIT, scope=("job_placement", "online_recruitment"))

    check(online, on=date(2021, 3, 1))
    with pytest.raises(NotInPolicy):
        check(online, on=date(2021, 2, 28))


def test_a_number_written_another_way_is_the_same_fact() -> None:
    assert replace(PERMIT, number_as_written="№ 1") == PERMIT
    assert replace(PERMIT, number="2") != PERMIT


@pytest.mark.parametrize(
    ("on", "ended_on", "expected"),
    [
        (date(2023, 2, 28), None, Standing.NOT_YET),
        (FIRST, None, Standing.VALID),
        (LAST, None, Standing.VALID),
        (date(2028, 3, 1), None, Standing.EXPIRED),
        (date(2025, 9, 14), TODAY, Standing.VALID),
        (TODAY, TODAY, Standing.ENDED),
        (date(2028, 3, 1), TODAY, Standing.ENDED),
    ],
)
def test_the_standing_of_a_permit_on_a_day(on: date, ended_on: date | None, expected: Standing) -> None:
    assert rules.standing(first_day=FIRST, last_day=LAST, ended_on=ended_on, on=on) is expected


def test_a_filing_without_a_last_day_does_not_expire() -> None:
    assert rules.standing(first_day=FIRST, last_day=None, ended_on=None, on=date(2099, 1, 1)) is Standing.VALID


def test_an_extension_is_applied_for_thirty_days_before_the_last_day() -> None:
    limit = policy.current().time_limit("extension_apply", on=TODAY)

    assert rules.extend_by(date(2028, 2, 29), limit=limit) == date(2028, 1, 30)


@pytest.mark.parametrize(
    ("first_day", "usual_last_day"),
    [(FIRST, LAST), (date(2023, 1, 1), date(2027, 12, 31)), (date(2024, 2, 29), date(2029, 2, 28)), (date(2024, 3, 1), date(2029, 2, 28))],
)
def test_a_permit_that_runs_to_the_day_before_its_fifth_anniversary_is_not_warned_about(first_day: date, usual_last_day: date) -> None:
    validity = policy.current().time_limit("permit_validity", on=TODAY)

    def warned(last_day: date, *, basis: Basis = Basis.PERMIT) -> bool:
        return rules.warnings_about(basis=basis, first_day=first_day, last_day=last_day, validity=validity) != ()

    assert not warned(usual_last_day)
    assert warned(date.fromordinal(usual_last_day.toordinal() + 1))
    assert not warned(date.fromordinal(usual_last_day.toordinal() + 1), basis=Basis.FILING)


def end(cause_id: str, *, ended_on: date = TODAY, basis: Basis = Basis.PERMIT, last_day: date | None = LAST, today: date = TODAY) -> None:
    cause = policy.current().ending_cause(cause_id, on=ended_on)
    rules.check_ending(cause, basis=basis, first_day=FIRST, last_day=last_day, ended_on=ended_on, today=today)


@pytest.mark.parametrize("cause_id", ["subject_ended", "annulled", "withdrawn", "revoked"])
def test_a_permit_ends_from_its_first_day_to_today(cause_id: str) -> None:
    end(cause_id, ended_on=FIRST)
    end(cause_id, ended_on=TODAY)
    for wrong in (date(2023, 2, 28), date(2025, 9, 16)):
        with pytest.raises(EndingDayWrong):
            end(cause_id, ended_on=wrong)


def test_a_permit_expires_on_the_day_after_its_last_day_and_not_before() -> None:
    end("expired_not_extended", last_day=date(2025, 9, 14))
    with pytest.raises(EndingDayWrong):
        end("expired_not_extended", last_day=TODAY)


@pytest.mark.parametrize("cause_id", ["expired_not_extended", "withdrawn", "revoked", "dissolved"])
def test_a_filing_does_not_end_as_a_permit_or_an_organisation_does(cause_id: str) -> None:
    with pytest.raises(CauseDoesNotFit):
        end(cause_id, basis=Basis.FILING)


@pytest.mark.parametrize("cause_id", ["subject_ended", "annulled"])
def test_a_filing_ends_with_its_subject_or_when_it_was_false(cause_id: str) -> None:
    end(cause_id, basis=Basis.FILING)
