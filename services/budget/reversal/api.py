"""HTTP edge of corrections: a row of the journal is taken back by another that names it, made and approved by two people."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, Field

from services.budget import policy
from services.budget.approval.rules import DraftState
from services.budget.edge import Document, DryRun, act_of, example, rehearsable
from services.budget.ledger.rules import require_whole_city
from services.budget.payee.rules import without_numbers
from services.budget.reversal import commands, queries
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow
from shared.idempotency import Once
from shared.money import Fen
from shared.paging import BIGINT_END, Cursor, Limit, Page, id_of_last, page_of
from shared.visible import Reason
from shared.web import IfMatch, Live, Wire, etag
from shared.web import router as new_router

router = new_router("reversals")


class MakeReversal(Wire):
    """`reverses_seq` is the original's place in the journal; less than its sum takes back a part.

    The reason stays in the journal: account numbers in it are cut down when it is read.
    """

    model_config = example(reverses_seq=12, amount_fen=5_000_000, document="财会更〔2025〕1号", reason="分配文件项目填写有误")

    reverses_seq: Annotated[int, Field(strict=True, ge=1, lt=BIGINT_END)]
    amount_fen: Fen
    document: Document
    reason: Reason


class ReversalView(BaseModel):
    id: UUID
    reverses_seq: int
    amount_fen: int
    document: str
    reason: str
    state: DraftState
    maker: str
    made_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    voucher: str | None
    version: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


@router.post("/v1/reversals", status_code=201, response_model=ReversalView, summary="Make a reversal of an entry | 提交冲正（经办）")
async def make_reversal(
    body: MakeReversal, caller: Annotated[Caller, may("reversals:make")], once: Once, live: Live, dry_run: DryRun = False
) -> Response:
    require_whole_city(caller)
    async with rehearsable(live, dry_run=dry_run) as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        made = await commands.make_reversal(
            tx,
            reverses_seq=body.reverses_seq,
            amount_fen=body.amount_fen,
            document=body.document,
            reason=without_numbers(body.reason),
            act=act_of(once, moment=live.now()),
            catalogue=policy.current(),
        )
        return await once.keep(tx, ReversalView.of(made), status=201, headers=etag(made.version))


@router.post("/v1/reversals/{reversal_id}:approve", response_model=ReversalView, summary="Approve a reversal: the money goes back | 审批冲正")
async def approve_reversal(
    reversal_id: UUID,
    caller: Annotated[Caller, may("reversals:approve")],
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
        approved = await commands.approve_reversal(tx, reversal_id, version=version, act=act, catalogue=policy.current())
        return await once.keep(tx, ReversalView.of(approved), status=200, headers=etag(approved.version))


@router.post("/v1/reversals/{reversal_id}:reject", response_model=ReversalView, summary="Reject a reversal | 退回冲正")
async def reject_reversal(
    reversal_id: UUID, caller: Annotated[Caller, may("reversals:approve")], once: Once, version: IfMatch, live: Live
) -> Response:
    require_whole_city(caller)
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        rejected = await commands.reject_reversal(tx, reversal_id, version=version, act=act_of(once, moment=live.now()))
        return await once.keep(tx, ReversalView.of(rejected), status=200, headers=etag(rejected.version))


@router.get("/v1/reversals", summary="Reversals, made and decided | 查询冲正事项")
async def list_reversals(
    caller: Annotated[Caller, may("reversals:read")],
    live: Live,
    reverses_seq: Annotated[int | None, Query(ge=1, lt=BIGINT_END)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ReversalView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.reversals(tx, reverses_seq=reverses_seq, after_id=id_of_last(cursor), rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=ReversalView.of, place=lambda row: (row.id,))
