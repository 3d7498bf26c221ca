"""Filing over HTTP: one row, many rows, or a rehearsal that writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.applications.claim.rules import Claim
from services.applications.evidence.rules import Evidence
from services.applications.intake import commands
from services.applications.intake.commands import Ground, Outcome, RowStatus
from services.applications.intake.rules import Filing
from services.applications.mark.rules import NUMBERS_PER_FILING_MAX, Invoice, MarkingKey, Numbers, marks_of
from services.applications.policy.in_use import catalogue
from services.applications.row.commands import Row
from services.applications.row.rules import repeated_reference
from services.applications.settings import ApplicationsSettings
from shared.auth import may
from shared.caller import Caller
from shared.clock import Moment
from shared.day import Day
from shared.errors import Refusal
from shared.gathering import Gathering
from shared.idempotency import Answered, Attempt, Once, answer_together
from shared.live import Live as LiveState
from shared.money import Fen
from shared.observability import current_traceparent
from shared.told import ToldAs
from shared.uscc import Uscc
from shared.web import Live, Wire, etag, invalid, problem_of_row, router

intake = router("applications")

FILED_TOGETHER_MAX = 100

ROW_EXAMPLE: dict[str, Any] = {
    "row_reference": "2025-0001",
    "item_id": "2023-15/4a",
    "applicant_uscc": "91990000MA0000015Q",
    "jurisdiction_id": "example-district",
    "filed_on": "2025-09-10",
    "requested_fen": 4_500_000,
    "project_name": "高校毕业生稳岗扩岗专项",
    "project_code": "2025-017",
    "evidence": [{"kind": "application_form", "name": "申请表.pdf", "sha256": "0" * 64, "size_bytes": 48_213}],
    "invoices": [{"number": "25379900000000000017"}, {"code": "3700990012", "number": "00000017"}],
}


class EvidenceRow(Wire):
    kind: str = Field(max_length=40)
    name: str = Field(max_length=200)
    sha256: str = Field(max_length=64)
    size_bytes: int = Field(strict=True)


class InvoiceRow(Wire):
    number: str = Field(max_length=40, description="20 digits, or 8 beside a code | 发票号码")
    code: str | None = Field(default=None, max_length=40, description="10 or 12 digits, not of a digital invoice | 发票代码")


class FileApplication(Wire):
    """One filing. `filed_on` is the applicant's act (today when left out); money is in whole fen.

    Numbers of invoices, and of those for whom the support is, are kept as keyed marks alone, by which the same number is seen in another case.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [ROW_EXAMPLE]})

    row_reference: str = Field(min_length=1, max_length=60, description="The caller's own reference of this row | 报送方自有的行标识")
    item_id: str = Field(max_length=40)
    applicant_uscc: Uscc
    jurisdiction_id: str = Field(max_length=40)
    filed_on: Day | None = None
    requested_fen: Fen
    project_name: str | None = Field(default=None, max_length=200)
    project_code: str | None = Field(default=None, max_length=60)
    park_code: str | None = Field(default=None, max_length=40)
    level: str | None = Field(default=None, max_length=40)
    support_year: int | None = Field(default=None, strict=True, ge=2000, le=2100)
    portal_number: str | None = Field(default=None, min_length=1, max_length=50)
    evidence: list[EvidenceRow] = Field(default=[], max_length=40)
    invoices: list[InvoiceRow] = Field(default=[], max_length=NUMBERS_PER_FILING_MAX)
    resident_ids: list[Annotated[str, Field(max_length=40)]] = Field(
        default=[], max_length=NUMBERS_PER_FILING_MAX, description="Of those for whom the support is asked | 所涉人员的公民身份号码"
    )

    def marks(self, *, key: MarkingKey, on: date) -> dict[str, list[str]]:
        """Raises the refusal of what is no number."""
        numbers = Numbers(invoices=[Invoice(number=each.number, code=each.code) for each in self.invoices], resident_ids=self.resident_ids)
        return marks_of(numbers, key=key, on=on)

    def row(self, *, moment: Moment, traceparent: str | None, marks: Mapping[str, list[str]]) -> Row:
        claim = Claim(
            applicant_uscc=self.applicant_uscc,
            project_code=self.project_code,
            park_code=self.park_code,
            level=self.level,
            support_year=self.support_year,
        )
        filing = Filing(
            item_id=self.item_id,
            claim=claim,
            requested_fen=self.requested_fen,
            filed_on=self.filed_on or moment.on,
            received_on=moment.on,
            evidence=tuple(Evidence(kind=e.kind, name=e.name, sha256=e.sha256, size_bytes=e.size_bytes) for e in self.evidence),
        )
        return Row(
            row_reference=self.row_reference,
            jurisdiction_id=self.jurisdiction_id,
            portal_number=self.portal_number,
            project_name=self.project_name,
            content=self._content(marks),
            filing=filing,
            traceparent=traceparent,
        )

    def _content(self, marks: Mapping[str, list[str]]) -> dict[str, Any]:
        """All that was said, with marks in place of numbers; without any it is what it was before there were marks."""
        said = self.model_dump(mode="json", exclude={"row_reference", "invoices", "resident_ids"}, exclude_none=True)
        return said | ({"marks": dict(marks)} if marks else {})


class FileApplications(Wire):
    """Up to 1,000 rows; each is read and judged by itself, so that one that is wrong does not hold up the others."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rows": [ROW_EXAMPLE]}]})

    rows: list[Annotated[Any, ToldAs(FileApplication)]] = Field(min_length=1, max_length=commands.ROWS_PER_CALL_MAX)


class FiledView(BaseModel):
    """What became of a row: created, changed (a new version), unchanged, or in-review (too late; the officer sees the difference)."""

    row_reference: str
    status: RowStatus
    application_id: UUID | None
    case_number: str | None
    version: int | None
    state: str | None
    unverified: list[str]
    missing_evidence: list[str]

    @classmethod
    def of(cls, outcome: Outcome) -> "FiledView":
        return cls(
            row_reference=outcome.row_reference,
            status=outcome.status,
            application_id=outcome.application_id,
            case_number=outcome.case_number,
            version=outcome.version,
            state=outcome.state,
            unverified=[fact.value for fact in outcome.open_points.unverified],
            missing_evidence=list(outcome.open_points.missing_evidence),
        )


class RowResult(BaseModel):
    index: int
    status: RowStatus
    filed: FiledView | None = None
    problem: dict[str, Any] | None = None


class RowResults(BaseModel):
    """One result a row, in the order of the rows."""

    results: list[RowResult]


@dataclass(frozen=True)
class FilingCall:
    """One call of the single route, waiting for its turn."""

    body: FileApplication
    marks: Mapping[str, list[str]]
    caller: Caller
    once: Attempt
    traceparent: str | None


def filing_desk(live: LiveState) -> Gathering[FilingCall, Response]:
    """Single filings that arrive together share one transaction; each is judged and answered by itself."""
    return Gathering(together=partial(_file_together, live), portion_max=FILED_TOGETHER_MAX)


async def desk(request: Request) -> Gathering[FilingCall, Response]:
    waiting: Gathering[FilingCall, Response] = request.app.state.filing_desk
    return waiting


Desk: TypeAlias = Annotated[Gathering[FilingCall, Response], Depends(desk)]


@intake.post(
    "/v1/applications",
    status_code=201,
    response_model=FiledView,
    responses={200: {"model": FiledView, "description": "The row is known: changed, unchanged or in-review | 已报送过的行"}},
    summary="File one application | 报送一件申报",
)
async def file_application(
    body: FileApplication, caller: Annotated[Caller, may("applications:file")], once: Once, live: Live, desk: Desk
) -> Response:
    marks = body.marks(key=_marking_key(live), on=live.now().on)
    return await desk.take(FilingCall(body, marks, caller, once, current_traceparent()))


async def _file_together(live: LiveState, calls: Sequence[FilingCall]) -> list[Response | Exception]:
    """Calls of one caller at a time, each row reference once."""

    def choose(places: Sequence[int]) -> list[int]:
        caller_id = calls[places[0]].caller.id
        first = {calls[place].body.row_reference: place for place in reversed(places) if calls[place].caller.id == caller_id}
        return sorted(first.values())

    async with live.transaction() as tx:
        moment = live.now()

        async def file(places: Sequence[int]) -> list[Answered | Refusal]:
            rows = [each.body.row(moment=moment, traceparent=each.traceparent, marks=each.marks) for each in (calls[place] for place in places)]
            outcomes = await commands.file_rows(tx, rows, ground=_ground(live), caller=calls[places[0]].caller, moment=moment)
            return [outcome.refusal or _answered(calls[place], outcome=outcome) for outcome, place in zip(outcomes, places, strict=True)]

        return await answer_together(tx, [call.once for call in calls], choose=choose, act=file)


def _answered(call: FilingCall, *, outcome: Outcome) -> Answered:
    assert outcome.version is not None
    status = 201 if outcome.status == "created" else 200
    return Answered(attempt=call.once, view=FiledView.of(outcome), status=status, headers=etag(outcome.version))


@intake.post("/v1/applications:batch", response_model=RowResults, summary="File up to 1,000 applications | 批量报送申报（最多1000件）")
async def file_applications(body: FileApplications, caller: Annotated[Caller, may("applications:file")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        moment = live.now()
        call = _read_rows(body.rows, moment=moment, key=_marking_key(live))
        outcomes = await commands.file_rows(tx, list(call.readable.values()), ground=_ground(live), caller=caller, moment=moment)
        return await once.keep(tx, call.answered(outcomes), status=200)


@intake.post(
    "/v1/applications:validate",
    response_model=RowResults,
    summary="The answer that a batch would get, with nothing written | 校验批量报送，不写入任何内容",
)
async def validate_applications(body: FileApplications, caller: Annotated[Caller, may("applications:file")], live: Live) -> RowResults:
    moment = live.now()
    call = _read_rows(body.rows, moment=moment, key=_marking_key(live))
    async with live.snapshot() as tx:
        outcomes = await commands.rehearse_rows(tx, list(call.readable.values()), ground=_ground(live), caller=caller, moment=moment)
    return call.answered(outcomes)


@dataclass(frozen=True)
class _Batch:
    """The rows of a call by their place: those that could be read, and the answers of those that could not."""

    readable: dict[int, Row]
    unreadable: dict[int, RowResult]

    def answered(self, outcomes: Sequence[Outcome]) -> RowResults:
        """`outcomes` of the readable rows, in their order."""
        results = {index: _result(outcome, index=index) for index, outcome in zip(self.readable, outcomes, strict=True)} | self.unreadable
        return RowResults(results=[results[index] for index in range(len(results))])


def _read_rows(rows: Sequence[Any], *, moment: Moment, key: MarkingKey) -> _Batch:
    unreadable: dict[int, RowResult] = {}
    readable: dict[int, Row] = {}
    references: set[str] = set()
    traceparent = current_traceparent()
    for index, raw in enumerate(rows):
        try:
            said = _READ.validate_python(raw)
            row = said.row(moment=moment, traceparent=traceparent, marks=said.marks(key=key, on=moment.on))
        except ValidationError as error:
            unreadable[index] = _refused(index, invalid(error.errors()))
            continue
        except Refusal as refusal:
            unreadable[index] = _refused(index, refusal)
            continue
        if row.row_reference in references:
            unreadable[index] = _refused(index, repeated_reference(row.row_reference))
            continue
        references.add(row.row_reference)
        readable[index] = row
    return _Batch(readable=readable, unreadable=unreadable)


def _result(outcome: Outcome, *, index: int) -> RowResult:
    if outcome.refusal is not None:
        return _refused(index, outcome.refusal)
    return RowResult(index=index, status=outcome.status, filed=FiledView.of(outcome))


_READ = TypeAdapter(FileApplication)


def _refused(index: int, refusal: Refusal) -> RowResult:
    return RowResult(index=index, status="refused", problem=problem_of_row(refusal, place=f"/rows/{index}"))


def _ground(live: LiveState) -> Ground:
    return Ground(catalogue=catalogue(), calendar=live.calendar, city=live.city)


def _marking_key(live: LiveState) -> MarkingKey:
    assert isinstance(live.settings, ApplicationsSettings), "applications is built with its own settings"
    return MarkingKey(live.settings.marking_secret())
