"""Objections to an award on notice: entered with the instant of their receipt, admitted or not, upheld or dismissed."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update

from services.applications.application.commands import By, Case, Move, event_fields, move_cases, note_step
from services.applications.exit.commands import leave_case, lock_case
from services.applications.intake.commands import Ground
from services.applications.intake.rules import Actor, State, check_transition, waiting_on
from services.applications.notice import queries
from services.applications.notice.rules import (
    ON_NOTICE,
    PAST_NOTICE,
    UNDECIDED,
    ObjectionState,
    case_after_objection,
    check_objection_in_time,
    check_objection_step,
)
from services.applications.notice.tables import objection
from services.applications.review.rules import check_reason
from shared import outbox
from shared.caller import Caller
from shared.clock import Moment
from shared.db import AnyRow, Tx
from shared.errors import NotFound
from shared.events.applications import CaseResumed, CaseSuspended
from shared.ids import new_id

# What is told about an objection: what an objector wrote, and the officer's reason with it, may name people and stay in its own record.
TOLD_ZH = {
    State.SUSPENDED: "公示期内收到异议，已受理核查",
    State.ON_NOTICE: "异议核查完毕，继续公示程序",
    State.REFUSED: "公示期内的异议经核查成立，不予支持",
}
ENTERED_LATE_ZH = "公示期内收到的异议，于支持确认后登记"


@dataclass(frozen=True, kw_only=True)
class Concerned:
    """An objection as it stands after the step, and the case it concerns."""

    objection: AnyRow
    case: Case


async def enter_objection(
    tx: Tx, *, notice_id: UUID, application_id: UUID, grounds: str, received_at: datetime, ground: Ground, caller: Caller, moment: Moment
) -> Concerned:
    """Take an objection in. It counts by when it reached the office: it may be entered after the last day, even when the award is confirmed."""
    notice = await queries.lock_notice(tx, notice_id=notice_id)
    if application_id not in await queries.case_ids(tx, notice_id=notice_id):
        raise NotFound("The notice does not list this case.", detail_zh="该公示未列入此案件。", pointer="/application_id")
    case = await lock_case(tx, application_id=application_id, caller=caller)
    zone = ZoneInfo(ground.city.timezone)
    check_objection_in_time(notice.days, opened_at=notice.opened_at, received_at=received_at, entered_at=moment.at, zone=zone)
    entered_late = case.state in PAST_NOTICE
    if entered_late:
        rule = ground.catalogue.policy(case.policy_id).notice_rule_on(case.filed_on)
        await note_step(tx, case, action="objection_entered_late", reason=ENTERED_LATE_ZH, rule=rule, by=By(caller=caller.id), moment=moment)
    elif case.state not in ON_NOTICE:
        check_transition(case.state, target=State.SUSPENDED, by=Actor.CITY)
    entered = {
        "id": new_id(),
        "notice_id": notice_id,
        "application_id": application_id,
        "state": ObjectionState.RECEIVED,
        "version": 1,
        "grounds": grounds,
        "received_at": received_at,
        "entered_by": caller.id,
        "entered_at": moment.at,
        "entered_late": entered_late,
    }
    return Concerned(objection=(await tx.execute(insert(objection).values(**entered).returning(objection))).one(), case=case)


async def decide_objection(
    tx: Tx, standing: AnyRow, *, target: ObjectionState, reason: str, ground: Ground, caller: Caller, moment: Moment
) -> Concerned:
    """Admit, not admit, uphold or dismiss; the case follows as far as it still can: suspended, released and refused, or back on notice."""
    check_objection_step(ObjectionState(standing.state), target=target)
    text = check_reason(reason, pointer="/reason")
    case = await lock_case(tx, application_id=standing.application_id, caller=caller)
    values = {"state": target, "version": standing.version + 1, "decided_by": caller.id, "decided_at": moment.at, "reason": text}
    decided = (await tx.execute(update(objection).where(objection.c.id == standing.id).values(**values).returning(objection))).one()
    others = await _other_objections(tx, standing)
    state = case_after_objection(case.state, decided=target, others=others)
    if state is not case.state:
        case = await _follow(tx, case, state=state, objection_id=standing.id, ground=ground, caller=caller, moment=moment)
    return Concerned(objection=decided, case=case)


async def _follow(tx: Tx, case: Case, *, state: State, objection_id: UUID, ground: Ground, caller: Caller, moment: Moment) -> Case:
    who, reason = By(caller=caller.id), TOLD_ZH[state]
    if state is State.REFUSED:
        return await leave_case(tx, case, target=State.REFUSED, by=Actor.CITY, reason=reason, who=who, catalogue=ground.catalogue, moment=moment)
    check_transition(case.state, target=state, by=Actor.CITY)
    policy = ground.catalogue.policy(case.policy_id)
    rule = policy.notice_rule_on(case.filed_on)
    after = replace(case, state=state, waiting_on=waiting_on(state, acceptance=policy.acceptance_on(case.filed_on), pending=()))
    action = "suspend" if state is State.SUSPENDED else "resume"
    move = Move(before=case, after=after, action=action, clause=rule.clause, rule_version=rule.version, reason=reason)
    (moved,) = await move_cases(tx, [move], by=who, moment=moment)
    told = CaseSuspended if state is State.SUSPENDED else CaseResumed
    await outbox.append(tx, told(**event_fields(moved, moment=moment), objection_id=objection_id, reason=reason))
    return moved


async def lock_objection(tx: Tx, *, objection_id: UUID, caller: Caller) -> AnyRow:
    """The objection under lock, its notice and case locked first, in the order that closing a notice takes them."""
    row = (await tx.execute(select(objection).where(objection.c.id == objection_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such objection.", detail_zh="未找到该异议。")
    await queries.lock_notice(tx, notice_id=row.notice_id)
    await lock_case(tx, application_id=row.application_id, caller=caller)
    return (await tx.execute(select(objection).where(objection.c.id == objection_id).with_for_update())).one()


async def _other_objections(tx: Tx, standing: AnyRow) -> list[ObjectionState]:
    others = select(objection.c.state).where(objection.c.application_id == standing.application_id, objection.c.id != standing.id)
    return [ObjectionState(state) for state in (await tx.execute(others)).scalars() if state in UNDECIDED]
