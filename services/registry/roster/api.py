"""HTTP of rosters: many organisations in one call, each row answered by itself."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.registry.contact.api import RecordContact
from services.registry.contact.rules import checked_mobile
from services.registry.institution.api import InstitutionOfOrganisation
from services.registry.organisation.api import RegisterOrganisation
from services.registry.roster import commands
from services.registry.roster.rules import Contact, RosterRow, RowRepeated, RowStatus, beneath
from shared.auth import may
from shared.caller import Caller
from shared.errors import Refusal, problem
from shared.idempotency import Once
from shared.observability import current_trace_id
from shared.told import ToldAs
from shared.web import Live, Wire, invalid
from shared.web import router as new_router

router = new_router("organisations")


class OrganisationRow(RegisterOrganisation):
    """An organisation, with its permit or filing and its contact if they are told; what is absent is left as it is."""

    institution: InstitutionOfOrganisation | None = None
    contact: RecordContact | None = None

    def row(self) -> RosterRow:
        """Raises BadNumber, BadMobile."""
        fact, contact = None, None
        if self.institution is not None:
            with beneath("/institution"):
                fact = self.institution.fact(self.institution.basis)
        if self.contact is not None:
            with beneath("/contact"):
                contact = Contact(contact_name=self.contact.contact_name, mobile=checked_mobile(self.contact.mobile))
        return RosterRow(uscc=self.uscc, particulars=self.particulars(), fact=fact, contact=contact)


_READ = TypeAdapter(OrganisationRow)


class ImportOrganisations(Wire):
    """Up to 1,000 rows; harmless to repeat. Each is read and judged by itself, so that one that is wrong does not hold up the others."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rows": [
                        {
                            "uscc": "91990000MA0000015Q",
                            "kind": "enterprise",
                            "name": "示例人力资源有限公司",
                            "jurisdiction_id": "example-district",
                            "institution": {
                                "basis": "filing",
                                "number": "示例人服备〔2025〕001号",
                                "scope": ["training", "outsourcing"],
                                "first_day": "2025-01-02",
                            },
                            "contact": {"contact_name": "示例", "mobile": "13900000000"},
                        }
                    ]
                }
            ]
        }
    )

    rows: list[Annotated[Any, ToldAs(OrganisationRow)]] = Field(min_length=1, max_length=commands.ROWS_PER_CALL_MAX)


class RowResult(BaseModel):
    """`problem` is what the row alone would have been answered; its pointers begin at the row."""

    index: int
    status: RowStatus
    problem: dict[str, Any] | None = None


class RowResults(BaseModel):
    """One result a row, in the order of the rows."""

    results: list[RowResult]


@router.post("/v1/organisations:import", response_model=RowResults, summary="Import up to 1,000 organisations | 批量导入组织（最多1000行）")
async def import_organisations(body: ImportOrganisations, caller: Annotated[Caller, may("organisations:write")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        readable, results = _read(body.rows)
        outcomes = await commands.take_roster(tx, list(readable.values()), city=live.city, caller=caller, moment=live.now())
        for index, outcome in zip(readable, outcomes, strict=True):
            results[index] = _refused(index, outcome.refusal) if outcome.refusal else RowResult(index=index, status=outcome.status)
        return await once.keep(tx, RowResults(results=[results[index] for index in range(len(body.rows))]), status=200)


def _read(raw_rows: Sequence[Any]) -> tuple[dict[int, RosterRow], dict[int, RowResult]]:
    """The rows that could be read, by index, and the answers of the others."""
    readable: dict[int, RosterRow] = {}
    results: dict[int, RowResult] = {}
    first_index: dict[str, int] = {}
    for index, raw in enumerate(raw_rows):
        try:
            row = _READ.validate_python(raw).row()
            if (first := first_index.setdefault(row.uscc, index)) != index:
                raise RowRepeated(f"{row.uscc} is row {first} already.", detail_zh=f"{row.uscc}与第{first}行（从0起）重复。", pointer="/uscc")
            readable[index] = row
        except ValidationError as error:
            results[index] = _refused(index, invalid(error.errors()))
        except Refusal as refusal:
            results[index] = _refused(index, refusal)
    return readable, results


def _refused(index: int, refusal: Refusal) -> RowResult:
    return RowResult(index=index, status=RowStatus.REFUSED, problem=problem(refusal, trace_id=current_trace_id()))
