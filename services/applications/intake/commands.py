"""Filing: rows of a caller become applications, or new versions of those they already are. The edge owns the transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias
from uuid import UUID

from services.applications.application.queries import points_of
from services.applications.claim.rules import already_filed
from services.applications.deadline.rules import check_in_time, deadline
from services.applications.intake.rules import Filing, Judgement, OpenPoints, State, judge_filing, waiting_on
from services.applications.item.rules import Applicant, Park
from services.applications.known import queries as known
from services.applications.policy.catalogue import Catalogue
from services.applications.row.commands import JudgedRow, Row, WrittenRow, correct_rows, insert_rows, keep_late_changes
from services.applications.row.queries import (
    Background,
    StandingRow,
    lock_background,
    read_background,
    rows_with_taken_key,
    rows_with_taken_number,
)
from services.applications.row.rules import (
    RowVerdict,
    check_portal_number,
    filed_meanwhile,
    judge_row,
    kept_portal_number,
    portal_number_taken,
    row_fingerprint,
)
from shared import outbox
from shared.caller import Caller, require_creating_in
from shared.city import City
from shared.clock import Moment
from shared.db import Tx
from shared.errors import Refusal
from shared.events import Event
from shared.events.applications import ApplicationCorrected, ApplicationFiled
from shared.workdays import Calendar

ROWS_PER_CALL_MAX = 1_000

RowStatus: TypeAlias = Literal["created", "changed", "unchanged", "in-review", "refused"]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What filings are judged by: the city's policies, its calendar and its districts."""

    catalogue: Catalogue
    calendar: Calendar
    city: City


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one row, and what still stands between it and its acceptance."""

    row_reference: str
    status: RowStatus
    application_id: UUID | None = None
    case_number: str | None = None
    version: int | None = None
    state: State | None = None
    open_points: OpenPoints = field(default_factory=OpenPoints)
    refusal: Refusal | None = None


@dataclass
class _Call:
    """One call on its way: who, when, by what, and what it has led to so far."""

    ground: Ground
    caller: Caller
    moment: Moment
    parks: dict[str, Park] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    # What rows of this call want for themselves alone: of two, the first in the call has it.
    once_keys: set[str] = field(default_factory=set)
    portal_numbers: set[str] = field(default_factory=set)
    new: list[JudgedRow] = field(default_factory=list)
    corrected: list[JudgedRow] = field(default_factory=list)
    late: list[tuple[Row, StandingRow, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    traceparents: list[str | None] = field(default_factory=list)


async def file_rows(tx: Tx, rows: Sequence[Row], *, ground: Ground, caller: Caller, moment: Moment) -> list[Outcome]:
    """Take up to 1,000 rows with distinct references, each on its own merits; answers come in the order of the rows."""
    assert len(rows) <= ROWS_PER_CALL_MAX
    call = _Call(ground=ground, caller=caller, moment=moment)
    await _judge_all(tx, call, rows, backgrounds=await lock_background(tx, caller=caller, **_named(rows)))
    await _write(tx, call)
    await outbox.append(tx, *call.events, traceparents=call.traceparents)
    return [call.outcomes[row.row_reference] for row in rows]


async def rehearse_rows(tx: Tx, rows: Sequence[Row], *, ground: Ground, caller: Caller, moment: Moment) -> list[Outcome]:
    """What file_rows would answer now, by looking alone: nothing is locked or written, and no case number is used up."""
    assert len(rows) <= ROWS_PER_CALL_MAX
    call = _Call(ground=ground, caller=caller, moment=moment)
    await _judge_all(tx, call, rows, backgrounds=await read_background(tx, caller=caller, **_named(rows)))
    judged = [*call.new, *call.corrected]
    keys = {each.row.row_reference: each.judgement.once_key for each in judged if each.judgement.once_key is not None}
    key_taken = await rows_with_taken_key(tx, caller=caller, keys=keys) if keys else set()
    number_taken = await _rows_with_taken_number(tx, call, judged)
    for each in judged:
        reference = each.row.row_reference
        if reference in number_taken or reference in key_taken:
            _refuse(call, each.row, _what_is_taken(each, number_taken=number_taken))
        else:
            call.outcomes[reference] = _would_be(each)
    return [call.outcomes[row.row_reference] for row in rows]


def _named(rows: Sequence[Row]) -> dict[str, list[str]]:
    return {"references": [row.row_reference for row in rows], "usccs": [row.filing.claim.applicant_uscc for row in rows]}


async def _judge_all(tx: Tx, call: _Call, rows: Sequence[Row], *, backgrounds: Sequence[Background]) -> None:
    call.parks = await known.parks(tx, park_codes={row.filing.claim.park_code for row in rows if row.filing.claim.park_code is not None})
    for row, background in zip(rows, backgrounds, strict=True):
        try:
            _judge(call, row, background=background)
        except Refusal as refusal:
            _refuse(call, row, refusal)


def _judge(call: _Call, row: Row, *, background: Background) -> None:
    """Sort the row: new, corrected, unchanged, too late; or raise the refusal that answers it."""
    place = call.ground.city.jurisdiction(row.jurisdiction_id)
    require_creating_in(call.caller, place.id, pointer="/jurisdiction_id")
    check_portal_number(row.portal_number, channel=call.caller.channel)
    standing = background.standing
    fingerprint = row_fingerprint(row.content)
    verdict = judge_row(standing.known if standing else None, applicant_uscc=row.filing.claim.applicant_uscc, fingerprint=fingerprint)
    if standing is not None and verdict in (RowVerdict.UNCHANGED, RowVerdict.IN_REVIEW):
        if verdict is RowVerdict.IN_REVIEW:
            call.late.append((row, standing, fingerprint.hex()))
        status: RowStatus = "in-review" if verdict is RowVerdict.IN_REVIEW else "unchanged"
        call.outcomes[row.row_reference] = _as_it_stands(call, row, standing=standing, applicant=background.applicant, status=status)
        return
    filing = row.filing
    if standing is not None:
        row = replace(row, portal_number=kept_portal_number(row.portal_number, kept=standing.case.portal_number))
        filing = _correction(filing, standing=standing, moment=call.moment)
    park = call.parks.get(filing.claim.park_code or "")
    judgement = judge_filing(call.ground.catalogue, filing=filing, applicant=background.applicant, park=park)
    _take_for_itself(call, row, judgement=judgement)
    judged = _judged(call, row, filing=filing, judgement=judgement, fingerprint=fingerprint, standing=standing)
    (call.new if standing is None else call.corrected).append(judged)


def _correction(filing: Filing, *, standing: StandingRow, moment: Moment) -> Filing:
    """A correction keeps the first filing day and the first day of receipt, and has a deadline of its own."""
    case = standing.case
    if case.state is State.RETURNED:
        check_in_time(case.due, on=moment.on)
    return replace(filing, filed_on=case.filed_on, received_on=case.received_on)


def _take_for_itself(call: _Call, row: Row, *, judgement: Judgement) -> None:
    if judgement.once_key in call.once_keys:
        raise already_filed(judgement.item)
    if row.portal_number is not None and row.portal_number in call.portal_numbers:
        raise portal_number_taken(row.portal_number)
    call.once_keys.update(filter(None, [judgement.once_key]))
    call.portal_numbers.update(filter(None, [row.portal_number]))


def _judged(call: _Call, row: Row, *, filing: Filing, judgement: Judgement, fingerprint: bytes, standing: StandingRow | None) -> JudgedRow:
    acceptance = call.ground.catalogue.policy(judgement.item.policy_id).acceptance_on(filing.filed_on)
    return JudgedRow(
        row=row,
        fingerprint=fingerprint.hex(),
        judgement=judgement,
        filing=filing,
        due=deadline(working_days=acceptance.decide_working_days, from_day=call.moment.on, calendar=call.ground.calendar),
        waiting_on=waiting_on(State.FILED, acceptance=acceptance, pending=()),
        standing=standing,
    )


def _as_it_stands(call: _Call, row: Row, *, standing: StandingRow, applicant: Applicant | None, status: RowStatus) -> Outcome:
    case = standing.case
    park = call.parks.get(case.park_code or "")
    return Outcome(
        row_reference=row.row_reference,
        status=status,
        application_id=case.id,
        case_number=case.case_number,
        version=case.version,
        state=case.state,
        open_points=points_of(case, content=standing.content, catalogue=call.ground.catalogue, applicant=applicant, park=park),
    )


def _refuse(call: _Call, row: Row, refusal: Refusal) -> None:
    call.outcomes[row.row_reference] = Outcome(row_reference=row.row_reference, status="refused", refusal=refusal)


async def _write(tx: Tx, call: _Call) -> None:
    city, year = call.ground.city, call.moment.on.year
    places = {each.row.jurisdiction_id for each in call.new}
    heads = {place: f"{city.case_prefix}-{year}-{city.jurisdiction(place).number_segment}-" for place in places}
    made = await insert_rows(tx, call.new, case_prefixes=heads, caller=call.caller, moment=call.moment)
    corrected = await correct_rows(tx, call.corrected, caller=call.caller, moment=call.moment)
    for each in call.new:
        if (written := made.get(each.row.row_reference)) is not None:
            _settle(call, each, written=written, status="created", event=_filed(call, each, written=written))
    for each in call.corrected:
        if (written := corrected.get(each.row.row_reference)) is not None:
            _settle(call, each, written=written, status="changed", event=_corrected(call, each, written=written))
    await keep_late_changes(tx, call.late, moment=call.moment)
    if unwritten := [each for each in (*call.new, *call.corrected) if each.row.row_reference not in call.outcomes]:
        await _answer_unwritten(tx, call, unwritten)


def _settle(call: _Call, each: JudgedRow, *, written: WrittenRow, status: RowStatus, event: Event) -> None:
    call.outcomes[each.row.row_reference] = Outcome(
        row_reference=each.row.row_reference,
        status=status,
        application_id=written.id,
        case_number=written.case_number,
        version=written.version,
        state=State.FILED,
        open_points=_points(each),
    )
    call.events.append(event)
    call.traceparents.append(each.row.traceparent)


def _would_be(each: JudgedRow) -> Outcome:
    """Of a rehearsal: a case that is not there yet has no id, number or version."""
    reference, points = each.row.row_reference, _points(each)
    if each.standing is None:
        return Outcome(row_reference=reference, status="created", state=State.FILED, open_points=points)
    case = each.standing.case
    return Outcome(
        row_reference=reference,
        status="changed",
        application_id=case.id,
        case_number=case.case_number,
        version=case.version + 1,
        state=State.FILED,
        open_points=points,
    )


def _points(each: JudgedRow) -> OpenPoints:
    return OpenPoints(unverified=each.judgement.unverified, missing_evidence=each.judgement.missing_evidence)


async def _answer_unwritten(tx: Tx, call: _Call, unwritten: Sequence[JudgedRow]) -> None:
    """These rows met a constraint: the same row came by another call, or another row has the portal number or the once key.

    Nothing more is written for them, so nothing is locked: a lock taken now, after the rows of this call, could meet another call's.
    """
    backgrounds = await read_background(tx, caller=call.caller, **_named([each.row for each in unwritten]))
    number_taken = await _rows_with_taken_number(tx, call, unwritten)
    for each, background in zip(unwritten, backgrounds, strict=True):
        row, standing = each.row, background.standing
        if each.standing is None and standing is not None:
            if standing.fingerprint == each.fingerprint:
                call.outcomes[row.row_reference] = _as_it_stands(call, row, standing=standing, applicant=background.applicant, status="unchanged")
            else:
                _refuse(call, row, filed_meanwhile())
        else:
            _refuse(call, row, _what_is_taken(each, number_taken=number_taken))


async def _rows_with_taken_number(tx: Tx, call: _Call, judged: Sequence[JudgedRow]) -> set[str]:
    numbers = {each.row.row_reference: each.row.portal_number for each in judged if each.row.portal_number is not None}
    return await rows_with_taken_number(tx, caller=call.caller, numbers=numbers) if numbers else set()


def _what_is_taken(each: JudgedRow, *, number_taken: Collection[str]) -> Refusal:
    if each.row.portal_number is not None and each.row.row_reference in number_taken:
        return portal_number_taken(each.row.portal_number)
    return already_filed(each.judgement.item) if each.judgement.once_key is not None else filed_meanwhile()


def _case_fields(call: _Call, each: JudgedRow, *, written: WrittenRow) -> dict[str, object]:
    return {
        "happened_at": call.moment.at,
        "happened_on": call.moment.on,
        "application_id": written.id,
        "case_number": written.case_number,
        "case_version": written.version,
        "applicant_uscc": each.judgement.claim.applicant_uscc,
        "item_id": each.judgement.item.id,
        "jurisdiction_id": each.row.jurisdiction_id,
        "state": State.FILED,
    }


def _filed(call: _Call, each: JudgedRow, *, written: WrittenRow) -> ApplicationFiled:
    item = each.judgement.item
    return ApplicationFiled.model_validate(
        {
            **_case_fields(call, each, written=written),
            "policy_id": item.policy_id,
            "item_title_zh": item.title_zh,
            "item_short_name_zh": item.short_name_zh,
            "channel": call.caller.channel,
            "portal_number": each.row.portal_number,
            "filed_on": each.filing.filed_on,
            "received_on": each.filing.received_on,
            "requested_fen": each.filing.requested_fen,
        }
    )


def _corrected(call: _Call, each: JudgedRow, *, written: WrittenRow) -> ApplicationCorrected:
    item = each.judgement.item
    return ApplicationCorrected.model_validate(
        {
            **_case_fields(call, each, written=written),
            "requested_fen": each.filing.requested_fen,
            "item_title_zh": item.title_zh,
            "item_short_name_zh": item.short_name_zh,
        }
    )
