"""Decisions about public notices (公示) and objections: when one opens and closes, what counts, and what an objection does."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from services.applications.intake.rules import STATE_TEXTS, State
from services.applications.policy.catalogue import NoticeRule
from shared.errors import Conflict, Refusal
from shared.workdays import Calendar

CASES_PER_NOTICE_MAX = 1_000

# Where a case is while the public can object to its award.
ON_NOTICE = frozenset({State.ON_NOTICE, State.SUSPENDED})
# Where an objection that came in time and was entered late finds it: the award is confirmed, its payment perhaps on its way.
PAST_NOTICE = frozenset({State.CONFIRMED, State.PAYING, State.PAID})


class NoticeEmpty(Refusal):
    code = "notice-empty"
    title_en = "A notice lists at least one case"
    title_zh = "公示至少应包含一个案件"


class NoticeTooLong(Refusal):
    code = "notice-too-long"
    title_en = "Too many cases in one notice"
    title_zh = "公示案件过多"


class CaseListedTwice(Refusal):
    code = "case-listed-twice"
    title_en = "A case is listed twice"
    title_zh = "案件重复列入"


class NotFunded(Conflict):
    code = "not-funded"
    title_en = "Only funded cases are announced"
    title_zh = "只有已预留资金的案件可以公示"


class NoticeRulesDiffer(Conflict):
    code = "notice-rules-differ"
    title_en = "The cases fall under different notice rules"
    title_zh = "案件适用的公示规则不同"


class NoticeNotOpen(Conflict):
    code = "notice-not-open"
    title_en = "The notice is not open"
    title_zh = "公示未在进行"


class SupersedingShorter(Refusal):
    code = "superseding-shorter"
    title_en = "A superseding notice may not close earlier"
    title_zh = "更正公示的截止日期不得提前"


class ObjectionTooEarly(Refusal):
    code = "objection-too-early"
    title_en = "The notice had not begun"
    title_zh = "公示尚未开始"


class ObjectionTooLate(Refusal):
    code = "objection-too-late"
    title_en = "The objection came after the last day of the notice"
    title_zh = "异议提出时间已超过公示期"
    remedy_en = "The matter can still be reported to the supervising departments."
    remedy_zh = "公示期满后仍可向有关监督部门反映情况。"


class ObjectionFromTheFuture(Refusal):
    code = "objection-from-the-future"
    title_en = "The instant of receipt has not come yet"
    title_zh = "收到时间晚于当前时间"


class ObjectionDecided(Conflict):
    code = "objection-decided"
    title_en = "The objection cannot be decided so in its present state"
    title_zh = "该异议当前状态不能作此处理"


class NoticeState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    SUPERSEDED = "superseded"


class ObjectionState(StrEnum):
    RECEIVED = "received"
    NOT_ADMITTED = "not_admitted"
    ADMITTED = "admitted"
    UPHELD = "upheld"
    DISMISSED = "dismissed"


# While one of these stands, the award it concerns is not confirmed.
UNDECIDED = frozenset({ObjectionState.RECEIVED, ObjectionState.ADMITTED})
_OBJECTION_STEPS = {
    ObjectionState.RECEIVED: (ObjectionState.ADMITTED, ObjectionState.NOT_ADMITTED),
    ObjectionState.ADMITTED: (ObjectionState.UPHELD, ObjectionState.DISMISSED),
}


@dataclass(frozen=True, kw_only=True)
class NoticeDays:
    """First and last day are both shown to the public; the job closes the notice on `closes_on`, from the hour that its rule names."""

    first_day: date
    last_day: date
    closes_on: date


def notice_days(rule: NoticeRule, *, opened_on: date, calendar: Calendar) -> NoticeDays:
    """The last day is the Nth working day after the day of opening, which is shown and not counted. Raises CalendarNotPublished: never a guess."""
    last_day = calendar.add_workdays(opened_on, count=rule.notice_working_days)
    return NoticeDays(first_day=opened_on, last_day=last_day, closes_on=calendar.next_workday(last_day))


def check_opening(cases: Sequence[tuple[str, State]], *, rules: Collection[NoticeRule]) -> NoticeRule:
    """Cases by number and state, and the notice rules they are pinned to: all funded, each once, all under one rule, which is returned."""
    _check_list([number for number, _ in cases])
    not_funded = {number: state for number, state in cases if state is not State.FUNDED}
    if not_funded:
        raise _not_funded(not_funded)
    versions = {rule.version: rule for rule in rules}
    if len(versions) != 1:
        raise NoticeRulesDiffer(
            f"One notice, one rule; these cases fall under {', '.join(sorted(versions))}. Open a notice for each.",
            detail_zh="同一公示只能适用一个规则版本，请分别公示。",
            facts={"rules": sorted(versions)},
        )
    return next(iter(versions.values()))


def check_superseding(earlier: NoticeDays, *, earlier_state: NoticeState, days: NoticeDays) -> None:
    """A published closing date changes only by another notice, and only for longer."""
    if earlier_state is not NoticeState.OPEN:
        raise NoticeNotOpen(
            f"The notice is {earlier_state}; only an open one is superseded.",
            detail_zh="只有进行中的公示可以更正。",
            facts={"state": earlier_state.value},
        )
    if days.last_day < earlier.last_day:
        raise SupersedingShorter(
            f"The public was told {earlier.last_day}; the new notice would end on {days.last_day}.",
            detail_zh=f"原公示截止日期为{earlier.last_day}，更正后不得早于该日（现为{days.last_day}）。",
            facts={"last_day": earlier.last_day.isoformat()},
        )


def check_objection_in_time(days: NoticeDays, *, opened_at: datetime, received_at: datetime, entered_at: datetime, zone: ZoneInfo) -> None:
    """What counts is the instant of receipt: from the opening to the end of the last day in the city's time."""
    assert received_at.tzinfo is not None, "an instant has a zone"
    if received_at > entered_at:
        raise ObjectionFromTheFuture(
            f"It is {entered_at.astimezone(zone).isoformat()}; an objection is entered after its receipt.",
            detail_zh=f"当前时间为{entered_at.astimezone(zone):%Y-%m-%d %H:%M:%S}，收到时间不得晚于当前时间。",
            pointer="/received_at",
        )
    if received_at < opened_at:
        raise ObjectionTooEarly(
            f"The notice began on {days.first_day}; an objection counts from then on.",
            detail_zh=f"公示自{days.first_day}起，此前收到的不作为公示异议。",
            pointer="/received_at",
        )
    # A day ends where the next begins; 23:59:59 would lose its last second.
    if received_at >= datetime.combine(days.last_day + timedelta(days=1), time.min, tzinfo=zone):
        raise ObjectionTooLate(
            f"The last day of the notice was {days.last_day}; the objection was received at {received_at.astimezone(zone).isoformat()}.",
            detail_zh=f"公示截止日期为{days.last_day}，异议收到时间为{received_at.astimezone(zone):%Y-%m-%d %H:%M:%S}。",
            pointer="/received_at",
            facts={"last_day": days.last_day.isoformat()},
        )


def check_objection_step(state: ObjectionState, *, target: ObjectionState) -> None:
    possible = _OBJECTION_STEPS.get(state, ())
    if target not in possible:
        raise ObjectionDecided(
            f"The objection is {state}; it cannot become {target}.",
            detail_zh="该异议当前状态不能作此处理。",
            facts={"state": state.value, "possible": [each.value for each in possible]},
        )


def case_after_objection(case: State, *, decided: ObjectionState, others: Collection[ObjectionState]) -> State:
    """Where the decision of one objection leads the case, in view of the other objections to it.

    REFUSED is a target: with money held the case gets there through `intake.rules.leave`. A confirmed award is not suspended any more, but it
    ends when an objection to it is upheld; what is on its way or paid stays as it is, and is a matter of recovery.
    """
    if case is State.CONFIRMED:
        return State.REFUSED if decided is ObjectionState.UPHELD else case
    if case not in ON_NOTICE:
        return case
    if decided is ObjectionState.ADMITTED:
        return State.SUSPENDED
    if decided is ObjectionState.UPHELD:
        return State.REFUSED
    if decided is ObjectionState.DISMISSED and ObjectionState.ADMITTED not in others:
        return State.ON_NOTICE
    return case


def closes_at(days: NoticeDays, *, rule: NoticeRule, zone: ZoneInfo) -> datetime:
    """The instant from which the notice is closed: until then what was received on the last day can be entered in time."""
    return datetime.combine(days.closes_on, time(rule.closing.from_hour), tzinfo=zone)


def closing_today(rules: Iterable[NoticeRule], *, at: datetime, zone: ZoneInfo) -> list[str]:
    """The versions under which a notice whose closing day is today is closed by now."""
    return [rule.version for rule in rules if at.astimezone(zone).hour >= rule.closing.from_hour]


def may_confirm(case: State, *, closes_at: datetime, at: datetime, objections: Collection[ObjectionState]) -> bool:
    """Whether the closing job confirms the award: an objection that came in time and is undecided holds it back, admitted or not."""
    return case is State.ON_NOTICE and at >= closes_at and not UNDECIDED & set(objections)


def next_step_of_objection(state: ObjectionState, *, case: State) -> tuple[str, str]:
    """What the officers do next, in Chinese and English."""
    if state is ObjectionState.UPHELD and case in (State.PAYING, State.PAID):
        return "异议成立，款项已在途或已支付：请按规定追回资金。", "Upheld, and the money is on its way or paid: have it recovered."
    if state not in UNDECIDED:
        return "异议已处理完毕。", "The objection is decided."
    if state is ObjectionState.RECEIVED:
        zh, en = "请决定是否受理该异议。", "Decide whether it is admitted."
    else:
        zh, en = "请核查后决定异议是否成立。", "Look into it, then uphold or dismiss it."
    if case is State.CONFIRMED:
        hold_zh = "支持已确认、尚未支付：请先通知资金管理人员暂缓支付；异议成立的，撤销支持并释放资金。"
        return hold_zh + zh, f"The award is confirmed and not paid: have the payment held; if upheld, the award ends and its money is released. {en}"
    if case in PAST_NOTICE:
        return f"款项已在途或已支付：异议成立的，按规定追回资金。{zh}", f"The money is on its way or paid: if upheld, it is recovered. {en}"
    return zh, en


def _check_list(numbers: Sequence[str]) -> None:
    if not numbers:
        raise NoticeEmpty("No case is listed.", detail_zh="没有列入任何案件。", pointer="/applications")
    if len(numbers) > CASES_PER_NOTICE_MAX:
        raise NoticeTooLong(
            f"{len(numbers)} cases are listed, at most {CASES_PER_NOTICE_MAX} fit into one notice.",
            detail_zh=f"列入案件{len(numbers)}个，一次公示最多{CASES_PER_NOTICE_MAX}个。",
            pointer="/applications",
        )
    repeated = sorted(number for number, times in Counter(numbers).items() if times > 1)
    if repeated:
        raise CaseListedTwice(
            f"Listed more than once: {', '.join(repeated)}.", detail_zh=f"重复列入：{'、'.join(repeated)}。", pointer="/applications"
        )


def _not_funded(cases: Mapping[str, State]) -> NotFunded:
    return NotFunded(
        f"Nothing is announced that is not funded: {'; '.join(f'{number} is {STATE_TEXTS[state].title_en}' for number, state in cases.items())}.",
        detail_zh=f"未预留资金的案件不得公示：{'；'.join(f'{number}（{STATE_TEXTS[state].title_zh}）' for number, state in cases.items())}。",
        facts={"not_funded": sorted(cases)},
    )
