"""Writing a caller's rows: new applications, new versions of them, and changes that came too late. All of a call at once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.applications.deadline.rules import Deadline
from services.applications.intake.rules import Filing, Judgement
from services.applications.row.queries import StandingRow
from shared.caller import Caller
from shared.clock import Moment
from shared.db import AnyRow, Tx, fetch
from shared.ids import new_id


@dataclass(frozen=True, kw_only=True)
class Row:
    """One filing as sent: `content` is all that was said, normalised; the rest is what the rules and the table read of it."""

    row_reference: str
    jurisdiction_id: str
    portal_number: str | None
    project_name: str | None
    content: Mapping[str, Any]
    filing: Filing
    # Of the call that brought it: rows of several calls may be written together.
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True)
class JudgedRow:
    """A row that may be written, `due` the day by which the district must look at it."""

    row: Row
    fingerprint: str
    judgement: Judgement
    filing: Filing
    due: Deadline
    waiting_on: tuple[str, ...]
    standing: StandingRow | None = None


@dataclass(frozen=True, kw_only=True)
class WrittenRow:
    id: UUID
    case_number: str
    version: int


# Tries of a correction whose once key or portal number was free when looked at and taken when written.
CORRECTION_TRIES_MAX = 3

# Numbers are given out in the order of the call; the rows go in by once_key, so that two batches meet in one order (opposite orders
# deadlocked in 18 of 30 rounds). A row that is not returned met a constraint: the command asks which.
_INSERT = """
WITH row AS MATERIALIZED (
    SELECT r.*, nextval('case_number_seq')::text AS n
    FROM (SELECT * FROM jsonb_populate_recordset(NULL::application, $1::jsonb) WITH ORDINALITY ORDER BY ordinality) AS r
), made AS (
    INSERT INTO application (id, case_number, version, state, policy_id, item_id, item_version, applicant_uscc, jurisdiction_id, channel, caller,
        row_reference, portal_number, project_name, project_code, park_code, level, support_year, requested_fen, filed_on, received_on, entered_at,
        content, content_version, content_fingerprint, once_key, due_working_days, due_from_day, due_on, waiting_on, changed_at)
    SELECT id, case_number || lpad(n, greatest(6, length(n)), '0'), 1, 'filed', policy_id, item_id, item_version, applicant_uscc, jurisdiction_id,
        channel, caller, row_reference, portal_number, project_name, project_code, park_code, level, support_year, requested_fen, filed_on,
        received_on, $4::timestamptz, content, 1, content_fingerprint, once_key, due_working_days, due_from_day, due_on, waiting_on, $4::timestamptz
    FROM row ORDER BY once_key, row_reference
    ON CONFLICT DO NOTHING
    RETURNING id, row_reference, case_number, item_version
), noted AS (
    INSERT INTO step (application_id, case_version, action, to_state, caller, at, "on", clause, rule_version)
    SELECT id, 1, 'file', 'filed', $3, $4::timestamptz, $5::date, $2::jsonb ->> item_version, item_version FROM made
)
SELECT row_reference, id, case_number FROM made
"""

# The once key and the portal number may have changed with the content; one that is taken leaves the row as it was.
_CORRECT = text("""
WITH row AS (
    SELECT * FROM jsonb_populate_recordset(NULL::application, CAST(:rows AS jsonb))
), kept AS (
    INSERT INTO filed_version (application_id, content_version, content, received_at)
    SELECT a.id, a.content_version, a.content,
        (SELECT max(s.at) FROM step s WHERE s.application_id = a.id AND s.action IN ('file', 'correct'))
    FROM application a JOIN row USING (id)
    WHERE NOT EXISTS (SELECT FROM application o WHERE o.once_key = row.once_key AND o.id <> a.id)
        AND NOT EXISTS (SELECT FROM application o WHERE (o.caller, o.portal_number) = (a.caller, row.portal_number) AND o.id <> a.id)
    RETURNING application_id
), corrected AS (
    UPDATE application AS a SET
        version = a.version + 1, state = 'filed', stage = NULL, policy_id = r.policy_id, item_id = r.item_id, item_version = r.item_version,
        portal_number = r.portal_number, jurisdiction_id = r.jurisdiction_id, project_name = r.project_name, project_code = r.project_code,
        park_code = r.park_code, level = r.level, support_year = r.support_year, requested_fen = r.requested_fen, content = r.content,
        content_version = a.content_version + 1, content_fingerprint = r.content_fingerprint, once_key = r.once_key,
        due_working_days = r.due_working_days, due_from_day = r.due_from_day, due_on = r.due_on, waiting_on = r.waiting_on, changed_at = :at
    FROM row AS r JOIN kept ON kept.application_id = r.id
    WHERE a.id = r.id
    RETURNING a.id, a.row_reference, a.case_number, a.version, a.item_version
), noted AS (
    INSERT INTO step (application_id, case_version, action, from_state, to_state, caller, at, "on", clause, rule_version)
    SELECT c.id, c.version, 'correct', r.state, 'filed', :caller, :at, :on, CAST(:clauses AS jsonb) ->> c.item_version, c.item_version
    FROM corrected c JOIN row r USING (id)
)
SELECT row_reference, id, case_number, version FROM corrected
""")

_KEEP_LATE = text("""
INSERT INTO late_change (application_id, content, difference, received_at, fingerprint)
SELECT application_id, content, difference, :at, fingerprint FROM jsonb_populate_recordset(NULL::late_change, CAST(:rows AS jsonb))
ON CONFLICT DO NOTHING
""")


async def insert_rows(
    tx: Tx, judged: Sequence[JudgedRow], *, case_prefixes: Mapping[str, str], caller: Caller, moment: Moment
) -> dict[str, WrittenRow]:
    """By row reference, those that were made. `case_prefixes`: the head of a case number by jurisdiction, for instance AB-2025-990002-."""
    if not judged:
        return {}
    rows = [
        {**_columns(each, caller=caller), "id": new_id(), "case_number": case_prefixes[each.row.jurisdiction_id], "caller": caller.id}
        for each in judged
    ]
    made = await fetch(tx, _INSERT, *_parameters(rows, judged=judged, caller=caller, moment=moment).values())
    return {row["row_reference"]: WrittenRow(id=row["id"], case_number=row["case_number"], version=1) for row in made}


async def correct_rows(tx: Tx, judged: Sequence[JudgedRow], *, caller: Caller, moment: Moment) -> dict[str, WrittenRow]:
    """By row reference, those that were written; what they said before is kept as a version of its own. Keys are distinct within the call."""
    if not judged:
        return {}
    rows = []
    for each in judged:
        assert each.standing is not None
        rows.append({**_columns(each, caller=caller), "id": each.standing.case.id, "state": each.standing.case.state})
    corrected = await _correct(tx, _parameters(rows, judged=judged, caller=caller, moment=moment))
    return {row.row_reference: WrittenRow(id=row.id, case_number=row.case_number, version=row.version) for row in corrected}


async def _correct(tx: Tx, parameters: Mapping[str, object]) -> Sequence[AnyRow]:
    """A key that somebody takes between the look and the write is waited for, and seen at the next try."""
    for _ in range(CORRECTION_TRIES_MAX - 1):
        try:
            async with tx.begin_nested():
                return (await tx.execute(_CORRECT, parameters)).all()
        except IntegrityError:
            continue
    return (await tx.execute(_CORRECT, parameters)).all()


async def keep_late_changes(tx: Tx, late: Sequence[tuple[Row, StandingRow, str]], *, moment: Moment) -> None:
    """(row, standing, fingerprint): nothing of the case changes; the officer sees what would have."""
    if not late:
        return
    rows = [
        {
            "application_id": standing.case.id,
            "content": row.content,
            "difference": difference(standing.content, after=row.content),
            "fingerprint": fingerprint,
        }
        for row, standing, fingerprint in late
    ]
    await tx.execute(_KEEP_LATE, {"rows": json.dumps(rows, default=str), "at": moment.at})


def difference(before: Mapping[str, Any], *, after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Field by field what was said and what would be said now."""
    return {name: [before.get(name), after.get(name)] for name in sorted({*before, *after}) if before.get(name) != after.get(name)}


def _columns(each: JudgedRow, *, caller: Caller) -> dict[str, Any]:
    row, judgement, filing = each.row, each.judgement, each.filing
    return {
        "policy_id": judgement.item.policy_id,
        "item_id": judgement.item.id,
        "item_version": judgement.item.version,
        "applicant_uscc": judgement.claim.applicant_uscc,
        "jurisdiction_id": row.jurisdiction_id,
        "channel": caller.channel,
        "row_reference": row.row_reference,
        "portal_number": row.portal_number,
        "project_name": row.project_name,
        "project_code": judgement.claim.project_code,
        "park_code": judgement.claim.park_code,
        "level": judgement.claim.level,
        "support_year": judgement.claim.support_year,
        "requested_fen": filing.requested_fen,
        "filed_on": filing.filed_on,
        "received_on": filing.received_on,
        "content": row.content,
        "content_fingerprint": each.fingerprint,
        "once_key": judgement.once_key,
        "due_working_days": each.due.working_days,
        "due_from_day": each.due.from_day,
        "due_on": each.due.due_on,
        "waiting_on": list(each.waiting_on),
    }


def _parameters(rows: list[dict[str, Any]], *, judged: Sequence[JudgedRow], caller: Caller, moment: Moment) -> dict[str, object]:
    return {
        "rows": json.dumps(rows, default=str),
        "clauses": json.dumps({each.judgement.item.version: each.judgement.item.clause for each in judged}),
        "caller": caller.id,
        "at": moment.at,
        "on": moment.on,
    }
