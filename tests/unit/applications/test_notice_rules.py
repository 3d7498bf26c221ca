"""Public notices: counted in working days over holidays, objections by the instant, what they do to a case."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from services.applications.intake.rules import State
from services.applications.notice.rules import (
    CASES_PER_NOTICE_MAX,
    UNDECIDED,
    CaseListedTwice,
    NotFunded,
    NoticeDays,
    NoticeEmpty,
    NoticeNotOpen,
    NoticeRulesDiffer,
    NoticeState,
    NoticeTooLong,
    ObjectionDecided,
    ObjectionFromTheFuture,
    ObjectionState,
    ObjectionTooEarly,
    ObjectionTooLate,
    SupersedingShorter,
    case_after_objection,
    check_objection_in_time,
    check_objection_step,
    check_opening,
    check_superseding,
    closes_at,
    closing_today,
    may_confirm,
    next_step_of_objection,
    notice_days,
)
from services.applications.policy.catalogue import NoticeRule, Policy
from shared.workdays import Calendar, CalendarNotPublished
from tests.fixtures.filings import FILED_ON

ZONE = ZoneInfo("Asia/Shanghai")
DAYS = NoticeDays(first_day=date(2025, 9, 1), last_day=date(2025, 9, 8), closes_on=date(2025, 9, 9))
OPENED_AT = datetime(2025, 9, 1, 9, tzinfo=ZONE)
ENTERED_AT = datetime(2025, 9, 20, tzinfo=ZONE)


@pytest.fixture
def rule(policy: Policy) -> NoticeRule:
    return policy.notice_rule_on(FILED_ON)


@pytest.mark.parametrize(
    ("opened_on", "last_day", "closes_on"),
    [
        (date(2025, 9, 1), date(2025, 9, 8), date(2025, 9, 9)),
        # Over the National Day holiday of 1-8 October: Sunday 28 September and Saturday 11 October are worked in exchange.
        (date(2025, 9, 25), date(2025, 10, 9), date(2025, 10, 10)),
        (date(2025, 9, 26), date(2025, 10, 10), date(2025, 10, 11)),
        (date(2025, 9, 30), date(2025, 10, 14), date(2025, 10, 15)),
        # Over the Spring Festival of 2024: Sunday 18 February is a working day.
        (date(2024, 2, 5), date(2024, 2, 18), date(2024, 2, 19)),
    ],
)
def test_five_working_days_are_counted_over_holidays(rule: NoticeRule, calendar: Calendar, opened_on: date, last_day: date, closes_on: date) -> None:
    assert notice_days(rule, opened_on=opened_on, calendar=calendar) == NoticeDays(first_day=opened_on, last_day=last_day, closes_on=closes_on)


def test_a_notice_past_the_published_calendar_is_not_opened(rule: NoticeRule, calendar: Calendar) -> None:
    latest = calendar.published_until
    # The last opening day whose closing day is still published, found from the end of the calendar.
    while True:
        try:
            notice_days(rule, opened_on=latest, calendar=calendar)
            break
        except CalendarNotPublished:
            latest -= timedelta(days=1)

    assert latest < calendar.published_until
    with pytest.raises(CalendarNotPublished):
        notice_days(rule, opened_on=latest + timedelta(days=1), calendar=calendar)


def test_funded_cases_of_one_rule_are_announced(rule: NoticeRule) -> None:
    assert check_opening([("A", State.FUNDED), ("B", State.FUNDED)], rules=[rule, rule]) == rule


@pytest.mark.parametrize("state", sorted(set(State) - {State.FUNDED}))
def test_nothing_is_announced_that_is_not_funded(rule: NoticeRule, state: State) -> None:
    with pytest.raises(NotFunded) as refused:
        check_opening([("A", State.FUNDED), ("B", state)], rules=[rule])

    assert refused.value.facts == {"not_funded": ["B"]}


def test_a_notice_lists_one_to_1000_cases_each_once(rule: NoticeRule) -> None:
    many = [(str(number), State.FUNDED) for number in range(CASES_PER_NOTICE_MAX)]

    assert check_opening(many, rules=[rule]) == rule
    with pytest.raises(NoticeTooLong):
        check_opening([*many, ("one more", State.FUNDED)], rules=[rule])
    with pytest.raises(NoticeEmpty):
        check_opening([], rules=[rule])
    with pytest.raises(CaseListedTwice):
        check_opening([("A", State.FUNDED), ("A", State.FUNDED)], rules=[rule])


def test_cases_of_two_rules_need_two_notices(rule: NoticeRule) -> None:
    other = rule.model_copy(update={"first_day": date(2025, 7, 1)})

    with pytest.raises(NoticeRulesDiffer):
        check_opening([("A", State.FUNDED), ("B", State.FUNDED)], rules=[rule, other])


@pytest.mark.parametrize(
    "received_at",
    [OPENED_AT, datetime(2025, 9, 8, 23, 59, 59, 999999, tzinfo=ZONE), datetime(2025, 9, 8, 15, 59, 59, tzinfo=UTC)],
)
def test_an_objection_counts_from_the_opening_to_the_end_of_the_last_day(received_at: datetime) -> None:
    check_objection_in_time(DAYS, opened_at=OPENED_AT, received_at=received_at, entered_at=ENTERED_AT, zone=ZONE)


@pytest.mark.parametrize("received_at", [datetime(2025, 9, 9, 0, 0, 0, tzinfo=ZONE), datetime(2025, 9, 8, 16, 0, 0, tzinfo=UTC)])
def test_an_objection_of_the_next_midnight_is_too_late(received_at: datetime) -> None:
    with pytest.raises(ObjectionTooLate) as refused:
        check_objection_in_time(DAYS, opened_at=OPENED_AT, received_at=received_at, entered_at=ENTERED_AT, zone=ZONE)

    assert refused.value.facts == {"last_day": "2025-09-08"}


def test_an_objection_before_the_opening_is_too_early() -> None:
    with pytest.raises(ObjectionTooEarly):
        check_objection_in_time(DAYS, opened_at=OPENED_AT, received_at=OPENED_AT - timedelta(microseconds=1), entered_at=ENTERED_AT, zone=ZONE)


def test_an_objection_is_entered_at_its_receipt_or_later() -> None:
    received_at = OPENED_AT + timedelta(hours=1)

    check_objection_in_time(DAYS, opened_at=OPENED_AT, received_at=received_at, entered_at=received_at, zone=ZONE)
    with pytest.raises(ObjectionFromTheFuture):
        check_objection_in_time(DAYS, opened_at=OPENED_AT, received_at=received_at, entered_at=OPENED_AT, zone=ZONE)


def test_an_objection_is_admitted_then_decided_and_nothing_else() -> None:
    allowed = {
        (ObjectionState.RECEIVED, ObjectionState.ADMITTED),
        (ObjectionState.RECEIVED, ObjectionState.NOT_ADMITTED),
        (ObjectionState.ADMITTED, ObjectionState.UPHELD),
        (ObjectionState.ADMITTED, ObjectionState.DISMISSED),
    }

    for state, target in product(ObjectionState, ObjectionState):
        if (state, target) in allowed:
            check_objection_step(state, target=target)
        else:
            with pytest.raises(ObjectionDecided):
                check_objection_step(state, target=target)


@pytest.mark.parametrize(
    ("case", "decided", "others", "after"),
    [
        (State.ON_NOTICE, ObjectionState.ADMITTED, [], State.SUSPENDED),
        (State.SUSPENDED, ObjectionState.ADMITTED, [ObjectionState.ADMITTED], State.SUSPENDED),
        (State.SUSPENDED, ObjectionState.UPHELD, [ObjectionState.DISMISSED], State.REFUSED),
        (State.SUSPENDED, ObjectionState.DISMISSED, [], State.ON_NOTICE),
        (State.SUSPENDED, ObjectionState.DISMISSED, [ObjectionState.RECEIVED], State.ON_NOTICE),
        (State.SUSPENDED, ObjectionState.DISMISSED, [ObjectionState.ADMITTED], State.SUSPENDED),
        (State.ON_NOTICE, ObjectionState.NOT_ADMITTED, [], State.ON_NOTICE),
        (State.CONFIRMED, ObjectionState.ADMITTED, [], State.CONFIRMED),
        (State.CONFIRMED, ObjectionState.UPHELD, [], State.REFUSED),
        (State.CONFIRMED, ObjectionState.DISMISSED, [], State.CONFIRMED),
        (State.PAYING, ObjectionState.UPHELD, [], State.PAYING),
        (State.PAID, ObjectionState.UPHELD, [], State.PAID),
        (State.RELEASING, ObjectionState.UPHELD, [], State.RELEASING),
    ],
)
def test_what_an_objection_does_to_its_case(case: State, decided: ObjectionState, others: list[ObjectionState], after: State) -> None:
    assert case_after_objection(case, decided=decided, others=others) is after


def test_an_award_is_confirmed_from_noon_of_the_first_working_day_after_the_last_day_on(rule: NoticeRule) -> None:
    """Reads the hour of services/applications/policy/2023-15/notice.toml"""
    end = closes_at(DAYS, rule=rule, zone=ZONE)

    assert end == datetime(2025, 9, 9, 12, tzinfo=ZONE)
    assert not may_confirm(State.ON_NOTICE, closes_at=end, at=end - timedelta(microseconds=1), objections=[])
    assert may_confirm(State.ON_NOTICE, closes_at=end, at=end, objections=[ObjectionState.DISMISSED, ObjectionState.NOT_ADMITTED])
    assert may_confirm(State.ON_NOTICE, closes_at=end, at=datetime(2025, 9, 9, 4, tzinfo=UTC), objections=[])
    assert may_confirm(State.ON_NOTICE, closes_at=end, at=end + timedelta(days=7), objections=[])


def test_a_notice_is_looked_at_on_its_closing_day_from_the_hour_of_its_own_rule_on(rule: NoticeRule) -> None:
    early = rule.model_copy(update={"closing": rule.closing.model_copy(update={"from_hour": 0}), "first_day": date(2024, 1, 1)})

    before, after = (closing_today([rule, early], at=datetime(2025, 9, 9, 3, minute, tzinfo=UTC), zone=ZONE) for minute in (59, 0))
    noon = closing_today([rule, early], at=datetime(2025, 9, 9, 12, tzinfo=ZONE), zone=ZONE)

    assert before == after == [early.version]
    assert noon == [rule.version, early.version]


def test_no_award_is_confirmed_on_the_rest_days_after_the_last_day(rule: NoticeRule, calendar: Calendar) -> None:
    days = notice_days(rule, opened_on=date(2025, 9, 5), calendar=calendar)

    assert (days.last_day, days.closes_on) == (date(2025, 9, 12), date(2025, 9, 15))
    assert closes_at(days, rule=rule, zone=ZONE).date() == days.closes_on


@pytest.mark.parametrize("objection", sorted(UNDECIDED))
def test_an_undecided_objection_holds_the_award_back(objection: ObjectionState) -> None:
    assert not may_confirm(State.ON_NOTICE, closes_at=OPENED_AT, at=ENTERED_AT, objections=[objection])


def test_a_suspended_case_is_not_confirmed() -> None:
    assert not may_confirm(State.SUSPENDED, closes_at=OPENED_AT, at=ENTERED_AT, objections=[])


@pytest.mark.parametrize(
    ("state", "case", "told"),
    [
        (ObjectionState.RECEIVED, State.ON_NOTICE, ["是否受理"]),
        (ObjectionState.ADMITTED, State.SUSPENDED, ["是否成立"]),
        (ObjectionState.RECEIVED, State.CONFIRMED, ["暂缓支付", "是否受理"]),
        (ObjectionState.ADMITTED, State.CONFIRMED, ["暂缓支付", "是否成立"]),
        (ObjectionState.ADMITTED, State.PAYING, ["追回", "是否成立"]),
        (ObjectionState.UPHELD, State.PAID, ["追回"]),
        (ObjectionState.UPHELD, State.REFUSED, ["已处理完毕"]),
        (ObjectionState.DISMISSED, State.PAID, ["已处理完毕"]),
    ],
)
def test_the_next_step_of_an_objection_follows_where_its_case_is(state: ObjectionState, case: State, told: list[str]) -> None:
    zh, en = next_step_of_objection(state, case=case)

    assert all(word in zh for word in told)
    assert ("追回" in zh) == ("recovered" in en)


def test_a_superseding_notice_may_end_on_the_same_day_but_not_before() -> None:
    check_superseding(DAYS, earlier_state=NoticeState.OPEN, days=DAYS)

    with pytest.raises(SupersedingShorter):
        check_superseding(DAYS, earlier_state=NoticeState.OPEN, days=replace(DAYS, last_day=DAYS.last_day - timedelta(days=1)))


@pytest.mark.parametrize("state", [NoticeState.CLOSED, NoticeState.SUPERSEDED])
def test_only_an_open_notice_is_superseded(state: NoticeState) -> None:
    with pytest.raises(NoticeNotOpen):
        check_superseding(DAYS, earlier_state=state, days=DAYS)
