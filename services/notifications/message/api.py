"""HTTP of the inbox: list, read one, mark as read."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel

from services.notifications.case.rules import CaseNumber
from services.notifications.message import commands, queries
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow
from shared.idempotency import Once
from shared.masking import masked_mobile, masked_name
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.uscc import Uscc
from shared.web import Live
from shared.web import router as new_router

router = new_router("messages")


class RecipientView(BaseModel):
    """Whom to call at the organisation, masked."""

    contact_name: str
    mobile: str


class MessageView(BaseModel):
    """`remedy` is there in decisions against the applicant; `recipient` is absent while the registry knows no contact."""

    id: UUID
    application_id: UUID
    case_number: str
    case_version: int
    event_type: str
    uscc: str
    jurisdiction_id: str
    title: str
    body: str
    next_step: str
    remedy: str | None
    happened_at: datetime
    happened_on: date
    read_at: datetime | None
    recipient: RecipientView | None

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        recipient = None
        if row.mobile is not None:
            recipient = RecipientView(contact_name=masked_name(row.contact_name), mobile=masked_mobile(row.mobile))
        return cls(**{name: getattr(row, name) for name in cls.model_fields if name != "recipient"}, recipient=recipient)


@router.get("/v1/messages", summary="List messages, newest first | 查询消息列表")
async def list_messages(
    caller: Annotated[Caller, may("messages:read")],
    live: Live,
    uscc: Annotated[Uscc | None, Query(description="One organisation's inbox | 单位的收件箱")] = None,
    case_number: CaseNumber | None = None,
    unread: Annotated[bool, Query(description="Only those not read yet | 仅未读")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MessageView]:
    before_id = id_of_last(cursor)
    async with live.transaction() as tx:
        rows = await queries.messages(tx, caller=caller, uscc=uscc, case_number=case_number, unread=unread, before_id=before_id, rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=MessageView.of, place=lambda row: (row.id,))


@router.get("/v1/messages/{message_id}", summary="Read a message | 查询消息")
async def get_message(message_id: UUID, caller: Annotated[Caller, may("messages:read")], live: Live) -> MessageView:
    async with live.transaction() as tx:
        return MessageView.of(await queries.message_for(tx, message_id, caller=caller))


@router.post("/v1/messages/{message_id}:read", response_model=MessageView, summary="Mark a message as read, harmless to repeat | 标记消息已读")
async def mark_message_read(message_id: UUID, caller: Annotated[Caller, may("messages:mark")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        read = await commands.mark_read(tx, message_id, caller=caller, at=live.now().at)
        return await once.keep(tx, MessageView.of(read), status=200)
