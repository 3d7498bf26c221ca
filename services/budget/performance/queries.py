"""Reads of performance targets and self-evaluations."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select, text

from services.budget.performance.tables import performance_target, self_evaluation
from shared.db import AnyRow, Tx

_EVALUATED = [
    *self_evaluation.c,
    *(performance_target.c[name] for name in ("fiscal_year", "line_id", "indicator", "unit", "target", "weight_percent")),
]
_NOT_EVALUATED = text("""
SELECT line_id FROM unnest(CAST(:line_ids AS text[])) AS l (line_id)
WHERE EXISTS (SELECT FROM reservation r WHERE r.line_id = l.line_id AND r.fiscal_year = :fiscal_year AND r.state = 'paid')
    AND (
        NOT EXISTS (SELECT FROM performance_target t WHERE t.line_id = l.line_id AND t.fiscal_year = :fiscal_year)
        OR EXISTS (
            SELECT FROM performance_target t LEFT JOIN self_evaluation e ON e.performance_target_id = t.id
            WHERE t.line_id = l.line_id AND t.fiscal_year = :fiscal_year AND e.performance_target_id IS NULL
        )
    )
ORDER BY line_id
""")


async def targets_after(tx: Tx, *, fiscal_year: int | None, line_id: str | None, after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """In the order in which they were recorded."""
    wanted = select(performance_target).order_by(performance_target.c.id).limit(rows_max)
    if fiscal_year is not None:
        wanted = wanted.where(performance_target.c.fiscal_year == fiscal_year)
    if line_id is not None:
        wanted = wanted.where(performance_target.c.line_id == line_id)
    if after_id is not None:
        wanted = wanted.where(performance_target.c.id > after_id)
    return (await tx.execute(wanted)).all()


async def target_of(tx: Tx, target_id: UUID) -> AnyRow | None:
    found: AnyRow | None = (await tx.execute(select(performance_target).where(performance_target.c.id == target_id))).one_or_none()
    return found


async def evaluations_after(tx: Tx, *, fiscal_year: int | None, line_id: str | None, after_id: UUID | None, rows_max: int) -> Sequence[AnyRow]:
    """By the order of their targets, with what was aimed at."""
    target = performance_target.c
    wanted = select(*_EVALUATED).select_from(self_evaluation.join(performance_target)).order_by(target.id).limit(rows_max)
    if fiscal_year is not None:
        wanted = wanted.where(target.fiscal_year == fiscal_year)
    if line_id is not None:
        wanted = wanted.where(target.line_id == line_id)
    if after_id is not None:
        wanted = wanted.where(target.id > after_id)
    return (await tx.execute(wanted)).all()


async def lines_not_evaluated(tx: Tx, line_ids: Collection[str], *, fiscal_year: int) -> list[str]:
    """Those among them that were paid out in that year and have no target, or one that nobody has evaluated."""
    return list((await tx.execute(_NOT_EVALUATED, {"line_ids": sorted(line_ids), "fiscal_year": fiscal_year})).scalars())
