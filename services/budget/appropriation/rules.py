"""Decisions about the year's money: within the term, within the ceiling."""

from datetime import date

from services.budget.policy.catalogue import Catalogue, Fund
from shared.errors import Conflict, Refusal
from shared.money import yuan_text


class NoFundForYear(Refusal):
    code = "no-fund-for-year"
    title_en = "No policy provides money for this fiscal year"
    title_zh = "该预算年度没有政策安排资金"


class AboveCeiling(Refusal):
    code = "above-ceiling"
    title_en = "Above the yearly ceiling of the fund"
    title_zh = "超出年度资金上限"
    remedy_en = "Check the amount against the document; more than the ceiling needs a new policy."
    remedy_zh = "请核对批复文件金额；超过上限须有新的政策依据。"


class ApprovedInFuture(Refusal):
    code = "approved-in-future"
    title_en = "The document is dated after today"
    title_zh = "批复日期晚于今日"


class DocumentRecorded(Conflict):
    code = "document-recorded"
    title_en = "This document is already recorded"
    title_zh = "该批复文件已登记"
    remedy_en = "If it was recorded wrongly, take all of it back by reversals; then it may be recorded again."
    remedy_zh = "如登记有误，请先全额冲正，再重新登记。"


def fund_for_year(fiscal_year: int, *, catalogue: Catalogue) -> Fund:
    """Raises NoFundForYear: the fiscal year lies in the term of no policy."""
    fund = catalogue.fund_of_year(fiscal_year)
    if fund is None:
        terms_en = "; ".join(f"{each.first_year} to {each.last_year} ({each.clause})" for each in catalogue.funds)
        terms_zh = "；".join(f"{each.first_year}年至{each.last_year}年（{each.clause}）" for each in catalogue.funds)
        raise NoFundForYear(
            f"Money is provided for the fiscal years {terms_en}, not for {fiscal_year}.",
            detail_zh=f"资金安排年度为{terms_zh}，不含{fiscal_year}年。",
            pointer="/fiscal_year",
        )
    return fund


def check_document(document: str, *, is_recorded: bool, fiscal_year: int) -> None:
    if is_recorded:
        raise DocumentRecorded(
            f"{document} is already recorded for {fiscal_year}.", detail_zh=f"{fiscal_year}年已登记{document}。", pointer="/document"
        )


def check_ceiling(*, asked_fen: int, appropriated_fen: int, fiscal_year: int, fund: Fund) -> None:
    """The ceiling itself may be appropriated, in one part or several; one fen more may not."""
    total_fen = appropriated_fen + asked_fen
    if total_fen > fund.yearly_ceiling_fen:
        raise AboveCeiling(
            f"With the {yuan_text(appropriated_fen)} yuan already appropriated, {yuan_text(asked_fen)} yuan make {yuan_text(total_fen)} yuan "
            f"for {fiscal_year}; at most {yuan_text(fund.yearly_ceiling_fen)} yuan are allowed ({fund.clause}).",
            detail_zh=f"{fiscal_year}年已安排{yuan_text(appropriated_fen)}元，加上本次{yuan_text(asked_fen)}元共{yuan_text(total_fen)}元，"
            f"超过每年{yuan_text(fund.yearly_ceiling_fen)}元的上限（{fund.clause}）。",
            pointer="/amount_fen",
            facts={
                "ceiling_fen": fund.yearly_ceiling_fen,
                "appropriated_fen": appropriated_fen,
                "asked_fen": asked_fen,
                "clause": fund.clause,
            },
        )


def check_approval_day(approved_on: date, *, on: date) -> None:
    if approved_on > on:
        raise ApprovedInFuture(
            f"The document is dated {approved_on}, today is {on}.", detail_zh=f"批复日期为{approved_on}，晚于今日{on}。", pointer="/approved_on"
        )
