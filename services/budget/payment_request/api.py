"""HTTP edge of requests for payment: made, taken as a file, confirmed by the sheet that comes back."""

import base64
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.budget import policy
from services.budget.bank.api import BankRowResult
from services.budget.edge import Document, PayingNow, act_of, seal_of
from services.budget.ledger.rules import require_whole_city
from services.budget.payee.rules import masked_number
from services.budget.payment.rules import OrderState
from services.budget.payment_request import commands, queries, rules
from services.budget.payment_request.commands import Imported
from services.budget.payment_request.rules import ORDERS_PER_REQUEST_MAX, DifferenceKind
from services.budget.spreadsheet import FILE_BYTES_MAX, MEDIA_TYPES, Format, SheetUnreadable, read_sheet
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow, Tx
from shared.idempotency import Once
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.web import IfMatch, Live, Wire, etag
from shared.web import router as new_router

router = new_router("payment-requests")

_ID = "01994e6e-7c1a-7000-8000-000000000001"
_CONTENT = base64.b64encode("支付凭证号,支付日期,状态,原因,金额\r\nPO-2025-000001,2025-09-30,已支付,,50000.00\r\n".encode()).decode()
CONTENT_CHARACTERS_MAX = FILE_BYTES_MAX * 4 // 3 + 4


class MakePaymentRequest(Wire):
    """Approved payments that the treasury is to make. `quota_document` is the 指标文号."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"fiscal_year": 2025, "quota_document": "财社指〔2025〕12号", "payment_order_ids": [_ID]}]}
    )

    fiscal_year: Annotated[int, Field(strict=True, ge=2000, le=2999)]
    quota_document: Document
    payment_order_ids: list[UUID] = Field(min_length=1, max_length=ORDERS_PER_REQUEST_MAX)


class ImportPaymentRequestRows(Wire):
    """The treasury's sheet, .xlsx or CSV, as base64; `document` is its name or number, and is what each posting names."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"document": "支付回单20250930", "content_base64": _CONTENT}]})

    document: Document
    content_base64: Annotated[str, Field(min_length=1, max_length=CONTENT_CHARACTERS_MAX, repr=False)]


class PaymentRequestView(BaseModel):
    """`warnings` are lines whose last year was paid out and not evaluated when the request was made."""

    id: UUID
    fiscal_year: int
    quota_document: str
    payments: int
    amount_fen: int
    paid_fen: int
    returned_fen: int
    warnings: list[str]
    made_by: str
    made_at: datetime
    version: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


class RequestedPaymentView(BaseModel):
    payment_order_id: UUID
    bank_reference: str
    case_number: str
    line_id: str
    amount_fen: int
    account_name: str
    account_number_masked: str
    bank_name: str
    bank_code: str | None
    state: OrderState
    paid_on: date | None
    returned_on: date | None

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        shown = {name: value for name, value in row._mapping.items() if name != "number_sealed"}
        return cls.model_validate({**shown, "account_number_masked": masked_number(row.number_last_4)})


class ExportView(BaseModel):
    """Who took the file; `sha256` is that of its bytes."""

    format: Literal["xlsx", "csv"]
    sha256: str
    exported_by: str
    exported_at: datetime

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate({**row._mapping, "sha256": row.sha256.hex()})


class DifferenceView(BaseModel):
    """`row` counts the rows of the sheet, its headings being 1; a missing payment has none."""

    document: str
    kind: DifferenceKind
    row: int | None
    bank_reference: str
    expected: str | None
    found: str | None

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)


class PaymentRequestCard(PaymentRequestView):
    listed: list[RequestedPaymentView]
    exports: list[ExportView]
    differences: list[DifferenceView]


class RowOfRequestResult(BankRowResult):
    row: int
    bank_reference: str


class ImportResult(BaseModel):
    """What became of each row that is of this request, and every difference between the sheet and the request."""

    results: list[RowOfRequestResult]
    differences: list[DifferenceView]
    version: int

    @classmethod
    def of(cls, imported: Imported, *, document: str, version: int) -> Self:
        results: list[RowOfRequestResult] = []
        for index, (row, answer) in enumerate(zip(imported.rows, imported.answers, strict=True)):
            told: dict[str, Any] = BankRowResult.of(answer, index=index).model_dump()
            results.append(RowOfRequestResult(**told, row=row.row, bank_reference=row.bank_reference))
        differences = [
            DifferenceView(
                document=document, kind=each.kind, row=each.row, bank_reference=each.bank_reference, expected=each.expected, found=each.found
            )
            for each in imported.differences
        ]
        return cls(results=results, differences=differences, version=version)


@router.post("/v1/payment-requests", status_code=201, response_model=PaymentRequestView, summary="Request payment of many orders | 提交请款单")
async def make_payment_request(
    body: MakePaymentRequest, caller: Annotated[Caller, may("payment-requests:make")], once: Once, live: Live, paying: PayingNow
) -> Response:
    require_whole_city(caller)
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        made = await commands.make_request(
            tx,
            body.payment_order_ids,
            fiscal_year=body.fiscal_year,
            quota_document=body.quota_document,
            act=act_of(once, moment=live.now()),
            paying=paying,
        )
        return await once.keep(tx, PaymentRequestView.of(made), status=201, headers=etag(made.version))


@router.get("/v1/payment-requests", summary="Requests for payment | 查询请款单")
async def list_payment_requests(
    caller: Annotated[Caller, may("payment-requests:read")],
    live: Live,
    fiscal_year: Annotated[int | None, Query(ge=2000, le=2999)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PaymentRequestView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.requests_after(tx, fiscal_year=fiscal_year, after_id=id_of_last(cursor), rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=PaymentRequestView.of, place=lambda row: (row.id,))


@router.get("/v1/payment-requests/{payment_request_id}", summary="A request with its payments, exports and differences | 查询一份请款单")
async def get_payment_request(
    payment_request_id: UUID, caller: Annotated[Caller, may("payment-requests:read")], live: Live, response: Response
) -> PaymentRequestCard:
    require_whole_city(caller)
    async with live.snapshot() as tx:
        card = await _card(tx, payment_request_id)
    response.headers.update(etag(card.version))
    return card


@router.get(
    "/v1/payment-requests/{payment_request_id}/file",
    summary="The file for the treasury, with whole account numbers | 导出请款文件（含完整账号）",
    response_class=Response,
    responses={200: {"content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()}}},
)
async def get_payment_request_file(
    payment_request_id: UUID,
    caller: Annotated[Caller, may("payment-requests:export")],
    live: Live,
    paying: PayingNow,
    sheet_format: Annotated[Format, Query(alias="format", description="Kind of file | 文件格式")] = "xlsx",
) -> Response:
    require_whole_city(caller)
    async with live.transaction() as tx:
        request = await queries.request_of(tx, payment_request_id)
        content = await commands.export_request(
            tx,
            request,
            sheet_format=sheet_format,
            seal=seal_of(live),
            exported_by=caller.id,
            exported_at=live.now().at,
            paying=paying,
        )
    headers = {"Content-Disposition": f'attachment; filename="payment-request-{payment_request_id}.{sheet_format}"', "Cache-Control": "no-store"}
    return Response(content, media_type=MEDIA_TYPES[sheet_format], headers=headers)


@router.post(
    "/v1/payment-requests/{payment_request_id}:import",
    response_model=ImportResult,
    summary="The treasury's answer to a request, as a sheet | 导入请款支付结果",
)
async def import_payment_request_rows(
    payment_request_id: UUID,
    body: ImportPaymentRequestRows,
    caller: Annotated[Caller, may("payment-requests:import")],
    once: Once,
    expected: IfMatch,
    live: Live,
    paying: PayingNow,
) -> Response:
    require_whole_city(caller)
    content = _decoded(body.content_base64)
    rows = rules.read_rows(read_sheet(content))
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        request = await queries.request_of(tx, payment_request_id)
        imported = await commands.import_rows(
            tx,
            request,
            rows=rows,
            version=expected,
            document=body.document,
            content=content,
            act=act_of(once, moment=live.now()),
            catalogue=policy.current(),
            paying=paying,
        )
        result = ImportResult.of(imported, document=body.document, version=request.version + 1)
        return await once.keep(tx, result, status=200, headers=etag(result.version))


async def _card(tx: Tx, request_id: UUID) -> PaymentRequestCard:
    request = await queries.request_of(tx, request_id)
    return PaymentRequestCard(
        **PaymentRequestView.of(request).model_dump(),
        listed=[RequestedPaymentView.of(row) for row in await queries.payments_of(tx, request_id)],
        exports=[ExportView.of(row) for row in await queries.exports_of(tx, request_id)],
        differences=[DifferenceView.of(row) for row in await queries.differences_of(tx, request_id)],
    )


def _decoded(content_base64: str) -> bytes:
    try:
        return base64.b64decode(content_base64, validate=True)
    except ValueError as error:  # binascii.Error is one of them; what is not ASCII at all is another
        raise SheetUnreadable("content_base64 is not base64.", detail_zh="content_base64 不是有效的Base64。", pointer="/content_base64") from error
