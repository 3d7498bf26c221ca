"""Writes about exports: who took what is known before the first byte leaves."""

from datetime import datetime
from typing import Literal

from sqlalchemy import insert

from services.budget.evidence.tables import evidence_export
from shared.db import Tx

_KEEP = insert(evidence_export)


async def record_export(
    tx: Tx, *, kind: Literal["journal", "pack"], fiscal_year: int | None, until_seq: int, sha256: str, taken_by: str, taken_at: datetime
) -> None:
    """`sha256` of the pack; of a journal its chain at `until_seq`, which is what a holder can be asked for."""
    row = {"kind": kind, "fiscal_year": fiscal_year, "until_seq": until_seq, "sha256": sha256, "taken_by": taken_by, "taken_at": taken_at}
    await tx.execute(_KEEP, row)
