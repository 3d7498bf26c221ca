"""Writes about performance targets and self-evaluations. The caller owns the transaction."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from services.budget.ledger.rules import Act
from services.budget.performance import queries, rules
from services.budget.performance.tables import performance_target, self_evaluation
from services.budget.policy.catalogue import Catalogue
from shared.db import AnyRow, Tx
from shared.ids import new_id

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('performance targets ' || :line_id || ' ' || CAST(:fiscal_year AS int), 0))")
_GIVEN = text("""
SELECT coalesce(sum(weight_percent), 0)::int AS percent FROM performance_target WHERE line_id = :line_id AND fiscal_year = :fiscal_year
""")
_RECORD = insert(performance_target).on_conflict_do_nothing().returning(performance_target)
_EVALUATE = insert(self_evaluation).on_conflict_do_nothing().returning(self_evaluation)


@dataclass(frozen=True, kw_only=True)
class NewTarget:
    fiscal_year: int
    line_id: str
    indicator: str
    unit: str
    target: Decimal
    weight_percent: int
    document: str


async def record_target(tx: Tx, new: NewTarget, *, act: Act, catalogue: Catalogue) -> AnyRow:
    rules.line_of(new.line_id, fiscal_year=new.fiscal_year, catalogue=catalogue)
    of_line = {"line_id": new.line_id, "fiscal_year": new.fiscal_year}
    await tx.execute(_ONE_AT_A_TIME, of_line)
    rules.check_weight(new.weight_percent, given_percent=(await tx.execute(_GIVEN, of_line)).scalar_one())
    values = {**of_line, "indicator": new.indicator, "unit": new.unit, "target": new.target, "weight_percent": new.weight_percent}
    recorded: AnyRow | None = (
        await tx.execute(_RECORD, {**values, "id": new_id(), "document": new.document, "recorded_by": act.caller, "recorded_at": act.at})
    ).one_or_none()
    if recorded is None:
        raise rules.TargetExists(f"{new.indicator} is set for {new.fiscal_year}.", detail_zh=f"{new.fiscal_year}年度已设“{new.indicator}”。")
    return recorded


async def record_evaluation(tx: Tx, target_id: UUID, *, actual: Decimal, document: str, explanation: str | None, act: Act) -> tuple[AnyRow, AnyRow]:
    """What was achieved, once the year is over; returns the target and its evaluation."""
    target = await queries.target_of(tx, target_id)
    if target is None:
        raise rules.NoSuchTarget("There is no performance target with this id.", detail_zh="没有该标识的绩效目标。")
    rules.check_year_over(target.fiscal_year, year_now=act.on.year)
    values = {"performance_target_id": target_id, "actual": actual, "document": document, "explanation": explanation}
    evaluated = (await tx.execute(_EVALUATE, {**values, "evaluated_by": act.caller, "evaluated_at": act.at})).one_or_none()
    if evaluated is None:
        raise rules.EvaluatedBefore("Its self-evaluation is recorded.", detail_zh="该目标已有自评结果。")
    return target, evaluated
