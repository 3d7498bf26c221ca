"""How the awards of a policy are paid out: by which route, under which codes of the budget, and what must be looked at before."""

import functools
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from services.budget.policy.catalogue import Entry
from shared.dated import Part

FOLDER = Path(__file__).parent


class Route(StrEnum):
    """`TREASURY` pays the payee itself; by `QUOTA` the money goes down to the district's finance office, which pays."""

    TREASURY = "treasury"
    QUOTA = "quota"


ROUTE_ZH: Mapping[Route, str] = {Route.TREASURY: "国库集中支付", Route.QUOTA: "下达区市指标"}


class RouteException(Part):
    """Awards of this line, of this jurisdiction, or of both together where both are named."""

    line_id: str | None = None
    jurisdiction_id: str | None = None
    route: Annotated[Route, Field(strict=False)]

    @model_validator(mode="after")
    def _check_named(self) -> Self:
        if self.line_id is None and self.jurisdiction_id is None:
            raise ValueError("an exception names a line, a jurisdiction, or both")
        return self

    def covers(self, *, line_id: str, jurisdiction_id: str) -> bool:
        return self.line_id in (None, line_id) and self.jurisdiction_id in (None, jurisdiction_id)


class Routes(Part):
    """The first exception that covers an award decides; without one, the default."""

    default: Annotated[Route, Field(strict=False)]
    exceptions: Annotated[tuple[RouteException, ...], Field(strict=False)] = ()


class BankCodes(Part):
    """Whether an account at a bank other than `local_banks` (names, or how names begin) must have a 联行号 to be paid."""

    required: bool
    local_banks: Annotated[tuple[str, ...], Field(strict=False)] = ()

    def is_missing(self, *, bank_name: str, bank_code: str | None) -> bool:
        return self.required and bank_code is None and not bank_name.startswith(self.local_banks)


class Codes(Part):
    """功能分类 and 项目代码 of the fund, 经济分类 of each expenditure category."""

    project_code: Annotated[str, Field(pattern=r"^[0-9A-Z-]{4,40}$")]
    functional_code: Annotated[str, Field(pattern=r"^2[0-9]{6}$")]
    economic_codes: Mapping[str, Annotated[str, Field(pattern=r"^[35][0-9]{4}$")]]


class Performance(Part):
    """What becomes of a request for money of a line whose year before was paid out and never evaluated."""

    missing_self_evaluation: Literal["allow", "warn", "refuse"]


class Caution(Part):
    """Spending of these categories out of these funding sources is approved only by somebody who says why it may be."""

    code: Annotated[str, Field(pattern=r"^[a-z][a-z-]{2,39}$")]
    expenditure_categories: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    funding_sources: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    text_zh: str
    text_en: str


class Paying(Entry):
    """One policy's way of paying."""

    route: Routes
    bank_code: BankCodes
    codes: Codes
    performance: Performance
    caution: Caution

    def route_of(self, *, line_id: str, jurisdiction_id: str) -> Route:
        for exception in self.route.exceptions:
            if exception.covers(line_id=line_id, jurisdiction_id=jurisdiction_id):
                return exception.route
        return self.route.default

    def route_taken(self, *, line_id: str, jurisdiction_id: str, is_handed_down: bool, is_requested: bool) -> Route:
        """Of an approved payment: what a district was handed it has, and what the treasury was asked for it pays, whatever policy says by now."""
        if is_handed_down or is_requested:
            return Route.QUOTA if is_handed_down else Route.TREASURY
        return self.route_of(line_id=line_id, jurisdiction_id=jurisdiction_id)

    def caution_about(self, *, expenditure_category: str, funding_source: str) -> Caution | None:
        is_meant = expenditure_category in self.caution.expenditure_categories and funding_source in self.caution.funding_sources
        return self.caution if is_meant else None


def load(folder: Path = FOLDER) -> dict[str, Paying]:
    """Every <policy>/paying.toml by its policy; ValueError names what is wrong."""
    return {file.parent.name: _read(file) for file in sorted(folder.glob("*/paying.toml"))}


@functools.cache
def current() -> Mapping[str, Paying]:
    """Of this process, read once."""
    return load()


def _read(file: Path) -> Paying:
    written: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    if written.get("id") != file.parent.name:
        raise ValueError(f"{file.parent.name}/paying.toml is of {written.get('id')!r}")
    return Paying.model_validate(written)
