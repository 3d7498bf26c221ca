"""Loading cases under their locks and moving them on: every change of a case is written here, with its step in the history."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Column, select, text

from services.applications.application.rules import is_visible, no_such_application
from services.applications.application.tables import application
from services.applications.claim.rules import Claim
from services.applications.deadline.rules import Deadline
from services.applications.intake.rules import State
from services.applications.policy.entry import Entry
from shared.caller import Caller
from shared.clock import Moment
from shared.db import ByName, Tx

CASES_PER_CALL_MAX = 1_000


@dataclass(frozen=True, kw_only=True)
class Case:
    """A case as its row stands, under lock: what the rules read and a move replaces."""

    id: UUID
    case_number: str
    version: int
    state: State
    stage: str | None
    round: int
    waiting_on: tuple[str, ...]
    policy_id: str
    item_id: str
    item_version: str
    applicant_uscc: str
    jurisdiction_id: str
    caller: str
    channel: str
    portal_number: str | None
    park_code: str | None
    project_code: str | None
    level: str | None
    support_year: int | None
    requested_fen: int
    amount_fen: int | None
    filed_on: date
    received_on: date
    once_key: str | None
    due_working_days: int | None
    due_from_day: date | None
    due_on: date | None
    proposal_id: UUID | None
    fiscal_year: int | None
    release_target: str | None
    release_from: str | None
    release_reason: str | None

    @property
    def claim(self) -> Claim:
        return Claim(
            applicant_uscc=self.applicant_uscc,
            project_code=self.project_code,
            park_code=self.park_code,
            level=self.level,
            support_year=self.support_year,
        )

    @property
    def due(self) -> Deadline | None:
        if self.due_working_days is None or self.due_from_day is None:
            return None
        return Deadline(working_days=self.due_working_days, from_day=self.due_from_day, due_on=self.due_on)

    def due_by(self, deadline: Deadline | None) -> "Case":
        if deadline is None:
            return replace(self, due_working_days=None, due_from_day=None, due_on=None)
        return replace(self, due_working_days=deadline.working_days, due_from_day=deadline.from_day, due_on=deadline.due_on)


_CASE_NAMES = tuple(each.name for each in fields(Case))


def case_columns() -> list[Column[Any]]:
    """What case_of reads."""
    return [application.c[name] for name in _CASE_NAMES]


_LOCK = select(*case_columns()).order_by(application.c.id).with_for_update()


def case_of(row: ByName) -> Case:
    values = {name: row[name] for name in _CASE_NAMES}
    return Case(**{**values, "state": State(values["state"]), "waiting_on": tuple(values["waiting_on"])})


async def lock_cases(tx: Tx, *, ids: Sequence[UUID]) -> dict[UUID, Case]:
    """The cases there are, locked in one order; at most CASES_PER_CALL_MAX."""
    assert len(ids) <= CASES_PER_CALL_MAX
    rows = await tx.execute(_LOCK.where(application.c.id.in_(sorted(set(ids)))))
    return {row["id"]: case_of(row) for row in rows.mappings()}


def visible_case(cases: Mapping[UUID, Case], *, application_id: UUID, caller: Caller, pointer: str | None = None) -> Case:
    """The case, if it is there and the caller's to know; otherwise NotFound, which does not say which of the two."""
    case = cases.get(application_id)
    if case is None or not is_visible(caller, jurisdiction_id=case.jurisdiction_id, filed_by=case.caller):
        raise no_such_application(pointer=pointer)
    return case


@dataclass(frozen=True, kw_only=True)
class By:
    """Who takes the step: the caller, and the officer that a system names for it."""

    caller: str
    officer: str | None = None


@dataclass(frozen=True, kw_only=True)
class Move:
    """One step of one case: the row before and after, and why."""

    before: Case
    after: Case
    action: str
    clause: str
    rule_version: str
    reason: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


# Rows come as one JSON array: one statement moves a thousand cases, and none that changed since it was locked.
_MOVE = text("""
WITH moved AS (
    UPDATE application AS a SET
        version = r.version, state = r.state, stage = r.stage, round = r.round, waiting_on = r.waiting_on, amount_fen = r.amount_fen,
        once_key = r.once_key,
        due_working_days = r.due_working_days, due_from_day = r.due_from_day, due_on = r.due_on, proposal_id = r.proposal_id,
        fiscal_year = r.fiscal_year, release_target = r.release_target, release_from = r.release_from,
        release_reason = r.release_reason, changed_at = :at
    FROM jsonb_populate_recordset(NULL::application, CAST(:cases AS jsonb)) AS r
    WHERE a.id = r.id AND a.version = r.version - 1
    RETURNING a.id
), noted AS (
    INSERT INTO step
        (application_id, case_version, action, from_state, to_state, stage, caller, officer, at, "on", reason, clause, rule_version, facts)
    SELECT s.application_id, s.case_version, s.action, s.from_state, s.to_state, s.stage, :caller, :officer, :at, :on, s.reason, s.clause,
        s.rule_version, s.facts
    FROM jsonb_populate_recordset(NULL::step, CAST(:steps AS jsonb)) AS s
)
SELECT count(*) FROM moved
""")


async def move_cases(tx: Tx, moves: Sequence[Move], *, by: By, moment: Moment) -> list[Case]:
    """Write the moves and their history; returns the cases as they now stand, versions counted on."""
    if not moves:
        return []
    moved = [replace(move.after, version=move.before.version + 1) for move in moves]
    written = await tx.scalar(
        _MOVE,
        {
            "cases": json.dumps([asdict(case) for case in moved], default=str),
            "steps": json.dumps([_step(move, case=case) for move, case in zip(moves, moved, strict=True)], default=str),
            "caller": by.caller,
            "officer": by.officer,
            "at": moment.at,
            "on": moment.on,
        },
    )
    assert written == len(moves), "the rows were locked, so each is at the version that was read"
    return moved


def _step(move: Move, *, case: Case) -> dict[str, Any]:
    return {
        "application_id": case.id,
        "case_version": case.version,
        "action": move.action,
        "from_state": move.before.state,
        "to_state": case.state,
        "stage": move.before.stage,
        "reason": move.reason,
        "clause": move.clause,
        "rule_version": move.rule_version,
        "facts": dict(move.facts),
    }


# An answer that came late changes nothing, but the history has it.
_NOTE = text("""
INSERT INTO step (application_id, case_version, action, from_state, to_state, caller, at, "on", reason, clause, rule_version)
VALUES (:id, :version, :action, :state, :state, :caller, :at, :on, :reason, :clause, :rule_version)
""")


async def note_step(tx: Tx, case: Case, *, action: str, reason: str, rule: Entry, by: By, moment: Moment) -> None:
    """Write something down about a case that does not move it."""
    await tx.execute(
        _NOTE,
        {
            "id": case.id,
            "version": case.version,
            "action": action,
            "state": case.state,
            "caller": by.caller,
            "at": moment.at,
            "on": moment.on,
            "reason": reason,
            "clause": rule.clause,
            "rule_version": rule.version,
        },
    )


def event_fields(case: Case, *, moment: Moment) -> dict[str, Any]:
    """What every event of a case says."""
    return {
        "happened_at": moment.at,
        "happened_on": moment.on,
        "application_id": case.id,
        "case_number": case.case_number,
        "case_version": case.version,
        "applicant_uscc": case.applicant_uscc,
        "item_id": case.item_id,
        "jurisdiction_id": case.jurisdiction_id,
        "state": case.state,
    }
