"""Reads of the waiting list."""

from collections.abc import Sequence

from sqlalchemy import text

from shared.db import AnyRow, Tx

# The rank counts the whole list of the year, also those whom this caller may not see.
_LIST = text("""
SELECT * FROM (
    SELECT row_number() OVER (ORDER BY place) AS rank, place, application_id, proposal_id, case_number, applicant_uscc, fiscal_year,
        line_id, jurisdiction_id, amount_fen, proposed_on
    FROM reservation WHERE state = 'waiting' AND fiscal_year = :fiscal_year
) AS list
WHERE place > :after_place AND (CAST(:jurisdictions AS text[]) IS NULL OR jurisdiction_id = ANY(CAST(:jurisdictions AS text[])))
ORDER BY place LIMIT :rows_max
""")


async def waiting_list(tx: Tx, *, fiscal_year: int, jurisdictions: list[str] | None, after_place: int, rows_max: int) -> Sequence[AnyRow]:
    """In rank order; `jurisdictions` of None is the whole city."""
    found = await tx.execute(_LIST, {"fiscal_year": fiscal_year, "jurisdictions": jurisdictions, "after_place": after_place, "rows_max": rows_max})
    return found.all()
