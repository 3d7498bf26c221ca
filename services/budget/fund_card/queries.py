"""Reads of the card of a year's fund; `tx` is a snapshot."""

from dataclasses import dataclass

from sqlalchemy import text

from services.budget.fund_card.rules import Figure, Place, figures_of
from services.budget.snapshot.queries import movements
from services.budget.snapshot.rules import ALL_DAYS, Snapshot
from shared.db import Tx

_WAITING = text("""
SELECT line_id, jurisdiction_id, count(*) AS cases, sum(amount_fen)::bigint AS amount_fen FROM reservation
WHERE state = 'waiting' AND fiscal_year = :fiscal_year GROUP BY line_id, jurisdiction_id
""")
# Of payments of the year, whenever the money came back.
_CLAWBACKS = text("""
SELECT r.line_id, r.jurisdiction_id, sum(c.ordered_fen)::bigint AS ordered_fen, sum(c.received_fen)::bigint AS received_fen
FROM clawback c JOIN payment_order o ON o.id = c.payment_order_id JOIN reservation r USING (application_id, proposal_id)
WHERE o.fiscal_year = :fiscal_year AND c.state <> 'cancelled' GROUP BY r.line_id, r.jurisdiction_id
""")


@dataclass(frozen=True, kw_only=True)
class FundCard:
    figures: dict[Place, dict[Figure, int]]
    waiting_cases: dict[Place, int]


async def fund_card(tx: Tx, *, fiscal_year: int, snapshot: Snapshot) -> FundCard:
    """The books added up from the journal; beside them what waits, and what was ordered back."""
    found = await movements(tx, fiscal_year=fiscal_year, until_seq=snapshot.seq, days=ALL_DAYS)
    card = figures_of(found, fiscal_year=fiscal_year)
    waiting_cases: dict[Place, int] = {}
    for row in await tx.execute(_WAITING, {"fiscal_year": fiscal_year}):
        place = (row.line_id, row.jurisdiction_id)
        waiting_cases[place] = row.cases
        card.setdefault(place, {})[Figure.WAITING] = row.amount_fen
    for row in await tx.execute(_CLAWBACKS, {"fiscal_year": fiscal_year}):
        figures = card.setdefault((row.line_id, row.jurisdiction_id), {})
        figures |= {Figure.CLAWBACK_ORDERED: row.ordered_fen, Figure.CLAWBACK_RECEIVED: row.received_fen}
    return FundCard(figures=card, waiting_cases=waiting_cases)
