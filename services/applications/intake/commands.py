"""Filing: rows of a caller become applications, or new versions of those they already are. The edge owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias
from uuid import UUID

from services.applications.claim.rules import already_filed
from services.applications.deadline.rules import check_in_time, deadline
from services.applications.intake.rules import Filing, Judgement, State, judge_filing, waiting_on
from services.applications.item.rules import Applicant, Park
from services.applications.known import queries as known
from services.applications.policy.catalogue import Catalogue
from services.applications.row.commands import JudgedRow, Row, WrittenRow, correct_rows, insert_rows, keep_late_changes
from services.applications.row.queries import StandingRow, lock_standing_rows
from services.applications.row.rules import RowConflict, RowVerdict, judge_row, row_fingerprint
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
    """What became of one row. `judgement` tells what still holds up its acceptance."""

    row_reference: str
    status: RowStatus
    application_id: UUID | None = None
    case_number: str | None = None
    version: int | None = None
    state: State | None = None
    judgement: Judgement | None = None
    refusal: Refusal | None = None


@dataclass
class _Call:
    """One call on its way: who, when, by what, and what it has led to so far."""

    ground: Ground
    caller: Caller
    moment: Moment
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    new: list[JudgedRow] = field(default_factory=list)
    corrected: list[JudgedRow] = field(default_factory=list)
    late: list[tuple[Row, StandingRow, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


async def file_rows(tx: Tx, rows: Sequence[Row], *, ground: Ground, caller: Caller, moment: Moment) -> list[Outcome]:
    """Take up to 1,000 rows with distinct references, each on its own merits; answers come in the order of the rows."""
    assert len(rows) <= ROWS_PER_CALL_MAX
    call = _Call(ground=ground, caller=caller, moment=moment)
    standing = await lock_standing_rows(tx, caller=caller, references=[row.row_reference for row in rows])
    applicants = await known.applicants(tx, usccs={row.filing.claim.applicant_uscc for row in rows})
    parks = await known.parks(tx, park_codes={row.filing.claim.park_code for row in rows if row.filing.claim.park_code is not None})
    for row in rows:
        claim = row.filing.claim
        try:
            _judge(
                call,
                row,
                standing=standing.get(row.row_reference),
                applicant=applicants.get(claim.applicant_uscc),
                park=parks.get(claim.park_code or ""),
            )
        except Refusal as refusal:
            call.outcomes[row.row_reference] = Outcome(row_reference=row.row_reference, status="refused", refusal=refusal)
    await _write(tx, call)
    await outbox.append(tx, *call.events)
    return [call.outcomes[row.row_reference] for row in rows]


def _judge(call: _Call, row: Row, *, standing: StandingRow | None, applicant: Applicant | None, park: Park | None) -> None:
    """Sort the row: new, corrected, unchanged, too late; or raise the refusal that answers it."""
    place = call.ground.city.jurisdiction(row.jurisdiction_id)
    require_creating_in(call.caller, place.id, pointer="/jurisdiction_id")
    fingerprint = row_fingerprint(row.content)
    verdict = judge_row(standing.known if standing else None, applicant_uscc=row.filing.claim.applicant_uscc, fingerprint=fingerprint)
    if standing is not None and verdict is RowVerdict.UNCHANGED:
        call.outcomes[row.row_reference] = _as_it_stands(row, standing=standing, status="unchanged")
        return
    if standing is not None and verdict is RowVerdict.IN_REVIEW:
        call.late.append((row, standing, fingerprint.hex()))
        call.outcomes[row.row_reference] = _as_it_stands(row, standing=standing, status="in-review")
        return
    filing = row.filing if standing is None else _correction(row.filing, standing=standing, moment=call.moment)
    judgement = judge_filing(call.ground.catalogue, filing=filing, applicant=applicant, park=park)
    acceptance = call.ground.catalogue.policy(judgement.item.policy_id).acceptance_on(filing.filed_on)
    due = deadline(working_days=acceptance.decide_working_days, from_day=call.moment.on, calendar=call.ground.calendar)
    judged = JudgedRow(
        row=row,
        fingerprint=fingerprint.hex(),
        judgement=judgement,
        filing=filing,
        due=due,
        waiting_on=waiting_on(State.FILED, acceptance=acceptance, pending=()),
        standing=standing,
    )
    (call.new if standing is None else call.corrected).append(judged)


def _correction(filing: Filing, *, standing: StandingRow, moment: Moment) -> Filing:
    """A correction keeps the first filing day and the first day of receipt, and has a deadline of its own."""
    case = standing.case
    if case.state is State.RETURNED:
        check_in_time(case.due, on=moment.on)
    return replace(filing, filed_on=case.filed_on, received_on=case.received_on)


def _as_it_stands(row: Row, *, standing: StandingRow, status: RowStatus) -> Outcome:
    case = standing.case
    return Outcome(
        row_reference=row.row_reference,
        status=status,
        application_id=case.id,
        case_number=case.case_number,
        version=case.version,
        state=case.state,
    )


async def _write(tx: Tx, call: _Call) -> None:
    prefix, year = call.ground.city.case_prefix, call.moment.on.year
    heads = {place.id: f"{prefix}-{year}-{place.number_segment}-" for place in call.ground.city.jurisdictions}
    made = await insert_rows(tx, call.new, case_prefixes=heads, caller=call.caller, moment=call.moment)
    for each in call.new:
        _settle(call, each, written=made.get(each.row.row_reference), status="created")
    corrected = await correct_rows(tx, call.corrected, caller=call.caller, moment=call.moment)
    for each in call.corrected:
        _settle(call, each, written=corrected.get(each.row.row_reference), status="changed")
    await keep_late_changes(tx, call.late, moment=call.moment)


def _settle(call: _Call, each: JudgedRow, *, written: WrittenRow | None, status: RowStatus) -> None:
    """What the database said to the row: it is in, or a constraint refused it."""
    reference = each.row.row_reference
    if written is None:
        # Without a once key only the row reference can have met: the same row is being filed at this moment.
        refusal = already_filed(each.judgement.item) if each.judgement.once_key is not None else _filed_meanwhile()
        call.outcomes[reference] = Outcome(row_reference=reference, status="refused", refusal=refusal)
        return
    call.outcomes[reference] = Outcome(
        row_reference=reference,
        status=status,
        application_id=written.id,
        case_number=written.case_number,
        version=written.version,
        state=State.FILED,
        judgement=each.judgement,
    )
    call.events.append(_filed(call, each, written=written) if status == "created" else _corrected(call, each, written=written))


def repeated_reference(reference: str) -> RowConflict:
    return RowConflict(
        f"Row reference {reference!r} stands twice in this call; the first one was taken.",
        detail_zh=f"行标识{reference!r}在本次报送中重复，仅处理第一行。",
        pointer="/row_reference",
    )


def _filed_meanwhile() -> RowConflict:
    return RowConflict(
        "The same row is being filed by another call at this moment; send it again.",
        detail_zh="该行正由另一请求报送，请稍后重新报送。",
        pointer="/row_reference",
    )


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
    return ApplicationCorrected.model_validate({**_case_fields(call, each, written=written), "requested_fen": each.filing.requested_fen})
