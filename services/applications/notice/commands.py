"""Opening, superseding and closing public notices; every award on a notice has its money reserved already."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert, text, update

from services.applications.application.commands import By, Case, Move, event_fields, lock_cases, move_cases, visible_case
from services.applications.intake.commands import Ground
from services.applications.intake.rules import Actor, State, check_transition, waiting_on
from services.applications.known import queries as known
from services.applications.notice import queries
from services.applications.notice.queries import Notice
from services.applications.notice.rules import (
    ON_NOTICE,
    NoticeDays,
    NoticeState,
    check_opening,
    check_superseding,
    closes_at,
    may_confirm,
    notice_days,
)
from services.applications.notice.tables import notice, notice_case
from services.applications.policy.catalogue import NoticeRule
from services.applications.review.queries import Minutes, minutes_of
from shared import outbox
from shared.caller import Caller
from shared.clock import Moment
from shared.db import Tx
from shared.errors import NotFound
from shared.events.applications import AwardConfirmed, AwardMark, NoticeOpened
from shared.ids import new_id

CLOCK = By(caller="service:applications")


async def open_notice(tx: Tx, *, ids: Sequence[UUID], ground: Ground, caller: Caller, moment: Moment) -> Notice:
    """Announce these funded cases for the working days of their rule. Raises CalendarNotPublished: a closing day is never guessed."""
    locked = await lock_cases(tx, ids=ids)
    cases = [visible_case(locked, application_id=each, caller=caller, pointer=f"/applications/{n}") for n, each in enumerate(ids)]
    rules = [ground.catalogue.policy(case.policy_id).notice_rule_on(case.filed_on) for case in cases]
    rule = check_opening([(case.case_number, case.state) for case in cases], rules=rules)
    days = notice_days(rule, opened_on=moment.on, calendar=ground.calendar)
    opened = await _insert(tx, rule=rule, days=days, supersedes=None, ground=ground, caller=caller, moment=moment)
    await _list_cases(tx, opened, cases=cases)
    moved = await move_cases(tx, [_onto_notice(case, rule=rule, days=days, ground=ground) for case in cases], by=By(caller=caller.id), moment=moment)
    await outbox.append(tx, *(_opened(case, opened, moment=moment) for case in moved))
    return opened


async def supersede_notice(tx: Tx, *, notice_id: UUID, reason: str, ground: Ground, caller: Caller, moment: Moment) -> Notice:
    """Announce the cases that are still on this notice anew from today; a published closing date changes in no other way."""
    earlier = await queries.lock_notice(tx, notice_id=notice_id)
    cases = await lock_cases(tx, ids=await queries.case_ids(tx, notice_id=notice_id))
    standing = [visible_case(cases, application_id=case.id, caller=caller) for case in cases.values() if case.state in ON_NOTICE]
    rules = [ground.catalogue.policy(case.policy_id).notice_rule_on(case.filed_on) for case in standing]
    rule = next(iter({rule.version: rule for rule in rules}.values()), None)
    days = notice_days(rule, opened_on=moment.on, calendar=ground.calendar) if rule is not None else earlier.days
    check_superseding(earlier.days, earlier_state=earlier.state, days=days)
    if rule is None:
        raise NotFound("No case is on this notice any more.", detail_zh="该公示已无进行中的案件。")
    opened = await _insert(tx, rule=rule, days=days, supersedes=earlier.id, ground=ground, caller=caller, moment=moment)
    await _list_cases(tx, opened, cases=standing)
    await tx.execute(update(notice).where(notice.c.id == earlier.id).values(state=NoticeState.SUPERSEDED, closed_at=moment.at))
    moves = [
        Move(
            before=case,
            after=replace(case, due_on=days.closes_on),
            action="supersede_notice",
            clause=rule.clause,
            rule_version=rule.version,
            reason=reason,
            facts=_days_facts(days),
        )
        for case in standing
    ]
    moved = await move_cases(tx, moves, by=By(caller=caller.id), moment=moment)
    await outbox.append(tx, *(_opened(case, opened, moment=moment) for case in moved))
    return opened


async def close_notice(tx: Tx, *, notice_id: UUID, ground: Ground, moment: Moment) -> int:
    """Confirm what is ripe on one notice, and close it once nothing is left on it; returns how many cases moved or notices closed."""
    due = await queries.lock_notice(tx, notice_id=notice_id)
    if due.state is not NoticeState.OPEN:
        # Superseded between the look and the lock: its cases stand on the notice that took its place.
        return 0
    ids = await queries.case_ids(tx, notice_id=due.id)
    cases = await lock_cases(tx, ids=ids)
    objections = await queries.objections_to(tx, ids=ids)
    (rule,) = (rule for rule in ground.catalogue.notice_rules() if rule.version == due.rule_version)
    end = closes_at(due.days, rule=rule, zone=ZoneInfo(ground.city.timezone))
    ripe = [case for case in cases.values() if may_confirm(case.state, closes_at=end, at=moment.at, objections=objections.get(case.id, ()))]
    moved = await move_cases(tx, [_confirmation(case, ground=ground) for case in ripe], by=CLOCK, moment=moment)
    held = [case for case in cases.values() if case.state in ON_NOTICE and case not in ripe]
    if not held:
        await tx.execute(update(notice).where(notice.c.id == due.id).values(state=NoticeState.CLOSED, closed_at=moment.at))
    minutes, marks = await minutes_of(tx, ids=[case.id for case in moved]), await queries.marks_of(tx, ids=[case.id for case in moved])
    confirmed = [_confirmed(case, due, minutes=minutes.get(case.id), marks=marks.get(case.id), moment=moment) for case in moved]
    await outbox.append(tx, *confirmed)
    return len(moved) + (0 if held else 1)


async def _insert(tx: Tx, *, rule: NoticeRule, days: NoticeDays, supersedes: UUID | None, ground: Ground, caller: Caller, moment: Moment) -> Notice:
    number = await tx.scalar(text("SELECT nextval('notice_number_seq')"))
    opened = Notice(
        id=new_id(),
        number=f"{ground.city.case_prefix}-GS-{moment.on.year}-{number:04d}",
        state=NoticeState.OPEN,
        days=days,
        opened_at=moment.at,
        rule_version=rule.version,
    )
    await tx.execute(
        insert(notice).values(
            id=opened.id,
            number=opened.number,
            state=opened.state,
            first_day=days.first_day,
            last_day=days.last_day,
            closes_on=days.closes_on,
            opened_by=caller.id,
            opened_at=moment.at,
            supersedes=supersedes,
            rule_version=rule.version,
        )
    )
    return opened


async def _list_cases(tx: Tx, opened: Notice, *, cases: Sequence[Case]) -> None:
    names = await known.names(tx, usccs={case.applicant_uscc for case in cases})
    await tx.execute(
        insert(notice_case),
        [
            {
                "notice_id": opened.id,
                "application_id": case.id,
                "applicant_uscc": case.applicant_uscc,
                "applicant_name": names.get(case.applicant_uscc, case.applicant_uscc),
                "item_id": case.item_id,
                "amount_fen": case.amount_fen,
            }
            for case in cases
        ],
    )


def _onto_notice(case: Case, *, rule: NoticeRule, days: NoticeDays, ground: Ground) -> Move:
    check_transition(case.state, target=State.ON_NOTICE, by=Actor.CITY)
    after = _waiting(replace(case, state=State.ON_NOTICE, due_on=days.closes_on), ground=ground)
    return Move(before=case, after=after, action="open_notice", clause=rule.clause, rule_version=rule.version, facts=_days_facts(days))


def _days_facts(days: NoticeDays) -> dict[str, str]:
    return {"first_day": days.first_day.isoformat(), "last_day": days.last_day.isoformat(), "closes_on": days.closes_on.isoformat()}


def _confirmation(case: Case, *, ground: Ground) -> Move:
    check_transition(case.state, target=State.CONFIRMED, by=Actor.CLOCK)
    rule = ground.catalogue.policy(case.policy_id).notice_rule_on(case.filed_on)
    after = _waiting(replace(case.due_by(None), state=State.CONFIRMED), ground=ground)
    return Move(before=case, after=after, action="confirm", clause=rule.clause, rule_version=rule.version)


def _waiting(case: Case, *, ground: Ground) -> Case:
    acceptance = ground.catalogue.policy(case.policy_id).acceptance_on(case.filed_on)
    return replace(case, waiting_on=waiting_on(case.state, acceptance=acceptance, pending=()))


def _opened(case: Case, opened: Notice, *, moment: Moment) -> NoticeOpened:
    assert case.amount_fen is not None
    return NoticeOpened(
        **event_fields(case, moment=moment),
        notice_id=opened.id,
        notice_number=opened.number,
        first_day=opened.days.first_day,
        last_day=opened.days.last_day,
        closes_on=opened.days.closes_on,
        amount_fen=case.amount_fen,
    )


def _confirmed(case: Case, closed: Notice, *, minutes: Minutes | None, marks: tuple[AwardMark, ...] | None, moment: Moment) -> AwardConfirmed:
    assert case.proposal_id is not None
    assert case.amount_fen is not None
    return AwardConfirmed(
        **event_fields(case, moment=moment),
        proposal_id=case.proposal_id,
        amount_fen=case.amount_fen,
        confirmed_on=moment.on,
        notice_number=closed.number,
        decision_id=minutes.decision_id if minutes else None,
        decision_stage=minutes.stage if minutes else None,
        decided_on=minutes.decided_on if minutes else None,
        minutes_number=minutes.number if minutes else None,
        marks=marks,
    )
