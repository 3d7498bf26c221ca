"""Reads of the books."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text

from services.budget.ledger.rules import AccountName
from services.budget.ledger.tables import journal
from shared.db import AnyRow, Tx

_HEAD = text("SELECT last_seq, booked_at FROM head")
_BY_NAME_AND_LINE = text("""
SELECT name, line_id, sum(balance_fen)::bigint AS balance_fen FROM balance
WHERE fiscal_year = :fiscal_year AND balance_fen > 0 GROUP BY name, line_id
""")


@dataclass(frozen=True, kw_only=True)
class LineBalance:
    line_id: str
    reserved_fen: int
    in_transit_fen: int
    paid_fen: int


@dataclass(frozen=True, kw_only=True)
class Balances:
    """The fund of one year as of one posting: appropriated = available + reserved + in transit + paid."""

    fiscal_year: int
    as_of_seq: int
    as_of_booked_at: datetime
    appropriated_fen: int
    available_fen: int
    reserved_fen: int
    in_transit_fen: int
    paid_fen: int
    lines: tuple[LineBalance, ...]


async def balances(tx: Tx, *, fiscal_year: int, line_ids: Sequence[str]) -> Balances:
    """`tx` is a snapshot, so that head and balances agree; `line_ids` are shown even when nothing is in them."""
    head = (await tx.execute(_HEAD)).one()
    found = {(row.name, row.line_id): row.balance_fen for row in await tx.execute(_BY_NAME_AND_LINE, {"fiscal_year": fiscal_year})}
    shown = [*line_ids, *sorted({line_id for _, line_id in found if line_id is not None} - set(line_ids))]
    return Balances(
        fiscal_year=fiscal_year,
        as_of_seq=head.last_seq,
        as_of_booked_at=head.booked_at,
        appropriated_fen=_total(found, AccountName.APPROVED),
        available_fen=_total(found, AccountName.AVAILABLE),
        reserved_fen=_total(found, AccountName.RESERVED),
        in_transit_fen=_total(found, AccountName.IN_TRANSIT),
        paid_fen=_total(found, AccountName.PAID),
        lines=tuple(
            LineBalance(
                line_id=line_id,
                reserved_fen=found.get((AccountName.RESERVED, line_id), 0),
                in_transit_fen=found.get((AccountName.IN_TRANSIT, line_id), 0),
                paid_fen=found.get((AccountName.PAID, line_id), 0),
            )
            for line_id in shown
        ),
    )


async def entries(
    tx: Tx, *, fiscal_year: int | None, application_id: UUID | None, voucher: str | None, after_seq: int, rows_max: int
) -> Sequence[AnyRow]:
    wanted = select(journal).where(journal.c.seq > after_seq).order_by(journal.c.seq).limit(rows_max)
    if fiscal_year is not None:
        wanted = wanted.where(journal.c.fiscal_year == fiscal_year)
    if application_id is not None:
        wanted = wanted.where(journal.c.application_id == application_id)
    if voucher is not None:
        wanted = wanted.where(journal.c.voucher == voucher)
    return (await tx.execute(wanted)).all()


def _total(found: Mapping[tuple[str, str | None], int], name: AccountName) -> int:
    return sum(balance_fen for (found_name, _), balance_fen in found.items() if found_name == name)
