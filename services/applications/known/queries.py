"""What is known of applicants and parks, in the form that the rules read."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import select, text

from services.applications.item.rules import Applicant, Park, Permit
from services.applications.known.tables import known_assessment, known_park, known_recognition
from shared.db import ByName, Tx

# What applicant_of reads, of known_organisation as `o`: the permits beside it, so that a whole batch takes one round trip.
APPLICANT_COLUMNS = """o.kind, o.is_active,
    coalesce((SELECT json_agg(json_build_array(p.first_day, p.last_day)) FROM known_permit p WHERE p.uscc = o.uscc), '[]') AS permits,
    EXISTS (SELECT FROM known_park k WHERE k.operator_uscc = o.uscc) AS operates_park"""
_APPLICANTS = text(f"SELECT o.uscc, {APPLICANT_COLUMNS} FROM known_organisation o WHERE o.uscc = ANY(CAST(:usccs AS text[]))")  # noqa: S608


async def applicants(tx: Tx, *, usccs: Collection[str]) -> dict[str, Applicant]:
    """By USCC; one that the registry has not told of is absent."""
    rows = await tx.execute(_APPLICANTS, {"usccs": sorted(usccs)})
    return {row["uscc"]: applicant for row in rows.mappings() if (applicant := applicant_of(row)) is not None}


def applicant_of(row: ByName) -> Applicant | None:
    """Of a row with APPLICANT_COLUMNS; None where an outer join found no organisation."""
    if row["kind"] is None:
        return None
    permits = tuple(_permit(first, last) for first, last in row["permits"])
    return Applicant(kind=row["kind"], is_active=row["is_active"], permits=permits, operates_park=row["operates_park"])


def _permit(first_day: str, last_day: str | None) -> Permit:
    return Permit(first_day=date.fromisoformat(first_day), last_day=date.fromisoformat(last_day) if last_day else None)


async def parks(tx: Tx, *, park_codes: Collection[str]) -> dict[str, Park]:
    """By park code; nothing is asked when there are none."""
    if not park_codes:
        return {}
    known = (await tx.execute(select(known_park).where(known_park.c.park_code.in_(park_codes)))).all()
    recognised = (await tx.execute(select(known_recognition).where(known_recognition.c.park_code.in_(park_codes)))).all()
    assessed = (await tx.execute(select(known_assessment).where(known_assessment.c.park_code.in_(park_codes)))).all()
    return {
        park.park_code: Park(
            operator_uscc=park.operator_uscc,
            recognitions=tuple((row.level, row.approved_on) for row in recognised if row.park_code == park.park_code),
            assessments=tuple((row.year, row.result) for row in assessed if row.park_code == park.park_code),
        )
        for park in known
    }


async def names(tx: Tx, *, usccs: Collection[str]) -> dict[str, str]:
    rows = await tx.execute(text("SELECT uscc, name FROM known_organisation WHERE uscc = ANY(CAST(:usccs AS text[]))"), {"usccs": sorted(usccs)})
    return {row.uscc: row.name for row in rows}
