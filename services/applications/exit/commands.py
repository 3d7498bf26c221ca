"""Leaving: an applicant withdraws, the city refuses; where money may be held the case first asks the budget to release it."""

from dataclasses import replace
from uuid import UUID

from services.applications.application.commands import By, Case, Move, event_fields, lock_cases, move_cases, visible_case
from services.applications.intake.rules import ENDED, Actor, State, leave, waiting_on
from services.applications.policy.catalogue import Catalogue
from services.applications.review.rules import check_told_reason
from shared import outbox
from shared.caller import Caller
from shared.clock import Moment
from shared.db import Tx
from shared.events.applications import ApplicationRefused, ApplicationWithdrawn, CaseEvent, ReleaseRequested

# Why money is asked back. What is told to the applicant stays here until the case has ended.
_RELEASE_REASONS_ZH = {State.WITHDRAWN: "申报单位撤回申报", State.REFUSED: "不予支持"}


async def lock_case(tx: Tx, *, application_id: UUID, caller: Caller) -> Case:
    """The case under lock, if it is the caller's to know."""
    return visible_case(await lock_cases(tx, ids=[application_id]), application_id=application_id, caller=caller)


async def leave_case(tx: Tx, case: Case, *, target: State, by: Actor, reason: str, who: By, catalogue: Catalogue, moment: Moment) -> Case:
    """End the case in `target`, or send it there through RELEASING. The applicant is told `reason`."""
    text = check_told_reason(reason, pointer="/reason")
    position, _ = leave(case.state, target=target, by=by)
    item, policy = catalogue.item_version(case.item_version), catalogue.policy(case.policy_id)
    after = replace(
        case.due_by(None),
        state=position.state,
        release_target=position.target,
        release_from=position.origin,
        release_reason=text if position.state is State.RELEASING else None,
        once_key=None if position.state in ENDED else case.once_key,
        waiting_on=waiting_on(position.state, acceptance=policy.acceptance_on(case.filed_on), pending=()),
    )
    action = "withdraw" if target is State.WITHDRAWN else "refuse"
    move = Move(before=case, after=after, action=action, clause=item.clause, rule_version=item.version, reason=text)
    (moved,) = await move_cases(tx, [move], by=who, moment=moment)
    await outbox.append(tx, _announce(case, moved=moved, target=target, reason=text, moment=moment))
    return moved


def _announce(before: Case, *, moved: Case, target: State, reason: str, moment: Moment) -> CaseEvent:
    fields = event_fields(moved, moment=moment)
    if moved.state is State.RELEASING:
        assert moved.proposal_id is not None, "money may be held only for a proposal"
        return ReleaseRequested(**fields, proposal_id=moved.proposal_id, target=target, reason=_RELEASE_REASONS_ZH[target])
    if target is State.WITHDRAWN:
        return ApplicationWithdrawn(**fields, reason=reason)
    return ApplicationRefused(**fields, stage=before.stage or before.state, reason=reason)
