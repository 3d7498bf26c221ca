"""HTTP edge of payees' accounts: entered by the maker, masked on every read."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.budget.edge import act_of, seal_of
from services.budget.payee import commands, queries
from services.budget.payee.commands import NewAccount
from services.budget.payee.rules import AccountNumber, BankCode, PayeeState, masked_number
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow
from shared.idempotency import Once
from shared.paging import Cursor, Limit, Page, id_of_last, page_of
from shared.uscc import Uscc
from shared.visible import Name
from shared.web import Live, Wire, etag
from shared.web import router as new_router

router = new_router("payee-accounts")


class EnterPayeeAccount(Wire):
    """For one case (`application_id`), or for all cases of an organisation (`uscc`); an account of the case goes before.

    `bank_code` is the 联行号 of the branch; a local bank that the treasury pays through by itself may have none.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "application_id": "01994e6e-7c1a-7000-8000-000000000001",
                    "account_name": "示例人力资源有限公司",
                    "account_number": "6200000000000000001",
                    "bank_name": "示例银行示例支行",
                    "bank_code": "100000000000",
                }
            ]
        }
    )

    application_id: UUID | None = None
    uscc: Uscc | None = None
    account_name: Name
    account_number: Annotated[AccountNumber, Field(repr=False)]
    bank_name: Name
    bank_code: BankCode | None = None

    @model_validator(mode="after")
    def check_holder(self) -> Self:
        if (self.application_id is None) == (self.uscc is None):
            raise PydanticCustomError(
                "one-holder", "Name the case or the organisation, one of them.", {"detail_zh": "请填写案件标识或统一社会信用代码，只填其一。"}
            )
        return self


class PayeeAccountView(BaseModel):
    id: UUID
    application_id: UUID | None
    uscc: str | None
    account_name: str
    account_number_masked: str
    bank_name: str
    bank_code: str | None
    state: PayeeState
    entered_by: str
    entered_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    version: int

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate({**row._mapping, "account_number_masked": masked_number(row.number_last_4)})


@router.post("/v1/payee-accounts", status_code=201, response_model=PayeeAccountView, summary="Enter the account that is paid to | 录入收款账户")
async def enter_payee_account(body: EnterPayeeAccount, caller: Annotated[Caller, may("payee-accounts:enter")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        account = NewAccount(
            application_id=body.application_id,
            uscc=body.uscc,
            account_name=body.account_name,
            bank_name=body.bank_name,
            bank_code=body.bank_code,
            number=body.account_number,
        )
        entered = await commands.enter_account(tx, account, seal=seal_of(live), caller=caller, act=act_of(once, moment=live.now()))
        return await once.keep(tx, PayeeAccountView.of(entered), status=201, headers=etag(entered.version))


@router.get("/v1/payee-accounts", summary="Payees' accounts, masked | 查询收款账户（账号已脱敏）")
async def list_payee_accounts(
    caller: Annotated[Caller, may("payee-accounts:read")],
    live: Live,
    application_id: UUID | None = None,
    uscc: Uscc | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PayeeAccountView]:
    async with live.transaction() as tx:
        rows = await queries.accounts_after(
            tx, application_id=application_id, uscc=uscc, after_id=id_of_last(cursor), caller=caller, rows_max=limit + 1
        )
    return page_of(rows, rows_max=limit, view=PayeeAccountView.of, place=lambda row: (row.id,))
