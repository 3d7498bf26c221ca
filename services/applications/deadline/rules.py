"""Terms in working days: kept as "N working days from D", with the day once the calendar of that year is published."""

from dataclasses import dataclass
from datetime import date

from shared.errors import Conflict
from shared.workdays import Calendar, CalendarNotPublished


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """`due_on` is the last day of the term; None while its year is not published. Day 1 is the first working day after `from_day`."""

    working_days: int
    from_day: date
    due_on: date | None


def deadline(*, working_days: int, from_day: date, calendar: Calendar) -> Deadline:
    """An act is never refused for a missing calendar: the deadline then has no day yet."""
    try:
        due_on = calendar.add_workdays(from_day, count=working_days)
    except CalendarNotPublished:
        due_on = None
    return Deadline(working_days=working_days, from_day=from_day, due_on=due_on)


def recompute(kept: Deadline, *, calendar: Calendar) -> Deadline:
    """The same term under a calendar that was loaded or revised since."""
    return deadline(working_days=kept.working_days, from_day=kept.from_day, calendar=calendar)


def is_overdue(kept: Deadline, *, on: date) -> bool:
    return kept.due_on is not None and on > kept.due_on


class CorrectionLate(Conflict):
    code = "correction-late"
    title_en = "The day for the correction has passed"
    title_zh = "已超过补正期限"
    remedy_en = "File anew under a row reference of its own while the policy is in force."
    remedy_zh = "政策有效期内可使用新的行标识重新申报。"


def check_in_time(kept: Deadline | None, *, on: date) -> None:
    """A correction is bounded by its own deadline; the first filing day of the case does not move."""
    if kept is not None and is_overdue(kept, on=on):
        raise CorrectionLate(
            f"The correction was due on {kept.due_on} ({kept.working_days} working days from {kept.from_day}); it came on {on}.",
            detail_zh=f"补正期限为{kept.due_on}（自{kept.from_day}起{kept.working_days}个工作日），提交日期为{on}。",
        )
