"""HTTP of parks."""

import unicodedata
from datetime import date, datetime
from typing import Annotated, Self

from fastapi import Query, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.registry.organisation.api import JurisdictionId
from services.registry.park import commands, queries
from services.registry.park.queries import Filters, ParkWithHistory
from services.registry.park.rules import AssessmentResult, Level, Particulars
from shared.auth import may
from shared.caller import Caller
from shared.day import Day
from shared.db import AnyRow
from shared.idempotency import Once
from shared.paging import Cursor, Limit, Page, next_cursor, read_cursor
from shared.uscc import Uscc
from shared.visible import Name
from shared.web import IfMatch, Live, Wire, etag, require_version
from shared.web import router as new_router

router = new_router("parks")


def _normalised(value: object) -> object:
    return unicodedata.normalize("NFKC", value).strip().upper() if isinstance(value, str) else value


ParkCode = Annotated[str, BeforeValidator(_normalised), Field(pattern=r"^[A-Z0-9][A-Z0-9-]{1,39}$")]
Document = Annotated[str, Field(min_length=1, max_length=100, description="Number of the document | 文号")]


class ChangePark(Wire):
    """The whole of what may change, as it is from now on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "示例人力资源服务产业园", "operator_uscc": "91990000MA0000015Q"}]})

    name: Name
    operator_uscc: Uscc

    def particulars(self) -> Particulars:
        return Particulars(name=self.name, operator_uscc=self.operator_uscc)


class RegisterPark(ChangePark):
    """A park; its operator is registered as an organisation before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"code": "PARK-01", "name": "示例人力资源服务产业园", "operator_uscc": "91990000MA0000015Q", "jurisdiction_id": "example-district"}
            ]
        }
    )

    code: ParkCode
    jurisdiction_id: JurisdictionId


class RecordRecognition(Wire):
    """A park newly approved at a level, once per level."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"level": "provincial", "approved_on": "2025-06-30", "document": "示例文号〔2025〕1号"}]}
    )

    level: Level
    approved_on: Day
    document: Document


class RecordAssessment(Wire):
    """The yearly assessment, once per year."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"year": 2024, "result": "passed", "document": "示例文号〔2025〕2号"}]})

    year: Annotated[int, Field(strict=True, ge=2000, le=2999)]
    result: AssessmentResult
    document: Document


class RecognitionView(BaseModel):
    park_code: str
    level: Level
    approved_on: date
    document: str
    recorded_at: datetime

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row, from_attributes=True)


class AssessmentView(BaseModel):
    park_code: str
    year: int
    result: AssessmentResult
    document: str
    recorded_at: datetime

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row, from_attributes=True)


class ParkView(BaseModel):
    code: str
    name: str
    operator_uscc: str
    jurisdiction_id: str
    version: int
    registered_at: datetime
    changed_at: datetime
    recognitions: list[RecognitionView]
    assessments: list[AssessmentView]

    @classmethod
    def of(cls, found: ParkWithHistory) -> Self:
        recognitions = [RecognitionView.of(row) for row in found.recognitions]
        assessments = [AssessmentView.of(row) for row in found.assessments]
        return cls.model_validate({**found.park._mapping, "recognitions": recognitions, "assessments": assessments})


@router.post("/v1/parks", status_code=201, response_model=ParkView, summary="Register a park | 登记产业园")
async def register_park(body: RegisterPark, caller: Annotated[Caller, may("parks:write")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        registered = await commands.register_park(
            tx,
            code=body.code,
            particulars=body.particulars(),
            jurisdiction_id=body.jurisdiction_id,
            city=live.city,
            caller=caller,
            moment=live.now(),
        )
        view = ParkView.of(ParkWithHistory(park=registered, recognitions=(), assessments=()))
        return await once.keep(tx, view, status=201, headers=etag(registered.version))


@router.get("/v1/parks", summary="List parks | 查询产业园列表")
async def list_parks(
    caller: Annotated[Caller, may("parks:read")],
    live: Live,
    jurisdiction_id: JurisdictionId | None = None,
    operator_uscc: Uscc | None = None,
    text: Annotated[str | None, Query(min_length=1, max_length=100, description="Part of the name | 名称中的文字")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ParkView]:
    (after_code,) = read_cursor(cursor, str) or ("",)
    filters = Filters(jurisdiction_id=jurisdiction_id, operator_uscc=operator_uscc, text=text)
    async with live.snapshot() as tx:
        rows = await queries.parks_after(tx, after_code=after_code, filters=filters, caller=caller, rows_max=limit + 1)
        found = await queries.with_history(tx, rows[:limit])
    end = next_cursor(rows, rows_max=limit, place=lambda row: (row.code,))
    return Page(rows=[ParkView.of(each) for each in found], next_cursor=end)


@router.get("/v1/parks/{code}", summary="Read a park | 查询产业园")
async def get_park(code: ParkCode, caller: Annotated[Caller, may("parks:read")], live: Live, response: Response) -> ParkView:
    async with live.snapshot() as tx:
        row = await queries.park_of(tx, code=code, caller=caller)
        (found,) = await queries.with_history(tx, [row])
    response.headers.update(etag(row.version))
    return ParkView.of(found)


@router.post("/v1/parks/{code}:change", response_model=ParkView, summary="Change a park's name or operator | 变更产业园名称或运营单位")
async def change_park(
    code: ParkCode, body: ChangePark, caller: Annotated[Caller, may("parks:write")], once: Once, version: IfMatch, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        current = await queries.locked_park(tx, code=code, caller=caller)
        require_version(current=current.version, expected=version)
        changed = await commands.change_park(tx, current, particulars=body.particulars(), caller=caller, moment=live.now())
        (found,) = await queries.with_history(tx, [changed])
        return await once.keep(tx, ParkView.of(found), status=200, headers=etag(changed.version))


@router.post("/v1/parks/{code}/recognitions", status_code=201, response_model=RecognitionView, summary="Record a recognition | 登记产业园认定")
async def record_recognition(
    code: ParkCode, body: RecordRecognition, caller: Annotated[Caller, may("parks:write")], once: Once, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        current = await queries.locked_park(tx, code=code, caller=caller)
        recorded = await commands.record_recognition(
            tx, current, level=body.level, approved_on=body.approved_on, document=body.document, caller=caller, moment=live.now()
        )
        return await once.keep(tx, RecognitionView.of(recorded), status=201)


@router.post("/v1/parks/{code}/assessments", status_code=201, response_model=AssessmentView, summary="Record a yearly assessment | 登记年度评估")
async def record_assessment(
    code: ParkCode, body: RecordAssessment, caller: Annotated[Caller, may("parks:write")], once: Once, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        current = await queries.locked_park(tx, code=code, caller=caller)
        recorded = await commands.record_assessment(
            tx, current, year=body.year, result=body.result, document=body.document, caller=caller, moment=live.now()
        )
        return await once.keep(tx, AssessmentView.of(recorded), status=201)
