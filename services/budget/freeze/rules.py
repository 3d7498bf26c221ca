"""Decisions about orders to stop: what is frozen, by which document, and whom to ask."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from services.budget.ledger.rules import CaseMoney
from shared.errors import Conflict, NotFound, Refusal, Stale


class Scope(StrEnum):
    """What an order to stop is about; one of an organisation or a jurisdiction follows from a misuse case as well."""

    CASE = "case"
    LINE = "line"
    FUND = "fund"
    ORGANISATION = "organisation"
    JURISDICTION = "jurisdiction"


_SCOPE_ZH = {Scope.CASE: "案件", Scope.LINE: "支出项目", Scope.FUND: "全部资金", Scope.ORGANISATION: "单位", Scope.JURISDICTION: "辖区"}


class Frozen(Conflict):
    code = "frozen"
    title_en = "An order to stop is in force"
    title_zh = "资金已被通知暂停"
    remedy_en = "Ask the authority named; the freeze is lifted under its document."
    remedy_zh = "请联系作出通知的机关；凭其解除文件恢复办理。"


class NoSuchFreeze(NotFound):
    code = "freeze-not-found"
    title_en = "There is no such order to stop"
    title_zh = "未找到该暂停通知"


class FreezeLifted(Conflict):
    code = "freeze-lifted"
    title_en = "The order to stop was lifted before"
    title_zh = "该暂停通知已解除"


class FreezeStale(Stale):
    code = "freeze-stale"


class FreezeOfMisuseCase(Conflict):
    code = "freeze-of-misuse-case"
    title_en = "The order belongs to an open misuse case"
    title_zh = "该暂停通知属于未办结的违规案件"
    remedy_en = "Close the misuse case; its freeze ends with it."
    remedy_zh = "请办结违规案件，暂停随之解除。"


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """An order that is in force."""

    scope: Scope
    application_id: UUID | None = None
    line_id: str | None = None
    uscc: str | None = None
    jurisdiction_id: str | None = None
    document: str
    authority: str
    ordered_on: date

    def stops(self, money: CaseMoney) -> bool:
        return (
            self.scope is Scope.FUND
            or (self.scope is Scope.CASE and self.application_id == money.application_id)
            or (self.scope is Scope.ORGANISATION and self.uscc == money.applicant_uscc)
            or self.stops_pool(line_id=money.line_id, jurisdiction_id=money.jurisdiction_id)
        )

    def stops_pool(self, *, line_id: str | None, jurisdiction_id: str | None) -> bool:
        return (
            self.scope is Scope.FUND
            or (self.scope is Scope.LINE and self.line_id == line_id)
            or (self.scope is Scope.JURISDICTION and self.jurisdiction_id == jurisdiction_id)
        )


def check_case_free(money: CaseMoney, *, freezes: Iterable[Freeze]) -> None:
    """Before a reserve, an order or a release (处罚处分条例 24: who is notified suspends the payment)."""
    for freeze in freezes:
        if freeze.stops(money):
            raise frozen(freeze)


def is_stopped(money: CaseMoney, *, freezes: Iterable[Freeze]) -> bool:
    return any(freeze.stops(money) for freeze in freezes)


def check_pool_free(*, line_id: str | None, jurisdiction_id: str | None, freezes: Iterable[Freeze]) -> None:
    """Before money moves into or out of a line or jurisdiction."""
    for freeze in freezes:
        if freeze.stops_pool(line_id=line_id, jurisdiction_id=jurisdiction_id):
            raise frozen(freeze)


def frozen(freeze: Freeze) -> Frozen:
    return Frozen(
        f"{freeze.document} of {freeze.authority}, {freeze.ordered_on}, stops this {freeze.scope}.",
        detail_zh=f"{freeze.authority}于{freeze.ordered_on}以{freeze.document}通知暂停（范围：{_SCOPE_ZH[freeze.scope]}）。",
        facts={"document": freeze.document, "authority": freeze.authority, "ordered_on": freeze.ordered_on.isoformat(), "scope": freeze.scope},
    )


def check_lifting(*, is_lifted: bool, of_open_misuse_case: bool, current_version: int, version: int) -> None:
    refused: Refusal | None = None
    if is_lifted:
        refused = FreezeLifted("Look at its lifting document.", detail_zh="请查看解除文件。")
    elif of_open_misuse_case:
        refused = FreezeOfMisuseCase("It is not lifted by itself.", detail_zh="该通知不能单独解除。")
    elif current_version != version:
        refused = FreezeStale(
            f"You sent version {version}; it is at version {current_version}.", detail_zh=f"您提交的版本为{version}，当前版本为{current_version}。"
        )
    if refused is not None:
        raise refused
