"""HTTP of contacts: written whole, read masked."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from services.registry.contact import commands, queries
from services.registry.organisation.queries import locked_organisation, organisation_of
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow
from shared.idempotency import Once
from shared.masking import masked_mobile, masked_name
from shared.uscc import Uscc
from shared.visible import Visible
from shared.web import Live, Wire
from shared.web import router as new_router

router = new_router("contacts")


class RecordContact(Wire):
    """Whom to call; replaces the contact recorded before."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"contact_name": "示例", "mobile": "13900000000"}]})

    contact_name: Annotated[str, Field(min_length=1, max_length=60), Visible(1)]
    mobile: Annotated[str, Field(min_length=1, max_length=20)]


class ContactView(BaseModel):
    """Masked."""

    uscc: str
    contact_name: str
    mobile: str
    recorded_at: datetime

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls(uscc=row.uscc, contact_name=masked_name(row.contact_name), mobile=masked_mobile(row.mobile), recorded_at=row.recorded_at)


class ContactErasedView(BaseModel):
    uscc: str
    erased_at: datetime


@router.get("/v1/organisations/{uscc}/contact", summary="Read a contact, masked | 查询联系人（脱敏）")
async def get_contact(uscc: Uscc, caller: Annotated[Caller, may("contacts:read")], live: Live) -> ContactView:
    async with live.transaction() as tx:
        found = await organisation_of(tx, uscc=uscc, caller=caller)
        return ContactView.of(await queries.contact_of(tx, uscc=found.uscc))


@router.post("/v1/organisations/{uscc}/contact", response_model=ContactView, summary="Record a contact | 登记联系人")
async def record_contact(uscc: Uscc, body: RecordContact, caller: Annotated[Caller, may("contacts:write")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        found = await locked_organisation(tx, uscc=uscc, caller=caller)
        recorded = await commands.record_contact(tx, found, contact_name=body.contact_name, mobile=body.mobile, caller=caller, moment=live.now())
        return await once.keep(tx, ContactView.of(recorded), status=200)


@router.post("/v1/organisations/{uscc}/contact:erase", response_model=ContactErasedView, summary="Erase a contact | 删除联系人")
async def erase_contact(uscc: Uscc, caller: Annotated[Caller, may("contacts:write")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        moment = live.now()
        found = await locked_organisation(tx, uscc=uscc, caller=caller)
        await commands.erase_contact(tx, found, moment=moment)
        return await once.keep(tx, ContactErasedView(uscc=found.uscc, erased_at=moment.at), status=200)
