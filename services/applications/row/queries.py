"""What a caller's row references stand for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import select

from services.applications.application.commands import Case, case_of
from services.applications.application.tables import application
from services.applications.row.rules import KnownRow
from shared.caller import Caller
from shared.db import Tx


@dataclass(frozen=True, kw_only=True)
class StandingRow:
    """An earlier filing under this reference: its case, locked, and what was said last."""

    case: Case
    content: Mapping[str, Any]
    content_version: int
    fingerprint: str

    @property
    def known(self) -> KnownRow:
        return KnownRow(applicant_uscc=self.case.applicant_uscc, fingerprint=bytes.fromhex(self.fingerprint), state=self.case.state)


_STANDING = (
    select(
        application.c.row_reference,
        application.c.content,
        application.c.content_version,
        application.c.content_fingerprint,
        *(application.c[each.name] for each in fields(Case)),
    )
    .order_by(application.c.id)
    .with_for_update()
)


async def lock_standing_rows(tx: Tx, *, caller: Caller, references: Collection[str]) -> dict[str, StandingRow]:
    """By row reference; the cases are locked in one order."""
    rows = await tx.execute(_STANDING.where(application.c.caller == caller.id, application.c.row_reference.in_(references)))
    return {
        row.row_reference: StandingRow(
            case=case_of(row), content=row.content, content_version=row.content_version, fingerprint=row.content_fingerprint
        )
        for row in rows
    }
