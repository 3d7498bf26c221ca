"""Deadlines that passed, and deadlines whose calendar was published or revised since."""

import json
from dataclasses import replace

from sqlalchemy import select, text

from services.applications.application.commands import By, Case, Move, case_columns, case_of, event_fields, move_cases
from services.applications.application.tables import application
from services.applications.deadline.rules import Deadline, recompute
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
    overdue = select(*case_columns()).where(application.c.state == State.RETURNED, application.c.due_on < moment.on)
    locked = overdue.order_by(application.c.id).limit(CASES_PER_RUN_MAX).with_for_update(skip_locked=True)
    cases = [case_of(row) for row in (await tx.execute(locked)).mappings()]
    moves = []
    for case in cases:
        check_transition(case.state, target=State.LAPSED, by=Actor.CLOCK)
        after = replace(case.due_by(None), state=State.LAPSED, once_key=None, waiting_on=())
        rule = catalogue.policy(case.policy_id).acceptance_on(case.filed_on)
        moves.append(Move(before=case, after=after, action="lapse", clause=rule.clause, rule_version=rule.version, reason=LAPSED_ZH))
    moved = await move_cases(tx, moves, by=CLOCK, moment=moment)
    await outbox.append(tx, *(_lapsed(case, catalogue=catalogue, moment=moment) for case in moved))
    return len(moved)


def _lapsed(case: Case, *, catalogue: Catalogue, moment: Moment) -> ApplicationLapsed:
    """At the stage that sent it back: one of the review, or acceptance."""
    acceptance = catalogue.policy(case.policy_id).acceptance_on(case.filed_on)
    return ApplicationLapsed(**event_fields(case, moment=moment), stage=case.stage or acceptance.id, reason=LAPSED_ZH)


_TERMS = text("SELECT DISTINCT due_working_days, due_from_day, due_on FROM application WHERE due_working_days IS NOT NULL")
_SET = text("""
WITH changed AS (
    SELECT a.id, r.due_on
    FROM application a
    JOIN jsonb_populate_recordset(NULL::application, CAST(:terms AS jsonb)) r USING (due_working_days, due_from_day)
    WHERE a.due_on IS DISTINCT FROM r.due_on
    ORDER BY a.id FOR UPDATE OF a
)
UPDATE application a SET due_on = changed.due_on FROM changed WHERE a.id = changed.id
""")


async def compute_open_deadlines(tx: Tx, *, calendar: Calendar) -> int:
    """ "N working days from D" gets its day once the calendar reaches it, and another one when the calendar was revised.

    The term itself does not change, so no version is counted. A published closing date has no term and stays.
    """
    terms = [Deadline(working_days=row.due_working_days, from_day=row.due_from_day, due_on=row.due_on) for row in await tx.execute(_TERMS)]
    computed = [(term, recompute(term, calendar=calendar)) for term in terms]
    changed = [
        {"due_working_days": new.working_days, "due_from_day": new.from_day, "due_on": new.due_on}
        for old, new in computed
        if new.due_on is not None and new != old
    ]
    return (await tx.execute(_SET, {"terms": json.dumps(changed, default=str)})).rowcount if changed else 0
