"""Keeping what a confirmed award rests on. What was kept first stays."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from services.budget.award.tables import award_mark, award_minutes
from shared.db import Tx

_KEEP_MINUTES = insert(award_minutes).on_conflict_do_nothing()
_KEEP_MARKS = insert(award_mark).on_conflict_do_nothing()


async def keep_minutes(
    tx: Tx, *, application_id: UUID, proposal_id: UUID, decision_id: int, stage: str, decided_on: date, number: str | None
) -> None:
    row = {"decision_id": decision_id, "stage": stage, "decided_on": decided_on, "number": number}
    await tx.execute(_KEEP_MINUTES, {"application_id": application_id, "proposal_id": proposal_id, **row})


async def keep_marks(tx: Tx, *, application_id: UUID, proposal_id: UUID, marks: Sequence[tuple[str, str]]) -> None:
    """`marks`: kind and value of each."""
    named = {"application_id": application_id, "proposal_id": proposal_id}
    if marks:
        await tx.execute(_KEEP_MARKS, [{**named, "kind": kind, "value": value} for kind, value in marks])
