"""会议纪要文号: given with the joint review or not at all, the same by both sides, and no number of a person."""

from dataclasses import replace

import pytest

from services.applications.intake.rules import State
from services.applications.policy.catalogue import Item, Policy
from services.applications.review.rules import (
    MinutesDiffer,
    MinutesHoldPersonalData,
    MinutesNotAsked,
    Verdict,
    check_keeps_minutes,
)
from tests.unit.applications.test_review_rules import CITY, DISTRICT, JOINT_FINANCE, JOINT_HR, REASON, decided

NUMBER = "联审纪要〔2025〕9号"


@pytest.fixture
def item(policy: Policy) -> Item:
    return next(item for item in policy.items if item.id == "2023-15/2")


@pytest.mark.parametrize("named", [(None, None), (NUMBER, None), (None, NUMBER), (NUMBER, NUMBER)], ids=["nobody", "first", "second", "both"])
def test_either_side_of_the_joint_review_may_name_its_minutes(policy: Policy, item: Item, named: tuple[str | None, str | None]) -> None:
    first, second = replace(JOINT_HR, minutes_number=named[0]), replace(JOINT_FINANCE, minutes_number=named[1])

    outcome = decided(policy, item, taken=second, earlier=[DISTRICT, CITY, first])

    assert (outcome.stage_passed, outcome.stage) == (True, None)


def test_the_two_sides_name_the_same_minutes(policy: Policy, item: Item) -> None:
    first, second = replace(JOINT_HR, minutes_number=NUMBER), replace(JOINT_FINANCE, minutes_number="联审纪要〔2025〕10号")

    with pytest.raises(MinutesDiffer, match="〔2025〕9号"):
        decided(policy, item, taken=second, earlier=[DISTRICT, CITY, first])


def test_a_side_may_name_other_minutes_when_it_decides_anew(policy: Policy, item: Item) -> None:
    outcome = decided(
        policy, item, taken=replace(JOINT_HR, minutes_number="另一号"), earlier=[DISTRICT, CITY, replace(JOINT_HR, minutes_number=NUMBER)]
    )

    assert outcome.replaces


def test_a_refusal_of_the_joint_review_has_minutes_too(policy: Policy, item: Item) -> None:
    refused = replace(JOINT_HR, verdict=Verdict.REFUSE, reason=REASON, amount_fen=None, minutes_number=NUMBER)

    assert decided(policy, item, taken=refused, earlier=[DISTRICT, CITY]).state is State.REFUSED


def test_a_stage_that_sets_no_sum_keeps_no_minutes(policy: Policy, item: Item) -> None:
    with pytest.raises(MinutesNotAsked):
        decided(policy, item, taken=replace(CITY, minutes_number=NUMBER), earlier=[DISTRICT])


def test_acceptance_keeps_no_minutes() -> None:
    check_keeps_minutes(None, stage=None)

    with pytest.raises(MinutesNotAsked):
        check_keeps_minutes(NUMBER, stage=None)


@pytest.mark.parametrize("number", ["13900001234", "6222020200012345678", "纪要139-0000-1234"])
def test_the_number_of_a_person_is_no_number_of_minutes(policy: Policy, item: Item, number: str) -> None:
    with pytest.raises(MinutesHoldPersonalData):
        decided(policy, item, taken=replace(JOINT_HR, minutes_number=number), earlier=[DISTRICT, CITY])
