"""Decisions about pools of free money: what an allotment may name, and from which pools a case draws."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal

from services.budget.appropriation.rules import fund_for_year
from services.budget.ledger.rules import Account, AccountName, CaseMoney, Part, account
from services.budget.policy.catalogue import Allotment, Catalogue, Fund
from shared.errors import Conflict, Refusal


class NoSuchLine(Refusal):
    code = "no-such-line"
    title_en = "The fund has no such line"
    title_zh = "该资金没有此支出项目"


class NothingNarrowed(Refusal):
    code = "nothing-narrowed"
    title_en = "An allotment names a line or a jurisdiction"
    title_zh = "分配须指明支出项目或辖区"


class AllotmentRecorded(Conflict):
    code = "allotment-recorded"
    title_en = "This document has allotted to the same place before"
    title_zh = "该文件已对同一项目和辖区作出分配"


class DocumentInFuture(Refusal):
    code = "document-in-future"
    title_en = "The document is dated after today"
    title_zh = "文件日期晚于今日"


def draw(pools: Iterable[Part], *, case: CaseMoney, draw_first: Literal["carried", "current"]) -> tuple[Part, ...] | None:
    """From which pools the case is served, the narrowest first within its year of origin; None when they do not suffice together.

    `pools` are free sums of the year; those of other lines or jurisdictions are passed over.
    """
    parts: list[Part] = []
    missing_fen = case.amount_fen
    serving = [each for each in pools if _serves(each.pool, case=case)]
    if len(serving) > 1:
        serving.sort(key=lambda each: _rank(each.pool, draw_first=draw_first))
    for pool in serving:
        taken_fen = min(pool.amount_fen, missing_fen)
        if taken_fen > 0:
            parts.append(Part(pool.pool, taken_fen))
            missing_fen -= taken_fen
    return tuple(parts) if missing_fen == 0 else None


def drawable_fen(pools: Iterable[Part], *, case: CaseMoney) -> int:
    """What is free for this case in all pools that serve it."""
    return sum(each.amount_fen for each in pools if _serves(each.pool, case=case))


def is_plain(parts: Sequence[Part], *, fiscal_year: int) -> bool:
    """Drawn whole from the fund-wide money of its own year: then nothing is kept of where it came from."""
    if len(parts) != 1:
        return False
    pool = parts[0].pool
    return pool.fiscal_year == pool.origin_year == fiscal_year and pool.line_id is None and pool.jurisdiction_id is None


def pool_account(fiscal_year: int, *, origin_year: int, line_id: str | None, jurisdiction_id: str | None) -> Account:
    return account(AccountName.AVAILABLE, fiscal_year=fiscal_year, origin_year=origin_year, line_id=line_id, jurisdiction_id=jurisdiction_id)


def fund_spending_in(fiscal_year: int, *, catalogue: Catalogue) -> Fund:
    """The fund whose money may be moved in this year, also in the year after its last. Raises NoFundForYear."""
    return catalogue.fund_spending_in(fiscal_year) or fund_for_year(fiscal_year, catalogue=catalogue)


def check_line(line_id: str | None, *, fund: Fund, pointer: str) -> None:
    if line_id is not None and fund.line(line_id) is None:
        ids = [line.id for line in fund.lines]
        raise NoSuchLine(
            f"{fund.id} has no line {line_id}; it has {', '.join(ids)}.",
            detail_zh=f"{fund.title_zh}没有支出项目{line_id}，可选：{'、'.join(ids)}。",
            pointer=pointer,
            facts={"lines": ids},
        )


def check_line_of_any(line_id: str | None, *, catalogue: Catalogue, pointer: str) -> None:
    """A line that no fund has ever had holds no money."""
    if line_id is not None and all(fund.line(line_id) is None for fund in catalogue.funds):
        ids = [line.id for fund in catalogue.funds for line in fund.lines]
        raise NoSuchLine(
            f"No fund has a line {line_id}; there are {', '.join(ids)}.",
            detail_zh=f"没有支出项目{line_id}，可选：{'、'.join(ids)}。",
            pointer=pointer,
            facts={"lines": ids},
        )


def check_allotment(*, line_id: str | None, jurisdiction_id: str | None, fund: Fund) -> None:
    """Where all money is free fund-wide from the start, only a narrower place can be allotted to."""
    if line_id is None and jurisdiction_id is None and fund.allotment.allotment is Allotment.WHOLE_FUND:
        raise NothingNarrowed(
            "The year's money is free for the whole fund already; name line_id, jurisdiction_id or both.",
            detail_zh="年度资金已整体可用，请填写支出项目、辖区或两者。",
            pointer="/line_id",
        )


def check_dated(document_on: date, *, on: date, pointer: str) -> None:
    if document_on > on:
        raise DocumentInFuture(
            f"The document is dated {document_on}, today is {on}.", detail_zh=f"文件日期为{document_on}，晚于今日{on}。", pointer=pointer
        )


def _serves(pool: Account, *, case: CaseMoney) -> bool:
    return (
        pool.fiscal_year == case.fiscal_year
        and (pool.line_id is None or pool.line_id == case.line_id)
        and (pool.jurisdiction_id is None or pool.jurisdiction_id == case.jurisdiction_id)
    )


def _rank(pool: Account, *, draw_first: Literal["carried", "current"]) -> tuple[int, int]:
    wideness = (pool.line_id is None) * 2 + (pool.jurisdiction_id is None)
    return (pool.origin_year if draw_first == "carried" else -pool.origin_year, wideness)
