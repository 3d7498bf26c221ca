"""HTTP of organisations."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Self

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from services.registry import policy
from services.registry.organisation import commands, queries, rules
from services.registry.organisation.queries import Filters
from services.registry.organisation.rules import OrganisationKind, OrganisationStatus, Particulars
from shared.auth import may
from shared.caller import Caller
from shared.day import Day
from shared.db import AnyRow
from shared.idempotency import Once
from shared.paging import Cursor, Limit, Page, page_of, read_cursor
from shared.uscc import Uscc
from shared.visible import Name
from shared.web import IfMatch, Live, Wire, etag, require_version
from shared.web import router as new_router

router = new_router("organisations")

JurisdictionId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$", description="Our own id of the jurisdiction | 辖区标识")]
_PARTICULARS: JsonDict = {"kind": "enterprise", "name": "示例人力资源有限公司", "jurisdiction_id": "example-district"}


class ChangeOrganisation(Wire):
    """The whole of what is recorded, as it is from now on."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PARTICULARS]})

    kind: OrganisationKind
    name: Name
    jurisdiction_id: JurisdictionId

    def particulars(self) -> Particulars:
        return Particulars(kind=self.kind, name=self.name, jurisdiction_id=self.jurisdiction_id)


class RegisterOrganisation(ChangeOrganisation):
    """An organisation that is not known yet."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"uscc": "91990000MA0000015Q", **_PARTICULARS}]})

    uscc: Uscc


class EndOrganisation(Wire):
    """`cause` is one of policy/ending_causes.toml for organisations; `ended_on` is the first day on which it is no more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cause": "dissolved", "ended_on": "2025-09-01"}]})

    cause: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    ended_on: Day


class WarningView(BaseModel):
    code: str
    detail: str
    detail_zh: str

    @classmethod
    def all_of(cls, warnings: Iterable[rules.Warning]) -> list[Self]:
        return [cls(code=each.code, detail=each.detail_en, detail_zh=each.detail_zh) for each in warnings]


class OrganisationView(BaseModel):
    """Nothing personal: the contact is read on its own."""

    uscc: str
    kind: OrganisationKind
    name: str
    jurisdiction_id: str
    status: OrganisationStatus
    ended_on: date | None
    ending_cause: str | None
    version: int
    registered_at: datetime
    changed_at: datetime
    warnings: list[WarningView]

    @classmethod
    def of(cls, row: AnyRow, *, on: date) -> Self:
        warnings = rules.warnings_about(row.uscc, kind=policy.current().kind(row.kind, on=on))
        return cls.model_validate({**row._mapping, "warnings": WarningView.all_of(warnings)})


@router.post("/v1/organisations", status_code=201, response_model=OrganisationView, summary="Register an organisation | 登记组织")
async def register_organisation(
    body: RegisterOrganisation, caller: Annotated[Caller, may("organisations:write")], once: Once, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        moment = live.now()
        registered = await commands.register_organisation(
            tx, uscc=body.uscc, particulars=body.particulars(), city=live.city, caller=caller, moment=moment
        )
        return await once.keep(tx, OrganisationView.of(registered, on=moment.on), status=201, headers=etag(registered.version))


@router.get("/v1/organisations", summary="List organisations | 查询组织列表")
async def list_organisations(
    caller: Annotated[Caller, may("organisations:read")],
    live: Live,
    jurisdiction_id: JurisdictionId | None = None,
    kind: OrganisationKind | None = None,
    status: OrganisationStatus | None = None,
    text: Annotated[str | None, Query(min_length=1, max_length=100, description="Part of the name | 名称中的文字")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[OrganisationView]:
    (after_uscc,) = read_cursor(cursor, str) or ("",)
    filters = Filters(jurisdiction_id=jurisdiction_id, kind=kind, status=status, text=text)
    async with live.transaction() as tx:
        rows = await queries.organisations_after(tx, after_uscc=after_uscc, filters=filters, caller=caller, rows_max=limit + 1)
    on = live.now().on
    return page_of(rows, rows_max=limit, view=lambda row: OrganisationView.of(row, on=on), place=lambda row: (row.uscc,))


@router.get("/v1/organisations/{uscc}", summary="Read an organisation | 查询组织")
async def get_organisation(uscc: Uscc, caller: Annotated[Caller, may("organisations:read")], live: Live, response: Response) -> OrganisationView:
    async with live.transaction() as tx:
        row = await queries.organisation_of(tx, uscc=uscc, caller=caller)
    response.headers.update(etag(row.version))
    return OrganisationView.of(row, on=live.now().on)


@router.post("/v1/organisations/{uscc}:change", response_model=OrganisationView, summary="Change an organisation | 变更组织")
async def change_organisation(
    uscc: Uscc, body: ChangeOrganisation, caller: Annotated[Caller, may("organisations:write")], once: Once, version: IfMatch, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        moment = live.now()
        current = await queries.locked_organisation(tx, uscc=uscc, caller=caller)
        require_version(current=current.version, expected=version)
        changed = await commands.change_organisation(tx, current, particulars=body.particulars(), city=live.city, caller=caller, moment=moment)
        return await once.keep(tx, OrganisationView.of(changed, on=moment.on), status=200, headers=etag(changed.version))


@router.post("/v1/organisations/{uscc}:end", response_model=OrganisationView, summary="End an organisation | 终止组织")
async def end_organisation(
    uscc: Uscc, body: EndOrganisation, caller: Annotated[Caller, may("organisations:write")], once: Once, version: IfMatch, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        moment = live.now()
        current = await queries.locked_organisation(tx, uscc=uscc, caller=caller)
        require_version(current=current.version, expected=version)
        ended = await commands.end_organisation(tx, current, cause_id=body.cause, ended_on=body.ended_on, caller=caller, moment=moment)
        return await once.keep(tx, OrganisationView.of(ended, on=moment.on), status=200, headers=etag(ended.version))
