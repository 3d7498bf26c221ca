"""Keeping what accepted cases are for. The caller holds the cases."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import text

from services.applications.matter.rules import Matter
from shared.db import Tx

_KEEP = text("""
WITH outdated AS (
    DELETE FROM matter m WHERE m.application_id = ANY(CAST(:cases AS uuid[]))
        AND (m.application_id, m.kind, m.value) NOT IN (SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:values AS text[])))
)
INSERT INTO matter (application_id, kind, value)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:values AS text[]))
ON CONFLICT DO NOTHING
""")


async def keep_matters(tx: Tx, matters: Mapping[UUID, Collection[Matter]]) -> None:
    """By case; what an earlier acceptance of it said is replaced."""
    if not matters:
        return
    rows = [(application_id, each) for application_id, of_case in matters.items() for each in sorted(of_case)]
    await tx.execute(
        _KEEP,
        {
            "cases": list(matters),
            "ids": [application_id for application_id, _ in rows],
            "kinds": [each.kind for _, each in rows],
            "values": [each.value for _, each in rows],
        },
    )
