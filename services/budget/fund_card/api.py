"""HTTP edge of the fund card: one year's fund on one page, with the equation that it adds up by."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel

from services.budget import policy
from services.budget.fund_card import queries
from services.budget.fund_card.queries import FundCard
from services.budget.fund_card.rules import TITLE_ZH, Equation, Figure, equation_of, total_of
from services.budget.ledger.rules import require_whole_city
from services.budget.snapshot.api import SnapshotView
from services.budget.snapshot.queries import snapshot_of
from services.budget.snapshot.rules import AsOf, Snapshot
from shared.auth import may
from shared.caller import Caller
from shared.web import Live
from shared.web import router as new_router

router = new_router("ledger")


class CardFiguresView(BaseModel):
    """`clawback_ordered` and `_received` are of payments of this year, whenever the money came back; all other sums are of this year's books."""

    appropriated_fen: int
    unallotted_fen: int
    allotted_fen: int
    transferred_fen: int
    available_fen: int
    reserved_fen: int
    in_transit_fen: int
    paid_fen: int
    returned_fen: int
    carried_in_fen: int
    carried_out_fen: int
    carry_open_fen: int
    lapsed_fen: int
    clawback_ordered_fen: int
    clawback_received_fen: int
    to_remit_fen: int
    recovered_late_fen: int
    remitted_fen: int
    waiting_fen: int
    waiting_cases: int


class CardLineView(CardFiguresView):
    """Money without a line or jurisdiction is not narrowed to any: free for the whole fund."""

    line_id: str | None
    title_zh: str | None
    title_en: str | None
    jurisdiction_id: str | None


class TermView(BaseModel):
    term: Figure
    title_zh: str
    amount_fen: int


class EquationView(BaseModel):
    """Where money came from on the left, where it is on the right."""

    left: list[TermView]
    right: list[TermView]
    left_fen: int
    right_fen: int
    balanced: bool


class FundCardView(SnapshotView):
    fiscal_year: int
    total: CardFiguresView
    equation: EquationView
    lines: list[CardLineView]


@router.get("/v1/ledger/fund-card", summary="The fund of a year on one page, with its equation | 年度资金卡片（含平衡式）")
async def get_fund_card(
    caller: Annotated[Caller, may("ledger:read")],
    live: Live,
    fiscal_year: Annotated[int, Query(ge=2000, le=2999, description="Fiscal year | 预算年度")],
) -> FundCardView:
    require_whole_city(caller)
    async with live.snapshot() as tx:
        snapshot = await snapshot_of(tx, AsOf())
        card = await queries.fund_card(tx, fiscal_year=fiscal_year, snapshot=snapshot)
    return _card_view(card, fiscal_year=fiscal_year, snapshot=snapshot)


def _card_view(card: FundCard, *, fiscal_year: int, snapshot: Snapshot) -> FundCardView:
    fund = policy.current().fund_spending_in(fiscal_year)
    titles = {line.id: line for line in fund.lines} if fund else {}
    total = total_of(card.figures)
    lines = []
    for place in sorted(card.figures, key=lambda place: (place[0] or "", place[1] or "")):
        line_id, jurisdiction_id = place
        line = titles.get(line_id or "")
        named = {"line_id": line_id, "jurisdiction_id": jurisdiction_id}
        titled = {"title_zh": line.title_zh if line else None, "title_en": line.title_en if line else None}
        figures = _figures(card.figures[place], waiting_cases=card.waiting_cases.get(place, 0))
        lines.append(CardLineView.model_validate({**named, **titled, **figures}))
    return FundCardView(
        **SnapshotView.of(snapshot).model_dump(),
        fiscal_year=fiscal_year,
        total=CardFiguresView.model_validate(_figures(total, waiting_cases=sum(card.waiting_cases.values()))),
        equation=_equation_view(equation_of(total)),
        lines=lines,
    )


def _figures(figures: Mapping[Figure, int], *, waiting_cases: int) -> dict[str, int]:
    return {**{f"{figure}_fen": figures.get(figure, 0) for figure in Figure}, "waiting_cases": waiting_cases}


def _equation_view(equation: Equation) -> EquationView:
    left, right = (
        [TermView(term=figure, title_zh=TITLE_ZH[figure], amount_fen=fen) for figure, fen in side] for side in (equation.left, equation.right)
    )
    return EquationView(left=left, right=right, left_fen=equation.left_fen, right_fen=equation.right_fen, balanced=equation.is_balanced)
