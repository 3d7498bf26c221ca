"""Reads of the journal for those who check it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.budget.entry.rules import Entry
from services.budget.evidence.rules import HEADER, line_of
from shared.db import Tx, fetch
from shared.live import Live

ROWS_A_PORTION = 1_000

_END = "SELECT seq, chain FROM journal WHERE seq <= coalesce($1, (SELECT last_seq FROM head)) ORDER BY seq DESC LIMIT 1"
_PORTION = f"SELECT {', '.join(Entry._fields)}, chain FROM journal WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3"  # noqa: S608 - our own names


@dataclass(frozen=True)
class End:
    """The last row of an export and its chain, which seals all rows before it."""

    seq: int
    chain: bytes


async def end_of(tx: Tx, *, until_seq: int | None) -> End:
    """The row `until_seq`, or the last one when the journal is shorter, or when it is None."""
    found = await fetch(tx, _END, until_seq)
    return End(found[0]["seq"], found[0]["chain"]) if found else End(0, bytes(32))


async def entries(live: Live, *, after_seq: int, until_seq: int) -> AsyncIterator[list[tuple[Entry, bytes]]]:
    """Rows with their chain, in portions.

    Each portion is a transaction of its own: rows up to a seq never change, so they need no snapshot, and a slow reader holds none open.
    """
    while after_seq < until_seq:
        async with live.transaction() as tx:
            rows = await fetch(tx, _PORTION, after_seq, until_seq, ROWS_A_PORTION)
        assert rows and rows[0]["seq"] == after_seq + 1, f"row {after_seq + 1} is not there"
        yield [(Entry(*[*row.values()][:-1]), row["chain"]) for row in rows]
        after_seq = rows[-1]["seq"]


async def journal_lines(live: Live, *, after_seq: int, until_seq: int) -> AsyncIterator[bytes]:
    """The exported journal, a portion at a time."""
    yield HEADER.encode()
    async for portion in entries(live, after_seq=after_seq, until_seq=until_seq):
        yield "".join([line_of(entry, chain=chain) for entry, chain in portion]).encode()
