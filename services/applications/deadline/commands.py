"""Deadlines that passed, and deadlines that can be computed now that their calendar is published."""

import json
from dataclasses import replace

from sqlalchemy import select, text
from sqlalchemy.sql import Select

from services.applications.application.commands import By, Move, case_columns, case_of, event_fields, move_cases
from services.applications.application.tables import application
from services.applications.deadline.rules import recompute
from services.applications.intake.rules import Actor, State, check_transition
from services.applications.policy.catalogue import Catalogue
from shared import outbox
from shared.clock import Moment
from shared.db import Tx
from shared.events.applications import ApplicationLapsed
from shared.workdays import Calendar

CASES_PER_RUN_MAX = 200
CLOCK = By(caller="service:applications")
LAPSED_ZH = "逾期未补正，申报失效"


async def lapse_uncorrected(tx: Tx, *, catalogue: Catalogue, moment: Moment) -> int:
    """Returned cases whose correction never came end the day after it was due; they may be filed anew."""
    overdue = _locked().where(application.c.state == State.RETURNED, application.c.due_on < moment.on)
    cases = [case_of(row) for row in await tx.execute(overdue)]
    moves = []
    for case in cases:
        check_transition(case.state, target=State.LAPSED, by=Actor.CLOCK)
        after = replace(case.due_by(None), state=State.LAPSED, once_key=None, waiting_on=())
        rule = catalogue.policy(case.policy_id).acceptance_on(case.filed_on)
        moves.append(Move(before=case, after=after, action="lapse", clause=rule.clause, rule_version=rule.version, reason=LAPSED_ZH))
    moved = await move_cases(tx, moves, by=CLOCK, moment=moment)
    await outbox.append(tx, *(ApplicationLapsed(**event_fields(case, moment=moment), reason=LAPSED_ZH) for case in moved))
    return len(moved)


_FILL = text("""
UPDATE application a SET due_on = r.due_on FROM jsonb_populate_recordset(NULL::application, CAST(:rows AS jsonb)) r WHERE a.id = r.id
""")


async def compute_open_deadlines(tx: Tx, *, calendar: Calendar) -> int:
    """ "N working days from D" gets its day once the calendar reaches it. The term itself does not change, so no version is counted."""
    waiting = _locked().where(application.c.due_on.is_(None), application.c.due_working_days.is_not(None))
    cases = [case_of(row) for row in await tx.execute(waiting.where(application.c.due_from_day <= calendar.published_until))]
    computed = [(case, recompute(case.due, calendar=calendar)) for case in cases if case.due is not None]
    rows = [{"id": case.id, "due_on": due.due_on} for case, due in computed if due.due_on is not None]
    if rows:
        await tx.execute(_FILL, {"rows": json.dumps(rows, default=str)})
    return len(rows)


def _locked() -> Select[tuple[object, ...]]:
    statement = select(*case_columns()).order_by(application.c.id).limit(CASES_PER_RUN_MAX)
    return statement.with_for_update(skip_locked=True)
