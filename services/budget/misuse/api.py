"""HTTP edge of misuse cases."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from services.budget import policy
from services.budget.edge import Document, DryRun, JurisdictionId, act_of, example, rehearsable, require_jurisdiction
from services.budget.ledger.rules import require_whole_city
from services.budget.misuse import commands, queries
from services.budget.misuse.commands import RECOVERIES_PER_CASE_MAX, NewCase, ToRecover
from services.budget.misuse.rules import Article, MisuseState
from services.budget.payee.rules import without_numbers
from shared.auth import may
from shared.caller import Caller
from shared.day import Day
from shared.db import AnyRow
from shared.idempotency import Once
from shared.money import Fen
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.uscc import Uscc
from shared.visible import Name, Reason
from shared.web import IfMatch, Live, Wire, etag
from shared.web import router as new_router

router = new_router("misuse-cases")


class Recover(Wire):
    payment_order_id: UUID
    amount_fen: Fen


class OpenMisuseCase(Wire):
    """Against an organisation (`uscc`, article 14) or a jurisdiction that withholds (`jurisdiction_id`, article 6); its money is stopped at once.

    The reason is announced with what is recovered: account numbers in it are cut down when it is read.
    """

    model_config = example(
        uscc="91990000MA0000015Q",
        article="14",
        document="财监处〔2025〕2号",
        authority="示例财政局",
        reason="以虚假材料骗取补贴",
        found_on="2025-09-01",
        recover=[{"payment_order_id": "01994e6e-7c1a-7000-8000-000000000001", "amount_fen": 3_000_000}],
    )

    uscc: Uscc | None = None
    jurisdiction_id: JurisdictionId | None = None
    article: Article
    document: Document
    authority: Name
    reason: Reason
    found_on: Day
    recover: list[Recover] = Field(default=[], max_length=RECOVERIES_PER_CASE_MAX)

    @model_validator(mode="after")
    def check_against(self) -> Self:
        if (self.uscc is None) == (self.jurisdiction_id is None):
            raise PydanticCustomError(
                "against-one", "Name the organisation or the jurisdiction, one of them.", {"detail_zh": "请填写单位或辖区，只填其一。"}
            )
        return self


class CloseMisuseCase(Wire):
    model_config = example(document="财监结〔2025〕2号")

    document: Document


class MisuseCaseView(BaseModel):
    id: UUID
    uscc: str | None
    jurisdiction_id: str | None
    article: Article
    document: str
    reason: str
    found_on: date
    freeze_id: UUID
    state: MisuseState
    ordered_fen: int
    received_fen: int
    opened_by: str
    opened_at: datetime
    closing_document: str | None
    closed_by: str | None
    closed_at: datetime | None
    version: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


@router.post(
    "/v1/misuse-cases", status_code=201, response_model=MisuseCaseView, summary="Open a misuse case: freeze and recovery | 登记违规案件（冻结、追回）"
)
async def open_misuse_case(
    body: OpenMisuseCase, caller: Annotated[Caller, may("misuse-cases:open")], once: Once, live: Live, dry_run: DryRun = False
) -> Response:
    require_whole_city(caller)
    require_jurisdiction(live, jurisdiction_id=body.jurisdiction_id)
    async with rehearsable(live, dry_run=dry_run) as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        new = NewCase(
            uscc=body.uscc,
            jurisdiction_id=body.jurisdiction_id,
            article=body.article,
            document=body.document,
            authority=body.authority,
            reason=without_numbers(body.reason),
            found_on=body.found_on,
        )
        recover = [ToRecover(payment_order_id=each.payment_order_id, amount_fen=each.amount_fen) for each in body.recover]
        opened = await commands.open_misuse_case(tx, new, recover=recover, act=act_of(once, moment=live.now()))
        return await once.keep(tx, MisuseCaseView.of(opened), status=201, headers=etag(opened.version))


@router.post("/v1/misuse-cases/{misuse_case_id}:close", response_model=MisuseCaseView, summary="Close a misuse case: its freeze ends | 办结违规案件")
async def close_misuse_case(
    misuse_case_id: UUID,
    body: CloseMisuseCase,
    caller: Annotated[Caller, may("misuse-cases:close")],
    once: Once,
    version: IfMatch,
    live: Live,
    dry_run: DryRun = False,
) -> Response:
    require_whole_city(caller)
    async with rehearsable(live, dry_run=dry_run) as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        act = act_of(once, moment=live.now())
        closed = await commands.close_misuse_case(tx, misuse_case_id, version=version, document=body.document, act=act, catalogue=policy.current())
        return await once.keep(tx, MisuseCaseView.of(closed), status=200, headers=etag(closed.version))


@router.get("/v1/misuse-cases", summary="Misuse cases with what was recovered | 查询违规案件")
async def list_misuse_cases(
    caller: Annotated[Caller, may("misuse-cases:read")], live: Live, limit: Limit = 50, cursor: Cursor = None
) -> Page[MisuseCaseView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.misuse_cases(tx, after_id=id_of_last(cursor), rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=MisuseCaseView.of, place=lambda row: (row.id,))
