"""HTTP edge of performance: targets of a line and year, and their self-evaluation."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self, TypeAlias
from uuid import UUID

from fastapi import Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.budget import policy
from services.budget.edge import Document, act_of
from services.budget.ledger.rules import require_whole_city
from services.budget.performance import commands, queries
from services.budget.performance.commands import NewTarget
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow
from shared.idempotency import Once
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.visible import Visible
from shared.web import Live, Wire
from shared.web import router as new_router

router = new_router("performance")

_ID = "01994e6e-7c1a-7000-8000-000000000001"

Quantity: TypeAlias = Annotated[str, Field(pattern=r"^[0-9]{1,11}(\.[0-9]{1,4})?$", examples=["95.5"])]
ShownQuantity: TypeAlias = Annotated[str, AfterValidator(lambda written: f"{Decimal(written).normalize():f}")]
Year: TypeAlias = Annotated[int | None, Query(ge=2000, le=2999)]
LineId: TypeAlias = Annotated[str | None, Query(max_length=40)]


class RecordPerformanceTarget(Wire):
    """Quantities are decimal text; `weight_percent` of all targets of a line and year come to 100 at most."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "fiscal_year": 2025,
                    "line_id": "2023-15/4b",
                    "indicator": "参展机构数",
                    "unit": "家",
                    "target": "20",
                    "weight_percent": 40,
                    "document": "绩效目标申报表〔2025〕3号",
                }
            ]
        }
    )

    fiscal_year: Annotated[int, Field(strict=True, ge=2000, le=2999)]
    line_id: Annotated[str, Field(min_length=1, max_length=40)]
    indicator: Annotated[str, Field(min_length=1, max_length=100)]
    unit: Annotated[str, Field(min_length=1, max_length=20)]
    target: Quantity
    weight_percent: Annotated[int, Field(strict=True, ge=1, le=100)]
    document: Document


class RecordSelfEvaluation(Wire):
    model_config = ConfigDict(json_schema_extra={"examples": [{"performance_target_id": _ID, "actual": "22", "document": "绩效自评报告〔2026〕1号"}]})

    performance_target_id: UUID
    actual: Quantity
    document: Document
    explanation: Annotated[str, Field(min_length=4, max_length=1_000), Visible(4)] | None = None


class PerformanceTargetView(BaseModel):
    id: UUID
    fiscal_year: int
    line_id: str
    indicator: str
    unit: str
    target: ShownQuantity
    weight_percent: int
    document: str
    recorded_by: str
    recorded_at: datetime

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate({**row._mapping, "target": str(row.target)})


class SelfEvaluationView(BaseModel):
    performance_target_id: UUID
    fiscal_year: int
    line_id: str
    indicator: str
    unit: str
    target: ShownQuantity
    weight_percent: int
    actual: ShownQuantity
    document: str
    explanation: str | None
    evaluated_by: str
    evaluated_at: datetime

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate({**row._mapping, "target": str(row.target), "actual": str(row.actual)})


@router.post("/v1/performance-targets", status_code=201, response_model=PerformanceTargetView, summary="Record a performance target | 录入绩效目标")
async def record_performance_target(
    body: RecordPerformanceTarget, caller: Annotated[Caller, may("performance:record")], once: Once, live: Live
) -> Response:
    require_whole_city(caller)
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        new = NewTarget(**{**body.model_dump(), "target": Decimal(body.target)})
        recorded = await commands.record_target(tx, new, act=act_of(once, moment=live.now()), catalogue=policy.current())
        return await once.keep(tx, PerformanceTargetView.of(recorded), status=201)


@router.get("/v1/performance-targets", summary="Performance targets | 查询绩效目标")
async def list_performance_targets(
    caller: Annotated[Caller, may("performance:read")],
    live: Live,
    fiscal_year: Year = None,
    line_id: LineId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PerformanceTargetView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.targets_after(tx, fiscal_year=fiscal_year, line_id=line_id, after_id=id_of_last(cursor), rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=PerformanceTargetView.of, place=lambda row: (row.id,))


@router.post("/v1/self-evaluations", status_code=201, response_model=SelfEvaluationView, summary="Record a self-evaluation | 录入绩效自评")
async def record_self_evaluation(
    body: RecordSelfEvaluation, caller: Annotated[Caller, may("performance:record")], once: Once, live: Live
) -> Response:
    require_whole_city(caller)
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        target, evaluated = await commands.record_evaluation(
            tx,
            body.performance_target_id,
            actual=Decimal(body.actual),
            document=body.document,
            explanation=body.explanation,
            act=act_of(once, moment=live.now()),
        )
        shown = {**target._mapping, **evaluated._mapping, "target": str(target.target), "actual": str(evaluated.actual)}
        return await once.keep(tx, SelfEvaluationView.model_validate(shown), status=201)


@router.get("/v1/self-evaluations", summary="Self-evaluations with their targets | 查询绩效自评")
async def list_self_evaluations(
    caller: Annotated[Caller, may("performance:read")],
    live: Live,
    fiscal_year: Year = None,
    line_id: LineId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SelfEvaluationView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.evaluations_after(tx, fiscal_year=fiscal_year, line_id=line_id, after_id=id_of_last(cursor), rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=SelfEvaluationView.of, place=lambda row: (row.performance_target_id,))
