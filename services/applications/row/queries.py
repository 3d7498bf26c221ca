"""What is known of a caller's rows before they are judged: what their references stand for, and who the applicants are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import text

from services.applications.application.commands import Case, case_of
from services.applications.item.rules import Applicant
from services.applications.known.queries import APPLICANT_COLUMNS, applicant_of
from services.applications.row.rules import KnownRow
from shared.caller import Caller
from shared.db import ByName, Tx, fetch


@dataclass(frozen=True, kw_only=True)
class StandingRow:
    """An earlier filing under this reference: its case, locked, and what was said last."""

    case: Case
    content: Mapping[str, Any]
    fingerprint: str

    @property
    def known(self) -> KnownRow:
        return KnownRow(applicant_uscc=self.case.applicant_uscc, fingerprint=bytes.fromhex(self.fingerprint), state=self.case.state)


@dataclass(frozen=True, kw_only=True)
class Background:
    """Of one row: its earlier filing, and the applicant as far as the registry told."""

    standing: StandingRow | None
    applicant: Applicant | None


def _background(lock: Literal["", "ORDER BY id FOR UPDATE"]) -> str:
    """One statement, because a single filing is mostly round trips."""
    return f"""
WITH standing AS MATERIALIZED (
    SELECT * FROM application WHERE caller = $1 AND row_reference = ANY($2::text[]) {lock}
)
SELECT {APPLICANT_COLUMNS}, s.*
FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS w (reference, uscc, place)
LEFT JOIN known_organisation o ON o.uscc = w.uscc
LEFT JOIN standing s ON s.row_reference = w.reference
ORDER BY w.place
"""  # noqa: S608 - the columns and the lock are constants of ours


# The standing cases are locked in one order.
_LOCK_BACKGROUND = _background("ORDER BY id FOR UPDATE")
_READ_BACKGROUND = _background("")


async def lock_background(tx: Tx, *, caller: Caller, references: Sequence[str], usccs: Sequence[str]) -> list[Background]:
    """One for each row, in their order; references are distinct."""
    return _read(await fetch(tx, _LOCK_BACKGROUND, caller.id, references, usccs))


async def read_background(tx: Tx, *, caller: Caller, references: Sequence[str], usccs: Sequence[str]) -> list[Background]:
    """The same for those who write nothing: no row is locked."""
    return _read(await fetch(tx, _READ_BACKGROUND, caller.id, references, usccs))


def _read(rows: Sequence[ByName]) -> list[Background]:
    return [Background(standing=_standing(row), applicant=applicant_of(row)) for row in rows]


def _standing(row: ByName) -> StandingRow | None:
    if row["id"] is None:
        return None
    return StandingRow(case=case_of(row), content=row["content"], fingerprint=row["content_fingerprint"])


_TAKEN_NUMBERS = text("""
SELECT w.reference
FROM unnest(CAST(:references AS text[]), CAST(:numbers AS text[])) AS w (reference, number)
JOIN application a ON a.caller = :caller AND a.portal_number = w.number AND a.row_reference <> w.reference
""")


_TAKEN_KEYS = text("""
SELECT w.reference
FROM unnest(CAST(:references AS text[]), CAST(:keys AS text[])) AS w (reference, key)
JOIN application a ON a.once_key = w.key AND (a.caller, a.row_reference) <> (:caller, w.reference)
""")


async def rows_with_taken_key(tx: Tx, *, caller: Caller, keys: Mapping[str, str]) -> set[str]:
    """Of these row references, each with the once key it wants, those whose key stands for another row, whoever sent it."""
    wanted = {"caller": caller.id, "references": list(keys), "keys": list(keys.values())}
    return set((await tx.execute(_TAKEN_KEYS, wanted)).scalars())


async def rows_with_taken_number(tx: Tx, *, caller: Caller, numbers: Mapping[str, str]) -> set[str]:
    """Of these row references, each with the portal number it wants, those whose number stands for another row."""
    wanted = {"caller": caller.id, "references": list(numbers), "numbers": list(numbers.values())}
    return set((await tx.execute(_TAKEN_NUMBERS, wanted)).scalars())
