"""Writing portal records, claiming them for a call, and recording what the portal answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import Counter
from sqlalchemy import JSON, bindparam, text, update
from sqlalchemy.dialects.postgresql import insert

from services.notifications.case.rules import Case, deciding_jurisdiction, shown_values
from services.notifications.policy import Policy
from services.notifications.policy.interface import Interface, Step
from services.notifications.portal import rules
from services.notifications.portal.rules import Department, OpenSpecial, Progress, Record, RecordKind, Reporting
from services.notifications.portal.tables import portal_case, portal_record
from shared.city import City
from shared.db import AnyRow, Tx
from shared.events.applications import ApplicationFiled, CaseEvent
from shared.ids import new_id

log = structlog.get_logger()

SKIPPED = Counter("portal_steps_skipped_total", "Steps of cases that make no portal record, by reason", ["reason"])

CLAIMS_MAX = 40
# Longer than one run can take at worst: CLAIMS_MAX calls, CALLS_MAX at a time, CALL_S_MAX each.
LEASE_S = 30
ANSWER_CHARACTERS_MAX = 500

_BEGIN = insert(portal_case).on_conflict_do_nothing()
_PROGRESS = text("""
SELECT c.*,
    EXISTS (SELECT FROM portal_record r
        WHERE r.application_id = c.application_id AND r.case_version = :case_version AND r.event_type = :event_type) AS reported,
    (SELECT coalesce(json_agg(json_build_object('special', s.special, 'sn', s.sn, 'dataver', s.dataver, 'content', s.content) ORDER BY s.sn), '[]')
        FROM (SELECT DISTINCT ON (sn) special, sn, dataver, content FROM portal_record r
            WHERE r.application_id = c.application_id AND r.kind = 'special' ORDER BY sn, dataver DESC) s
        WHERE s.content ->> 'nodeendtime' = '') AS open_specials
FROM portal_case c WHERE c.application_id = :application_id FOR UPDATE OF c
""").columns(open_specials=JSON)
_WRITE = insert(portal_record)
# A case that was waiting keeps its place; an idle one is due at once.
_ADVANCE = text("""
UPDATE portal_case SET applicant_named = :applicant_named, accepted = :accepted, node_started_at = :node_started_at, last_sn = :last_sn,
    basic_dataver = :basic_dataver, done_dataver = :done_dataver, last_position = last_position + :written, next_try_at = coalesce(next_try_at, now())
WHERE application_id = :application_id
""")


async def report(tx: Tx, event: CaseEvent, *, case: Case, policy: Policy, city: City) -> None:
    """Write the records of one step; nothing for a step that is silent, was reported already, or belongs to a case that is not pushed."""
    interface = policy.interface
    # Decided once, at the filing: a case that is half reported would stay open at the portal for ever.
    if isinstance(event, ApplicationFiled) and interface.pushes(case.channel):
        await _begin(tx, event, case=case, interface=interface)
    row = await _locked_case(tx, event)
    if row is None:
        SKIPPED.labels("channel").inc()
        return
    step = interface.step_for(event.type, accepted=row.accepted)
    if step is None or row.reported:
        SKIPPED.labels("silent" if step is None else "repeat").inc()
        return
    reporting = _reporting(event, step=step, case=case, row=row, policy=policy, city=city)
    records = rules.records_for(reporting)
    if not records:
        SKIPPED.labels("nothing_to_say").inc()
        return
    await _write(tx, reporting, records=records, first_position=row.last_position + 1)


async def _begin(tx: Tx, event: ApplicationFiled, *, case: Case, interface: Interface) -> None:
    """Give the case a project number that no other case has."""
    values = {
        "application_id": event.application_id,
        "applicant_uscc": event.applicant_uscc,
        "applicant_named": False,
        "accepted": False,
        "node_started_at": event.happened_at,
        **dict.fromkeys(("last_sn", "basic_dataver", "done_dataver", "last_position", "accepted_position"), 0),
    }
    for projid in rules.project_numbers(case, application_id=event.application_id, interface=interface):
        begun = await tx.execute(_BEGIN, values | {"projid": projid})
        if begun.rowcount == 1:
            return
    log.info("portal_case_known", application_id=str(event.application_id))


async def _locked_case(tx: Tx, event: CaseEvent) -> AnyRow | None:
    """None for a case whose channel was not pushed when it was filed."""
    wanted = {"application_id": event.application_id, "case_version": event.case_version, "event_type": event.type}
    return (await tx.execute(_PROGRESS, wanted)).one_or_none()


def _reporting(event: CaseEvent, *, step: Step, case: Case, row: AnyRow, policy: Policy, city: City) -> Reporting:
    interface = policy.interface
    decided_in = deciding_jurisdiction(step.decided_by, event=event, district_stages=policy.wording.district_stages.stages, city_id=city.id)
    accepting = _department(event.jurisdiction_id, interface=interface, city=city)
    return Reporting(
        event=event,
        step=step,
        case=case,
        progress=_progress(row),
        interface=interface,
        values=shown_values(event, case=case, bureau_zh=accepting.name_zh),
        region_code=city.wire_code(event.jurisdiction_id),
        accepting=accepting,
        deciding=_department(decided_in, interface=interface, city=city),
        zone=ZoneInfo(city.timezone),
    )


def _department(jurisdiction_id: str, *, interface: Interface, city: City) -> Department:
    name_zh = city.jurisdiction(jurisdiction_id).bureaus.human_resources_zh
    return Department(name_zh=name_zh, code=interface.department_codes.get(jurisdiction_id, ""))


def _progress(row: AnyRow) -> Progress:
    return Progress(
        projid=row.projid,
        applicant_named=row.applicant_named,
        accepted=row.accepted,
        node_started_at=row.node_started_at,
        last_sn=row.last_sn,
        basic_dataver=row.basic_dataver,
        done_dataver=row.done_dataver,
        open_specials=tuple(OpenSpecial(**each) for each in row.open_specials),
    )


async def _write(tx: Tx, reporting: Reporting, *, records: list[Record], first_position: int) -> None:
    event = reporting.event
    await tx.execute(
        _WRITE,
        [
            {
                "id": new_id(),
                "application_id": event.application_id,
                "position": position,
                "case_number": event.case_number,
                "jurisdiction_id": event.jurisdiction_id,
                "case_version": event.case_version,
                "event_type": event.type,
                "kind": record.kind,
                "sn": record.sn,
                "dataver": record.dataver,
                "special": record.special,
                "content": record.content,
            }
            for position, record in enumerate(records, start=first_position)
        ],
    )
    after = rules.progress_after(reporting, records)
    await tx.execute(
        _ADVANCE,
        {
            "application_id": event.application_id,
            "applicant_named": after.applicant_named,
            "accepted": after.accepted,
            "node_started_at": after.node_started_at,
            "last_sn": after.last_sn,
            "basic_dataver": after.basic_dataver,
            "done_dataver": after.done_dataver,
            "written": len(records),
        },
    )


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The next record of one case, ours to send until the lease ends. `mobile` is the applicant's, for the call alone."""

    record_id: UUID
    application_id: UUID
    number: int
    position: int
    kind: RecordKind
    attempts: int
    content: Mapping[str, str]
    mobile: str | None


# Two statements: the second one's snapshot sees every record that a case locked by the first one has.
_CLAIM = text("""
WITH due AS (
    SELECT application_id FROM portal_case WHERE next_try_at <= :at ORDER BY next_try_at LIMIT :claims_max FOR UPDATE SKIP LOCKED
)
UPDATE portal_case c SET next_try_at = :until, claim = c.claim + 1
FROM due WHERE c.application_id = due.application_id
RETURNING c.application_id, c.claim, c.accepted_position + 1 AS position
""")
_CLAIMED = text("""
SELECT r.id, r.application_id, claimed.claim, r.position, r.kind, r.attempts, r.content, contact.mobile
FROM unnest(CAST(:application_ids AS uuid[]), CAST(:positions AS int[]), CAST(:claims AS bigint[])) AS claimed (application_id, position, claim)
JOIN portal_record r ON r.application_id = claimed.application_id AND r.position = claimed.position
JOIN portal_case c ON c.application_id = r.application_id
LEFT JOIN contact ON contact.uscc = c.applicant_uscc
""").columns(content=JSON)


async def claim_due(tx: Tx, *, at: datetime) -> list[Claim]:
    """At most CLAIMS_MAX cases, the longest due first, each with its next record."""
    due = {"at": at, "until": at + timedelta(seconds=LEASE_S), "claims_max": CLAIMS_MAX}
    held = (await tx.execute(_CLAIM, due)).all()
    if not held:
        return []
    wanted = {
        "application_ids": [row.application_id for row in held],
        "positions": [row.position for row in held],
        "claims": [row.claim for row in held],
    }
    rows = (await tx.execute(_CLAIMED, wanted)).all()
    assert len(rows) == len(held), "a case that is due has a record to send"
    return [
        Claim(
            record_id=row.id,
            application_id=row.application_id,
            number=row.claim,
            position=row.position,
            kind=RecordKind(row.kind),
            attempts=row.attempts,
            content=row.content,
            mobile=row.mobile,
        )
        for row in rows
    ]


_ACCEPTED = (
    update(portal_record)
    .where(portal_record.c.id == bindparam("record_id"), portal_record.c.state != "accepted")
    .values(state="accepted", attempts=portal_record.c.attempts + 1, accepted_at=bindparam("at"), last_answer=bindparam("answer"))
)
# The position decides what is left, not a look at the records: one written meanwhile is never overlooked.
_GO_ON = text("""
UPDATE portal_case SET accepted_position = greatest(accepted_position, :position),
    next_try_at = CASE WHEN last_position > :position THEN CAST(:at AS timestamptz) END
WHERE application_id = :application_id AND claim = :claim
""")
_FAILED = (
    update(portal_record)
    .where(portal_record.c.id == bindparam("record_id"), portal_record.c.state != "accepted")
    .values(state="failing", attempts=portal_record.c.attempts + 1, last_answer=bindparam("answer"))
)
_TRY_LATER = text("UPDATE portal_case SET next_try_at = :next_try_at WHERE application_id = :application_id AND claim = :claim")


async def record_accepted(tx: Tx, claim: Claim, *, answer: str, at: datetime) -> None:
    """The portal has it: the case's next record is due at once. An answer to a claim that was taken over changes nothing."""
    moved = await tx.execute(_GO_ON, {"application_id": claim.application_id, "claim": claim.number, "position": claim.position, "at": at})
    if moved.rowcount == 1:
        await tx.execute(_ACCEPTED, {"record_id": claim.record_id, "at": at, "answer": answer[:ANSWER_CHARACTERS_MAX]})


async def record_failed(tx: Tx, claim: Claim, *, answer: str, at: datetime) -> None:
    """The same record is tried again later, and nothing of its case goes before it."""
    next_try_at = at + timedelta(seconds=rules.retry_after_s(claim.attempts + 1))
    moved = await tx.execute(_TRY_LATER, {"application_id": claim.application_id, "claim": claim.number, "next_try_at": next_try_at})
    if moved.rowcount == 1:
        await tx.execute(_FAILED, {"record_id": claim.record_id, "answer": answer[:ANSWER_CHARACTERS_MAX]})
