"""Taking decisions: acceptance and the review stages, up to 300 in a call, each answered by itself."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import text

from services.applications.application.commands import By, Case, Move, event_fields, move_cases, visible_case
from services.applications.deadline.rules import deadline
from services.applications.evidence.rules import check_complete
from services.applications.intake.commands import Ground
from services.applications.intake.rules import Actor, State, check_transition, check_verified, waiting_on
from services.applications.item.rules import check_eligibility
from services.applications.matter.commands import keep_matters
from services.applications.matter.queries import same_matters
from services.applications.matter.rules import Matter, SameMatter, lines_to_compare, matters_of
from services.applications.policy.catalogue import Decider, Item, Policy, Stage
from services.applications.review.queries import Facts, facts_for
from services.applications.review.rules import (
    DECISIONS_PER_CALL_MAX,
    CaseTwice,
    Decision,
    Outcome,
    Verdict,
    check_keeps_minutes,
    check_may_decide,
    check_told_reason,
    decide,
    decider_for,
)
from shared import outbox
from shared.caller import Caller
from shared.clock import Moment
from shared.db import Tx
from shared.errors import Refusal
from shared.events import Event
from shared.events.applications import (
    ApplicationAccepted,
    ApplicationProposed,
    ApplicationRefused,
    AwardsProposed,
    CorrectionAsked,
    Due,
    ProposedAward,
    ReviewDecided,
)
from shared.ids import new_id

ACCEPTANCE = "acceptance"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One decision as it was sent."""

    application_id: UUID
    stage: str
    verdict: Verdict
    reason: str | None
    amount_fen: int | None
    minutes_number: str | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one decision came to: the case as it stands now, with others that may be for the same, or the refusal."""

    application_id: UUID
    case: Case | None = None
    same_matters: Sequence[SameMatter] = ()
    refusal: Refusal | None = None


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """One decision that holds: the move it makes, the stage that it passed, and its row (acceptance has none).

    `matters` are what an accepted case is for, where its line is compared with others.
    """

    move: Move
    passed: Stage | None = None
    decision: Decision | None = None
    matters: frozenset[Matter] | None = None


@dataclass(frozen=True, kw_only=True)
class _Call:
    ground: Ground
    caller: Caller
    officer: str
    moment: Moment
    facts: Facts
    # By policy and year: what the last stage passed, in the order of the decisions. One proposal each.
    proposals: dict[tuple[str, int], UUID] = field(default_factory=lambda: defaultdict(new_id))


async def take_decisions(tx: Tx, asked: Sequence[Asked], *, ground: Ground, caller: Caller, officer: str, moment: Moment) -> list[Answer]:
    """Judge and write each decision. What the last stage passes goes to the budget as one proposal, ranked by the order of the call."""
    assert len(asked) <= DECISIONS_PER_CALL_MAX
    facts = await facts_for(tx, ids=[each.application_id for each in asked])
    call = _Call(ground=ground, caller=caller, officer=officer, moment=moment, facts=facts)
    answers: list[Answer] = []
    taken: dict[UUID, _Taken] = {}
    for each in asked:
        try:
            if each.application_id in taken:
                raise CaseTwice("Decide on a case once in a call.", detail_zh="每个案件在一次提交中只能有一条审核意见。", pointer="/application_id")
            taken[each.application_id] = _judge(call, each)
            answers.append(Answer(application_id=each.application_id))
        except Refusal as refusal:
            answers.append(Answer(application_id=each.application_id, refusal=refusal))
    moved = await move_cases(tx, [each.move for each in taken.values()], by=By(caller=caller.id, officer=officer), moment=moment)
    cases = {case.id: case for case in moved}
    await _write_decisions(tx, call, taken=taken)
    await keep_matters(tx, {id_: each.matters for id_, each in taken.items() if each.matters is not None})
    same = await same_matters(tx, lines={case.id: _compared(ground, case) for case in moved}, caller=caller)
    await outbox.append(tx, *(event for case in moved for event in _announce(call, taken[case.id], case=case)), *_proposals(call, moved))
    return [
        each if each.refusal else replace(each, case=cases[each.application_id], same_matters=same.get(each.application_id, ())) for each in answers
    ]


def _compared(ground: Ground, case: Case) -> frozenset[str]:
    return lines_to_compare(ground.catalogue.policy(case.policy_id).compared_lines_on(case.filed_on), item_id=case.item_id)


def _judge(call: _Call, asked: Asked) -> _Taken:
    case = visible_case(call.facts.cases, application_id=asked.application_id, caller=call.caller, pointer="/application_id")
    policy = call.ground.catalogue.policy(case.policy_id)
    item = call.ground.catalogue.item_version(case.item_version)
    if asked.stage == ACCEPTANCE:
        return _accept(call, asked, case=case, policy=policy, item=item)
    return _review(call, asked, case=case, policy=policy, item=item)


def _accept(call: _Call, asked: Asked, *, case: Case, policy: Policy, item: Item) -> _Taken:
    """受理: every fact and document is there; or the case is returned once with all that is missing, or refused."""
    acceptance = policy.acceptance_on(case.filed_on)
    check_may_decide(call.caller, acceptance.decider)
    check_keeps_minutes(asked.minutes_number, stage=None)
    target = {Verdict.APPROVE: State.ACCEPTED, Verdict.RETURN: State.RETURNED, Verdict.REFUSE: State.REFUSED}[asked.verdict]
    check_transition(case.state, target=target, by=Actor.ACCEPTOR)
    if target is not State.ACCEPTED:
        days = acceptance.correction_working_days
        return _Taken(move=_sent_away(call, asked, case=case, target=target, policy=policy, correction_working_days=days))
    _check_acceptable(call, case=case, policy=policy, item=item)
    first = policy.stages_on(case.filed_on)[0]
    after = replace(case, state=State.ACCEPTED, round=case.round + 1)
    after = _at_stage(call, after, stage=first, pending=first.deciders)
    move = Move(before=case, after=after, action="accept", clause=acceptance.clause, rule_version=acceptance.version, reason=_reason(asked))
    return _Taken(move=move, matters=_matters(call, case=case, policy=policy) if _compared(call.ground, case) else None)


def _matters(call: _Call, *, case: Case, policy: Policy) -> frozenset[Matter]:
    common = policy.evidence_on(case.filed_on).common
    return matters_of(case.claim, documents=call.facts.documents.get(case.id, ()), common=common, filed_on=case.filed_on)


def _check_acceptable(call: _Call, *, case: Case, policy: Policy, item: Item) -> None:
    applicant, park = call.facts.applicants.get(case.applicant_uscc), call.facts.parks.get(case.park_code or "")
    check_verified(check_eligibility(item, claim=case.claim, policy=policy, applicant=applicant, park=park, filed_on=case.filed_on))
    kinds = [each.kind for each in call.facts.documents.get(case.id, ())]
    check_complete(item, policy=policy, kinds=kinds, on=case.filed_on)


def _review(call: _Call, asked: Asked, *, case: Case, policy: Policy, item: Item) -> _Taken:
    stages = policy.stages_on(case.filed_on)
    decision = Decision(
        round=case.round,
        stage=asked.stage,
        decider=decider_for(call.caller, stage_id=asked.stage, stages=stages, waiting_on=case.waiting_on),
        officer=call.officer,
        verdict=asked.verdict,
        reason=_reason(asked),
        amount_fen=asked.amount_fen,
        minutes_number=asked.minutes_number,
    )
    earlier = call.facts.earlier.get(case.id, ())
    outcome = decide(item=item, stages=stages, state=case.state, stage=case.stage, earlier=earlier, decision=decision)
    stage = next(each for each in stages if each.id == asked.stage)
    if outcome.state in (State.REFUSED, State.RETURNED):
        check_transition(case.state, target=outcome.state, by=Actor.REVIEWER)
        days = stage.correction_working_days
        return _Taken(move=_sent_away(call, asked, case=case, target=outcome.state, policy=policy, correction_working_days=days), decision=decision)
    after, action = _approved(call, case=case, policy=policy, stages=stages, outcome=outcome)
    facts = {} if outcome.amount_fen is None else {"amount_fen": outcome.amount_fen}
    move = Move(before=case, after=after, action=action, clause=stage.clause, rule_version=stage.version, reason=decision.reason, facts=facts)
    return _Taken(move=move, passed=stage if outcome.stage_passed else None, decision=decision)


def _approved(call: _Call, *, case: Case, policy: Policy, stages: Sequence[Stage], outcome: Outcome) -> tuple[Case, str]:
    """The case after an approval: at the same stage, at the next one, or proposed for money."""
    if outcome.stage is None:
        check_transition(State.IN_REVIEW, target=State.PROPOSED, by=Actor.CITY)
        year = call.moment.on.year
        after = replace(
            case,
            state=State.PROPOSED,
            stage=None,
            amount_fen=outcome.amount_fen,
            proposal_id=call.proposals[case.policy_id, year],
            fiscal_year=year,
            waiting_on=waiting_on(State.PROPOSED, acceptance=policy.acceptance_on(case.filed_on), pending=()),
        )
        return after.due_by(None), "propose"
    check_transition(case.state, target=State.IN_REVIEW, by=Actor.REVIEWER)
    after = replace(case, state=State.IN_REVIEW)
    if outcome.stage_passed:
        following = next(each for each in stages if each.id == outcome.stage)
        return _at_stage(call, after, stage=following, pending=outcome.pending), "approve"
    return replace(after, waiting_on=tuple(decider.value for decider in outcome.pending)), "approve"


def _at_stage(call: _Call, case: Case, *, stage: Stage, pending: Sequence[Decider]) -> Case:
    due = deadline(working_days=stage.decide_working_days, from_day=call.moment.on, calendar=call.ground.calendar)
    return replace(case, stage=stage.id, waiting_on=tuple(decider.value for decider in pending)).due_by(due)


def _sent_away(call: _Call, asked: Asked, *, case: Case, target: State, policy: Policy, correction_working_days: int) -> Move:
    """Returned for correction with a day, or refused; a refusal gives the once key back."""
    reason = check_told_reason(asked.reason, pointer="/reason")
    acceptance = policy.acceptance_on(case.filed_on)
    after = replace(case, state=target, waiting_on=waiting_on(target, acceptance=acceptance, pending=()))
    if target is State.RETURNED:
        after = after.due_by(deadline(working_days=correction_working_days, from_day=call.moment.on, calendar=call.ground.calendar))
    else:
        after = replace(after.due_by(None), once_key=None)
    item = call.ground.catalogue.item_version(case.item_version)
    action = "return" if target is State.RETURNED else "refuse"
    return Move(before=case, after=after, action=action, clause=item.clause, rule_version=item.version, reason=reason)


def _reason(asked: Asked) -> str | None:
    return (asked.reason or "").strip() or None


_WRITE = text("""
INSERT INTO decision (application_id, round, stage, decider, attempt, verdict, amount_fen, reason, minutes_number, officer, caller, at, "on")
SELECT d.application_id, d.round, d.stage, d.decider,
    1 + (SELECT count(*) FROM decision e
         WHERE (e.application_id, e.round, e.stage, e.decider) = (d.application_id, d.round, d.stage, d.decider)),
    d.verdict, d.amount_fen, d.reason, d.minutes_number, d.officer, :caller, :at, :on
FROM jsonb_populate_recordset(NULL::decision, CAST(:decisions AS jsonb)) AS d
""")


async def _write_decisions(tx: Tx, call: _Call, *, taken: dict[UUID, _Taken]) -> None:
    rows = [
        {
            "application_id": application_id,
            "round": each.decision.round,
            "stage": each.decision.stage,
            "decider": each.decision.decider,
            "verdict": each.decision.verdict,
            "amount_fen": each.decision.amount_fen,
            "reason": each.decision.reason,
            "minutes_number": each.decision.minutes_number,
            "officer": each.decision.officer,
        }
        for application_id, each in taken.items()
        if each.decision is not None
    ]
    if rows:
        await tx.execute(_WRITE, {"decisions": json.dumps(rows, default=str), "caller": call.caller.id, "at": call.moment.at, "on": call.moment.on})


def _announce(call: _Call, taken: _Taken, *, case: Case) -> list[Event]:
    """What is told about one decision; an approval that others still have to join is not told."""
    fields = event_fields(case, moment=call.moment)
    stage, reason = taken.move.before.stage or ACCEPTANCE, taken.move.reason or ""
    match taken.move.action:
        case "accept":
            return [ApplicationAccepted(**fields, accepted_on=call.moment.on)]
        case "return":
            assert case.due is not None
            due = Due(working_days=case.due.working_days, from_day=case.due.from_day, due_on=case.due.due_on)
            return [CorrectionAsked(**fields, stage=stage, reason=reason, due=due)]
        case "refuse":
            return [ApplicationRefused(**fields, stage=stage, reason=reason)]
    if taken.passed is None:
        return []
    passed = ReviewDecided(**fields, stage=taken.passed.id, stage_title_zh=taken.passed.title_zh, decided_on=call.moment.on)
    if case.state is not State.PROPOSED:
        return [passed]
    assert case.proposal_id is not None
    assert case.amount_fen is not None
    return [passed, ApplicationProposed(**fields, proposal_id=case.proposal_id, amount_fen=case.amount_fen)]


def _proposals(call: _Call, moved: Sequence[Case]) -> list[AwardsProposed]:
    return [
        AwardsProposed(
            happened_at=call.moment.at,
            happened_on=call.moment.on,
            proposal_id=proposal_id,
            fiscal_year=year,
            policy_id=policy_id,
            awards=tuple(_award(case) for case in moved if case.state is State.PROPOSED and case.proposal_id == proposal_id),
        )
        for (policy_id, year), proposal_id in call.proposals.items()
    ]


def _award(case: Case) -> ProposedAward:
    assert case.amount_fen is not None
    return ProposedAward(
        application_id=case.id,
        case_number=case.case_number,
        applicant_uscc=case.applicant_uscc,
        line_id=case.item_id,
        jurisdiction_id=case.jurisdiction_id,
        amount_fen=case.amount_fen,
    )
