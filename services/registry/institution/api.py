"""HTTP of permits and filings, and the public check of a permit's number."""

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from services.registry import policy
from services.registry.institution import commands, queries, rules
from services.registry.institution.queries import Filters
from services.registry.institution.rules import Basis, Fact, Standing
from services.registry.organisation.api import EndOrganisation, JurisdictionId, WarningView
from services.registry.organisation.queries import locked_organisation
from shared.auth import anyone, may
from shared.caller import Caller
from shared.day import Day
from shared.db import AnyRow
from shared.idempotency import Once
from shared.paging import Cursor, Limit, Page, page_of, read_cursor
from shared.uscc import Uscc
from shared.web import IfMatch, Live, Wire, etag, require_version
from shared.web import router as new_router

router = new_router("institutions")
permits = new_router("permits")

_FACT: JsonDict = {
    "number": "(鲁)人服证字〔2023〕第0000000001号",
    "scope": ["job_placement", "online_recruitment"],
    "first_day": "2023-03-01",
    "last_day": "2028-02-29",
}


class ChangeInstitution(Wire):
    """The whole of the fact, as it is from now on. `scope` has ids of policy/businesses.toml; a permit has a last day."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FACT]})

    number: Annotated[str, Field(min_length=1, max_length=100)]
    scope: Annotated[list[Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]], Field(min_length=1, max_length=20)]
    first_day: Day
    last_day: Day | None = None

    def fact(self, basis: Basis) -> Fact:
        return Fact(
            basis=basis,
            number=rules.canonical_number(self.number),
            number_as_written=self.number,
            scope=tuple(sorted(set(self.scope))),
            first_day=self.first_day,
            last_day=self.last_day,
        )


class InstitutionOfOrganisation(ChangeInstitution):
    """A permit or filing, told together with its organisation."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"basis": "permit", **_FACT}]})

    basis: Basis


class RecordInstitution(InstitutionOfOrganisation):
    """A permit or filing of a registered organisation."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"uscc": "91990000MA0000015Q", "basis": "permit", **_FACT}]})

    uscc: Uscc


class EndInstitution(EndOrganisation):
    """`cause` is one of policy/ending_causes.toml for this basis; from `ended_on` on it is no longer good."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cause": "revoked", "ended_on": "2025-09-01"}]})


class InstitutionView(BaseModel):
    """`standing` is that of today; `extend_by` is the last day to apply for an extension in time."""

    id: UUID
    uscc: str
    basis: Basis
    number: str
    number_as_written: str
    scope: list[str]
    first_day: date
    last_day: date | None
    standing: Standing
    extend_by: date | None
    ended_on: date | None
    ending_cause: str | None
    version: int
    recorded_at: datetime
    changed_at: datetime
    warnings: list[WarningView]

    @classmethod
    def of(cls, row: AnyRow, *, on: date) -> Self:
        law = policy.current()
        warnings = rules.warnings_about(
            basis=row.basis, first_day=row.first_day, last_day=row.last_day, validity=law.time_limit("permit_validity", on=on)
        )
        decided: dict[str, Any] = {
            "standing": rules.standing(first_day=row.first_day, last_day=row.last_day, ended_on=row.ended_on, on=on),
            "extend_by": rules.extend_by(row.last_day, limit=law.time_limit("extension_apply", on=on)) if row.last_day else None,
            "warnings": WarningView.all_of(warnings),
        }
        return cls.model_validate({**row._mapping, **decided})


class BusinessView(BaseModel):
    id: str
    title: str
    title_zh: str


class PermitView(BaseModel):
    """What anyone may know of a permit on the day `on`; nothing personal."""

    number: str
    holder_name: str
    scope: list[BusinessView]
    first_day: date
    last_day: date
    on: date
    is_valid: bool
    standing: Standing

    @classmethod
    def of(cls, row: AnyRow, *, on: date) -> Self:
        found = rules.standing(first_day=row.first_day, last_day=row.last_day, ended_on=row.ended_on, on=on)
        businesses = [policy.current().business_by_id(business_id) for business_id in row.scope]
        return cls(
            number=row.number,
            holder_name=row.holder_name,
            scope=[BusinessView(id=each.id, title=each.title_en, title_zh=each.title_zh) for each in businesses],
            first_day=row.first_day,
            last_day=row.last_day,
            on=on,
            is_valid=found is Standing.VALID,
            standing=found,
        )


@router.post("/v1/institutions", status_code=201, response_model=InstitutionView, summary="Record a permit or filing | 登记许可或备案")
async def record_institution(body: RecordInstitution, caller: Annotated[Caller, may("institutions:write")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        moment = live.now()
        organisation = await locked_organisation(tx, uscc=body.uscc, caller=caller)
        recorded = await commands.record_institution(tx, organisation, fact=body.fact(body.basis), caller=caller, moment=moment)
        return await once.keep(tx, InstitutionView.of(recorded, on=moment.on), status=201, headers=etag(recorded.version))


@router.get("/v1/institutions", summary="List permits and filings | 查询许可和备案列表")
async def list_institutions(
    caller: Annotated[Caller, may("institutions:read")],
    live: Live,
    jurisdiction_id: JurisdictionId | None = None,
    basis: Basis | None = None,
    uscc: Uscc | None = None,
    text: Annotated[str | None, Query(min_length=1, max_length=100, description="Part of the number or the name | 编号或名称中的文字")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[InstitutionView]:
    after = read_cursor(cursor, str, str) or ("", "")
    filters = Filters(jurisdiction_id=jurisdiction_id, basis=basis, uscc=uscc, text=text)
    async with live.transaction() as tx:
        rows = await queries.institutions_after(tx, after=after, filters=filters, caller=caller, rows_max=limit + 1)
    on = live.now().on
    return page_of(rows, rows_max=limit, view=lambda row: InstitutionView.of(row, on=on), place=lambda row: (row.basis, row.number))


@router.get("/v1/institutions/{institution_id}", summary="Read a permit or filing | 查询许可或备案")
async def get_institution(
    institution_id: UUID, caller: Annotated[Caller, may("institutions:read")], live: Live, response: Response
) -> InstitutionView:
    async with live.transaction() as tx:
        row = await queries.institution_of(tx, institution_id=institution_id, caller=caller)
    response.headers.update(etag(row.version))
    return InstitutionView.of(row, on=live.now().on)


@router.post("/v1/institutions/{institution_id}:change", response_model=InstitutionView, summary="Change a permit or filing | 变更许可或备案")
async def change_institution(
    institution_id: UUID, body: ChangeInstitution, caller: Annotated[Caller, may("institutions:write")], once: Once, version: IfMatch, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        moment = live.now()
        current = await queries.locked_institution(tx, institution_id=institution_id, caller=caller)
        require_version(current=current.version, expected=version)
        changed = await commands.change_institution(tx, current, fact=body.fact(Basis(current.basis)), caller=caller, moment=moment)
        return await once.keep(tx, InstitutionView.of(changed, on=moment.on), status=200, headers=etag(changed.version))


@router.post("/v1/institutions/{institution_id}:end", response_model=InstitutionView, summary="End a permit or filing | 终止许可或备案")
async def end_institution(
    institution_id: UUID, body: EndInstitution, caller: Annotated[Caller, may("institutions:write")], once: Once, version: IfMatch, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        moment = live.now()
        current = await queries.locked_institution(tx, institution_id=institution_id, caller=caller)
        require_version(current=current.version, expected=version)
        ended = await commands.end_institution(tx, current, cause_id=body.cause, ended_on=body.ended_on, caller=caller, moment=moment)
        return await once.keep(tx, InstitutionView.of(ended, on=moment.on), status=200, headers=etag(ended.version))


@permits.get("/v1/permits/{number:path}", summary="Check a permit by its number | 按编号核验许可证")
async def get_permit(
    number: Annotated[str, Field(min_length=1, max_length=100)],
    _: Annotated[None, anyone()],
    live: Live,
    on: Annotated[Day | None, Query(description="Today if absent | 默认为当日")] = None,
) -> PermitView:
    async with live.transaction() as tx:
        row = await queries.permit_of(tx, number=rules.canonical_number(number))
    return PermitView.of(row, on=on or live.now().on)
