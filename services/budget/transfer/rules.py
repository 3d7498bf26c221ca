"""Decisions about moving free money between lines and jurisdictions."""

from dataclasses import dataclass

from services.budget.allotment.rules import pool_account
from services.budget.ledger.rules import Account
from shared.errors import NotFound, Refusal


class NoSuchTransfer(NotFound):
    code = "transfer-not-found"
    title_en = "There is no such transfer"
    title_zh = "未找到该调剂事项"


class SamePool(Refusal):
    code = "same-pool"
    title_en = "The money would stay where it is"
    title_zh = "调出与调入相同"


class OriginYearOutside(Refusal):
    code = "origin-year-outside"
    title_en = "Free money of that year is not in this one"
    title_zh = "该来源年度的资金不在本年度"


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """`None` for line and jurisdiction is the whole fund. `origin_year` stays what it is: a transfer makes no old money new."""

    fiscal_year: int
    origin_year: int
    from_line_id: str | None
    from_jurisdiction_id: str | None
    to_line_id: str | None
    to_jurisdiction_id: str | None
    amount_fen: int

    @property
    def source(self) -> Account:
        return self._pool(self.from_line_id, jurisdiction_id=self.from_jurisdiction_id)

    @property
    def target(self) -> Account:
        return self._pool(self.to_line_id, jurisdiction_id=self.to_jurisdiction_id)

    def _pool(self, line_id: str | None, *, jurisdiction_id: str | None) -> Account:
        return pool_account(self.fiscal_year, origin_year=self.origin_year, line_id=line_id, jurisdiction_id=jurisdiction_id)


def check_transfer(transfer: Transfer) -> None:
    if transfer.source == transfer.target:
        raise SamePool("Name another line or jurisdiction to move it to.", detail_zh="请填写不同的调入项目或辖区。", pointer="/to_line_id")
    if transfer.origin_year not in (transfer.fiscal_year, transfer.fiscal_year - 1):
        raise OriginYearOutside(
            f"In {transfer.fiscal_year} there is money of {transfer.fiscal_year} and {transfer.fiscal_year - 1}, not of {transfer.origin_year}.",
            detail_zh=f"{transfer.fiscal_year}年度只有本年及上年结转资金，没有{transfer.origin_year}年资金。",
            pointer="/origin_year",
        )
