"""HTTP edge of quota documents: money handed down to a district, and what the district reports of it."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.budget import policy
from services.budget.bank.api import BankRowResult, BankRowResults
from services.budget.bank.rules import BankOutcome
from services.budget.edge import Document, PayingNow, Reference, Remark, act_of
from services.budget.ledger.rules import require_whole_city
from services.budget.payment.rules import OrderState
from services.budget.quota import commands, queries, rules
from services.budget.quota.commands import NewDocument
from services.budget.quota.rules import PAYMENTS_PER_DOCUMENT_MAX, QuotaState, Reported
from shared.auth import may
from shared.caller import Caller
from shared.day import Day
from shared.db import AnyRow
from shared.idempotency import Once
from shared.money import Fen
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.web import IfMatch, Live, Wire, etag
from shared.web import router as new_router

router = new_router("quota-documents")

_ID = "01994e6e-7c1a-7000-8000-000000000001"


class RecordQuotaDocument(Wire):
    """One document to one district's finance office; `number` is the 指标文号."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "number": "财社指〔2025〕8号",
                    "fiscal_year": 2025,
                    "jurisdiction_id": "district-a",
                    "handed_down_on": "2025-09-15",
                    "payment_order_ids": [_ID],
                }
            ]
        }
    )

    number: Document
    fiscal_year: Annotated[int, Field(strict=True, ge=2000, le=2999)]
    jurisdiction_id: Annotated[str, Field(min_length=1, max_length=40)]
    handed_down_on: Day
    payment_order_ids: list[UUID] = Field(min_length=1, max_length=PAYMENTS_PER_DOCUMENT_MAX)


class ReportedPayment(Wire):
    """A payment has the district's 支付凭证号 (`voucher`), a return has a reason."""

    payment_order_id: UUID
    outcome: BankOutcome
    settled_on: Day
    voucher: Reference | None = None
    amount_fen: Fen | None = None
    reason: Remark | None = None

    @model_validator(mode="after")
    def check_parts(self) -> Self:
        is_paid = self.outcome is BankOutcome.PAID
        if is_paid != (self.voucher is not None) or is_paid == (self.reason is not None):
            raise PydanticCustomError(
                "report-parts", "A payment has a voucher, a return has a reason.", {"detail_zh": "已支付须填支付凭证号，退回须填原因。"}
            )
        return self

    def reported(self) -> Reported:
        return Reported(**self.model_dump())


class PostQuotaPayments(Wire):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "document": "区市支付明细20250930",
                    "rows": [{"payment_order_id": _ID, "outcome": "paid", "settled_on": "2025-09-30", "voucher": "ZF-20250930-1"}],
                }
            ]
        }
    )

    document: Document
    rows: list[ReportedPayment] = Field(min_length=1, max_length=PAYMENTS_PER_DOCUMENT_MAX)


class QuotaDocumentView(BaseModel):
    """`held_fen` is with the district and not paid; `days_held` counts from the day of the document, and is absent when nothing is held."""

    id: UUID
    number: str
    fiscal_year: int
    jurisdiction_id: str
    handed_down_on: date
    payments: int
    amount_fen: int
    held_fen: int
    days_held: int | None
    paid_fen: int
    returned_fen: int
    recorded_by: str
    recorded_at: datetime
    version: int

    @classmethod
    def of(cls, row: AnyRow, *, on: date) -> Self:
        held_days = rules.days_held(row.handed_down_on, on=on) if row.held_fen else None
        return cls.model_validate({**row._mapping, "days_held": held_days})


class QuotaPaymentView(BaseModel):
    payment_order_id: UUID
    case_number: str
    applicant_uscc: str
    line_id: str
    amount_fen: int
    state: QuotaState
    days_held: int | None
    voucher: str | None
    paid_on: date | None
    returned_on: date | None
    reason: str | None

    @classmethod
    def of(cls, row: AnyRow, *, handed_down_on: date, on: date) -> Self:
        state = rules.state_of(OrderState(row.state))
        held_days = rules.days_held(handed_down_on, on=on) if state is QuotaState.HANDED_DOWN else None
        return cls.model_validate({**row._mapping, "state": state, "days_held": held_days})


class QuotaDocumentCard(QuotaDocumentView):
    listed: list[QuotaPaymentView]


@router.post("/v1/quota-documents", status_code=201, response_model=QuotaDocumentView, summary="Hand money down to a district | 下达指标文件")
async def record_quota_document(
    body: RecordQuotaDocument, caller: Annotated[Caller, may("quota-documents:record")], once: Once, live: Live, paying: PayingNow
) -> Response:
    require_whole_city(caller)
    live.city.jurisdiction(body.jurisdiction_id)
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        document = rules.Document(fiscal_year=body.fiscal_year, jurisdiction_id=body.jurisdiction_id, handed_down_on=body.handed_down_on)
        new = NewDocument(number=body.number, document=document, payment_order_ids=body.payment_order_ids)
        act = act_of(once, moment=live.now())
        recorded = await commands.record_document(tx, new, caller=caller, act=act, paying=paying)
        return await once.keep(tx, QuotaDocumentView.of(recorded, on=act.on), status=201, headers=etag(recorded.version))


@router.get("/v1/quota-documents", summary="Quota documents, and the money that districts hold | 查询指标文件与区市滞留资金")
async def list_quota_documents(
    caller: Annotated[Caller, may("quota-documents:read")],
    live: Live,
    fiscal_year: Annotated[int | None, Query(ge=2000, le=2999)] = None,
    jurisdiction_id: Annotated[str | None, Query(max_length=40)] = None,
    held: Annotated[bool, Query(description="Only those with money not paid out | 仅列尚有未支付资金的")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[QuotaDocumentView]:
    async with live.transaction() as tx:
        rows = await queries.documents_after(
            tx,
            fiscal_year=fiscal_year,
            jurisdiction_id=jurisdiction_id,
            only_held=held,
            after_id=id_of_last(cursor),
            caller=caller,
            rows_max=limit + 1,
        )
    on = live.now().on
    return page_of(rows, rows_max=limit, view=lambda row: QuotaDocumentView.of(row, on=on), place=lambda row: (row.id,))


@router.get("/v1/quota-documents/{quota_document_id}", summary="A quota document with its payments | 查询一份指标文件")
async def get_quota_document(
    quota_document_id: UUID, caller: Annotated[Caller, may("quota-documents:read")], live: Live, response: Response
) -> QuotaDocumentCard:
    on = live.now().on
    async with live.snapshot() as tx:
        document = await queries.document_of(tx, quota_document_id, caller=caller)
        payments = await queries.payments_of(tx, quota_document_id)
    response.headers.update(etag(document.version))
    listed = [QuotaPaymentView.of(row, handed_down_on=document.handed_down_on, on=on) for row in payments]
    return QuotaDocumentCard(**QuotaDocumentView.of(document, on=on).model_dump(), listed=listed)


@router.post(
    "/v1/quota-documents/{quota_document_id}:report",
    response_model=BankRowResults,
    summary="What a district did with the money it was handed | 区市报送支付结果",
)
async def post_quota_payments(
    quota_document_id: UUID,
    body: PostQuotaPayments,
    caller: Annotated[Caller, may("quota-documents:report")],
    once: Once,
    expected: IfMatch,
    live: Live,
    paying: PayingNow,
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        quota = await queries.document_of(tx, quota_document_id, caller=caller)
        answers = await commands.take_reports(
            tx,
            quota,
            rows=[row.reported() for row in body.rows],
            version=expected,
            document=body.document,
            act=act_of(once, moment=live.now()),
            catalogue=policy.current(),
            paying=paying,
        )
        results = [BankRowResult.of(each, index=index) for index, each in enumerate(answers)]
        return await once.keep(tx, BankRowResults(results=results), status=200, headers=etag(quota.version + 1))
