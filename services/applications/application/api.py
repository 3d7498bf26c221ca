"""Applications over HTTP: reading them, following them, and leaving."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.applications.application import queries
from services.applications.application.commands import By
from services.applications.application.rules import check_filer, sees_own_only
from services.applications.exit.commands import leave_case, lock_case
from services.applications.funding.rules import Remedy, remedy_for
from services.applications.intake.rules import STATE_TEXTS, WAITING_ON_TITLES_ZH, Actor, OpenPoints, State, next_step
from services.applications.matter.api import SameMatterView
from services.applications.matter.queries import same_matters
from services.applications.matter.rules import lines_to_compare
from services.applications.paging import Place, place_after
from services.applications.policy.in_use import catalogue
from services.applications.review.rules import REASON_CHARS_MAX, officer_of
from services.applications.wire import OfficerName
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow, Tx
from shared.errors import FieldProblem, Invalid
from shared.idempotency import Once
from shared.paging import Cursor, Limit, Page, id_of_last, next_cursor
from shared.uscc import Uscc
from shared.web import IfMatch, Live, Wire, etag, require_version, router

applications = router("applications")

# Steps whose reason is meant for the applicant; remarks on an approval are for the offices alone.
TOLD_ACTIONS = frozenset(
    {"return", "refuse", "withdraw", "lapse", "suspend", "resume", "payment_returned", "payment_clawed_back", "supersede_notice"}
)


class ApplicationView(BaseModel):
    """A case as it stands: who has to act, by when, and what comes next.

    Before acceptance it says what is still wanted: facts of the registry, documents, or a known fact that rules the application out.
    """

    id: UUID
    case_number: str
    version: int
    state: str
    state_zh: str
    stage: str | None
    waiting_on: list[str]
    waiting_on_zh: list[str]
    due_on: date | None
    due_working_days: int | None
    due_from_day: date | None
    next_step_zh: str
    next_step_en: str
    item_id: str
    item_version: str
    applicant_uscc: str
    jurisdiction_id: str
    channel: str
    row_reference: str
    portal_number: str | None
    project_name: str | None
    project_code: str | None
    park_code: str | None
    level: str | None
    support_year: int | None
    requested_fen: int
    amount_fen: int | None
    filed_on: date
    received_on: date
    entered_at: datetime
    unverified: list[str]
    missing_evidence: list[str]
    ruled_out_zh: str | None
    ruled_out_en: str | None
    proposal_id: UUID | None
    changed_at: datetime

    @classmethod
    def of(cls, row: AnyRow, *, points: OpenPoints, remedy: Remedy | None) -> "ApplicationView":
        state = State(row.state)
        stages = catalogue().policy(row.policy_id).stages_on(row.filed_on)
        next_zh, next_en = remedy or next_step(state, stage=next((stage for stage in stages if stage.id == row.stage), None))
        derived = {
            "state_zh": STATE_TEXTS[state].title_zh,
            "waiting_on_zh": [WAITING_ON_TITLES_ZH[who] for who in row.waiting_on],
            "next_step_zh": next_zh,
            "next_step_en": next_en,
            "unverified": [fact.value for fact in points.unverified],
            "missing_evidence": list(points.missing_evidence),
            "ruled_out_zh": points.ruled_out.detail_zh if points.ruled_out else None,
            "ruled_out_en": points.ruled_out.detail_en if points.ruled_out else None,
        }
        return cls.model_validate({**row._mapping, **derived})


class StepView(BaseModel):
    """One line of the history: who, when, why, by which clause and version of the rule."""

    case_version: int
    action: str
    from_state: str | None
    to_state: str
    stage: str | None
    caller: str | None
    officer: str | None
    at: datetime
    on: date
    reason: str | None
    clause: str
    rule_version: str
    facts: dict[str, Any]

    @classmethod
    def of(cls, row: AnyRow, *, reader: Caller) -> "StepView":
        """The applicants' own channel is not shown who in the offices did it, nor remarks that are not meant for them."""
        step = cls.model_validate(dict(row._mapping))
        if not sees_own_only(reader):
            return step
        hidden = {"caller": None, "officer": None, "reason": step.reason if step.action in TOLD_ACTIONS else None}
        return step.model_copy(update=hidden if step.caller != reader.id else {"officer": None})


class DecisionView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    round: int
    stage: str
    decider: str
    attempt: int
    verdict: str
    amount_fen: int | None
    reason: str | None
    minutes_number: str | None
    officer: str
    at: datetime


class LateChangeView(BaseModel):
    """What a change after acceptance would have changed, field by field: [before, after]."""

    model_config = ConfigDict(from_attributes=True)

    received_at: datetime
    difference: dict[str, list[Any]]


class WholeApplication(ApplicationView):
    content: dict[str, Any]
    history: list[StepView]
    decisions: list[DecisionView]
    late_changes: list[LateChangeView]
    same_matters: list[SameMatterView]


class ChangedPage(BaseModel):
    """`changed_after` of the next call; it is given also when there is nothing new."""

    rows: list[ApplicationView]
    changed_after: str


class LeaveApplication(Wire):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "申报单位主动撤回"}]})

    reason: str = Field(max_length=REASON_CHARS_MAX)
    officer: OfficerName | None = None


@applications.get("/v1/applications", summary="Applications, or those changed since a place in the feed | 申报列表与变更查询")
async def list_applications(
    caller: Annotated[Caller, may("applications:read")],
    live: Live,
    changed_after: Annotated[str | None, Query(max_length=500, description="Empty for the beginning | 首次为空字符串")] = None,
    state: Annotated[State | None, Query()] = None,
    item_id: Annotated[str | None, Query(max_length=40)] = None,
    jurisdiction_id: Annotated[str | None, Query(max_length=40)] = None,
    applicant_uscc: Annotated[Uscc | None, Query()] = None,
    case_number: Annotated[str | None, Query(max_length=40)] = None,
    row_reference: Annotated[str | None, Query(max_length=60)] = None,
    portal_number: Annotated[str | None, Query(max_length=50)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ApplicationView] | ChangedPage:
    filters = {
        "state": state,
        "item_id": item_id,
        "jurisdiction_id": jurisdiction_id,
        "applicant_uscc": applicant_uscc,
        "case_number": case_number,
        "row_reference": row_reference,
        "portal_number": portal_number,
    }
    async with live.snapshot() as tx:
        if changed_after is not None:
            _refuse_filters(filters | {"cursor": cursor})
            start = place_after(changed_after)
            changed = await queries.changed_applications(tx, caller=caller, after=start, limit=limit)
            end = Place(changed[-1].place, changed[-1].id) if changed else start
            return ChangedPage(rows=await _views(tx, changed, reader=caller), changed_after=end.written())
        rows = await queries.applications_after(tx, caller=caller, filters=filters, after_id=id_of_last(cursor), rows_max=limit + 1)
        views = await _views(tx, rows[:limit], reader=caller)
    return Page(rows=views, next_cursor=next_cursor(rows, rows_max=limit, place=lambda row: (row.id,)))


def _refuse_filters(given: Mapping[str, object]) -> None:
    """The feed is the same for whatever is asked for beside it, and would be taken for the part that was asked for. Raises Invalid."""
    said, said_zh = "The feed of changes takes no filter and no cursor.", "变更查询不支持筛选条件和分页游标"
    odd = [FieldProblem(pointer=f"/query/{name}", detail_en=said, detail_zh=said_zh) for name, value in given.items() if value is not None]
    if odd:
        raise Invalid(odd)


async def _views(tx: Tx, rows: Sequence[AnyRow], *, reader: Caller) -> list[ApplicationView]:
    points = await queries.open_points_of(tx, rows, catalogue=catalogue())
    # What the officers do about a refusal is not the applicants' next step.
    codes = {} if sees_own_only(reader) else await queries.codes_of_refusals(tx, rows)
    return [ApplicationView.of(row, points=points.get(row.id, OpenPoints()), remedy=remedy_for(codes.get(row.id))) for row in rows]


@applications.get("/v1/applications/{application_id}", summary="One application with its whole history | 申报详情与全过程记录")
async def get_application(
    application_id: UUID, caller: Annotated[Caller, may("applications:read")], live: Live, response: Response
) -> WholeApplication:
    async with live.snapshot() as tx:
        row = await queries.get_application(tx, application_id=application_id, caller=caller)
        (view,) = await _views(tx, [row], reader=caller)
        steps = await queries.history(tx, application_id=application_id)
        decided = [] if sees_own_only(caller) else await queries.decisions(tx, application_id=application_id)
        late = await queries.late_changes(tx, application_id=application_id)
        compared = catalogue().policy(row.policy_id).compared_lines_on(row.filed_on)
        lines = frozenset() if sees_own_only(caller) else lines_to_compare(compared, item_id=row.item_id)
        same = await same_matters(tx, lines={row.id: lines}, caller=caller)
    response.headers.update(etag(row.version))
    return WholeApplication(
        **view.model_dump(),
        content=row.content,
        history=[StepView.of(each, reader=caller) for each in steps],
        decisions=[DecisionView.model_validate(each) for each in decided],
        late_changes=[LateChangeView.model_validate(each) for each in late],
        same_matters=[SameMatterView.of(each, clause=compared.clause) for each in same.get(row.id, ())],
    )


@applications.post("/v1/applications/{application_id}:withdraw", response_model=ApplicationView, summary="Withdraw an application | 撤回申报")
async def withdraw_application(
    application_id: UUID,
    body: LeaveApplication,
    caller: Annotated[Caller, may("applications:file")],
    once: Once,
    expected: IfMatch,
    live: Live,
) -> Response:
    return await _leave(application_id, body, target=State.WITHDRAWN, by=Actor.FILER, caller=caller, once=once, expected=expected, live=live)


@applications.post("/v1/applications/{application_id}:refuse", response_model=ApplicationView, summary="Refuse an application | 不予支持")
async def refuse_application(
    application_id: UUID,
    body: LeaveApplication,
    caller: Annotated[Caller, may("applications:refuse")],
    once: Once,
    expected: IfMatch,
    live: Live,
) -> Response:
    return await _leave(application_id, body, target=State.REFUSED, by=Actor.CITY, caller=caller, once=once, expected=expected, live=live)


async def _leave(
    application_id: UUID, body: LeaveApplication, *, target: State, by: Actor, caller: Caller, once: Once, expected: int, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        case = await lock_case(tx, application_id=application_id, caller=caller)
        if by is Actor.FILER:
            check_filer(caller, filed_by=case.caller)
        require_version(current=case.version, expected=expected)
        who = By(caller=caller.id, officer=_officer(caller, body=body, by=by))
        await leave_case(tx, case, target=target, by=by, reason=body.reason, who=who, catalogue=catalogue(), moment=live.now())
        row = await queries.get_application(tx, application_id=application_id, caller=caller)
        (view,) = await _views(tx, [row], reader=caller)
        return await once.keep(tx, view, status=200, headers=etag(row.version))


def _officer(caller: Caller, *, body: LeaveApplication, by: Actor) -> str | None:
    """An applicant needs nobody's help to withdraw; whoever refuses has a name."""
    if by is Actor.FILER and body.officer is None:
        return None
    return officer_of(caller, named=body.officer)
