"""HTTP edge of transfers between lines and jurisdictions: one person makes, another approves or rejects."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel

from services.budget import policy
from services.budget.approval.rules import DraftState
from services.budget.edge import Document, DryRun, FiscalYear, JurisdictionId, LineId, Remark, act_of, example, rehearsable, require_jurisdiction
from services.budget.ledger.rules import require_whole_city
from services.budget.transfer import commands, queries
from services.budget.transfer.rules import Transfer
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow
from shared.idempotency import Once
from shared.money import Fen
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.web import IfMatch, Live, Wire, etag
from shared.web import router as new_router

router = new_router("transfers")


class MakeTransfer(Wire):
    """Line and jurisdiction absent are the whole fund; `origin_year` absent is the money of the year itself."""

    model_config = example(
        fiscal_year=2025, from_line_id="2023-15/2", to_line_id="2023-15/5", amount_fen=5_000_000, document="财预调〔2025〕3号", reason="项目需求变化"
    )

    fiscal_year: FiscalYear
    origin_year: FiscalYear | None = None
    from_line_id: LineId | None = None
    from_jurisdiction_id: JurisdictionId | None = None
    to_line_id: LineId | None = None
    to_jurisdiction_id: JurisdictionId | None = None
    amount_fen: Fen
    document: Document
    reason: Remark


class TransferView(BaseModel):
    id: UUID
    fiscal_year: int
    origin_year: int
    from_line_id: str | None
    from_jurisdiction_id: str | None
    to_line_id: str | None
    to_jurisdiction_id: str | None
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


@router.post(
    "/v1/transfers", status_code=201, response_model=TransferView, summary="Make a transfer between lines or jurisdictions | 提交资金调剂（经办）"
)
async def make_transfer(
    body: MakeTransfer, caller: Annotated[Caller, may("transfers:make")], once: Once, live: Live, dry_run: DryRun = False
) -> Response:
    require_whole_city(caller)
    for jurisdiction_id in (body.from_jurisdiction_id, body.to_jurisdiction_id):
        require_jurisdiction(live, jurisdiction_id=jurisdiction_id)
    async with rehearsable(live, dry_run=dry_run) as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        made = await commands.make_transfer(
            tx, _transfer(body), document=body.document, reason=body.reason, act=act_of(once, moment=live.now()), catalogue=policy.current()
        )
        return await once.keep(tx, TransferView.of(made), status=201, headers=etag(made.version))


@router.post("/v1/transfers/{transfer_id}:approve", response_model=TransferView, summary="Approve a transfer: the money moves | 审批资金调剂")
async def approve_transfer(
    transfer_id: UUID,
    caller: Annotated[Caller, may("transfers:approve")],
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
        approved = await commands.approve_transfer(tx, transfer_id, version=version, act=act, catalogue=policy.current())
        return await once.keep(tx, TransferView.of(approved), status=200, headers=etag(approved.version))


@router.post("/v1/transfers/{transfer_id}:reject", response_model=TransferView, summary="Reject a transfer | 退回资金调剂")
async def reject_transfer(
    transfer_id: UUID, caller: Annotated[Caller, may("transfers:approve")], once: Once, version: IfMatch, live: Live
) -> Response:
    require_whole_city(caller)
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        rejected = await commands.reject_transfer(tx, transfer_id, version=version, act=act_of(once, moment=live.now()))
        return await once.keep(tx, TransferView.of(rejected), status=200, headers=etag(rejected.version))


@router.get("/v1/transfers", summary="Transfers between lines and jurisdictions | 查询资金调剂")
async def list_transfers(
    caller: Annotated[Caller, may("transfers:read")],
    live: Live,
    fiscal_year: Annotated[int | None, Query(ge=2000, le=2999)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TransferView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.transfers(tx, fiscal_year=fiscal_year, after_id=id_of_last(cursor), rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=TransferView.of, place=lambda row: (row.id,))


def _transfer(body: MakeTransfer) -> Transfer:
    return Transfer(
        fiscal_year=body.fiscal_year,
        origin_year=body.origin_year or body.fiscal_year,
        from_line_id=body.from_line_id,
        from_jurisdiction_id=body.from_jurisdiction_id,
        to_line_id=body.to_line_id,
        to_jurisdiction_id=body.to_jurisdiction_id,
        amount_fen=body.amount_fen,
    )
