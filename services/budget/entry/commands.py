"""The one place that writes to the journal. The caller owns the transaction and holds the books."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.budget.entry.rules import Books, Entry, Voucher, Written
from services.budget.ledger.rules import Account
from shared.db import Tx, fetch

ENTRIES_PER_CALL_MAX = 4_000
# The books that a transaction holds, on its connection.
BOOKS = "books"

_LOCK = "SELECT * FROM lock_books()"
_NEXT_ITEMS = """
SELECT caller, key, coalesce((SELECT max(item) + 1 FROM journal j WHERE j.caller = a.caller AND j.key = a.key), 0) AS next_item
FROM unnest($1::text[], $2::text[]) AS a (caller, key)
"""
_ENTRY_COLUMNS = [name for name in Entry._fields if name != "seq"]
_ENTRY_TYPES = {
    "leg": "smallint", "amount_fen": "bigint", "fiscal_year": "int", "origin_year": "int", "application_id": "uuid", "proposal_id": "uuid",
    "reverses_seq": "bigint", "booked_at": "timestamptz", "effective_on": "date", "item": "int", "fingerprint": "bytea",
}  # fmt: skip
_TYPES = [
    *(_ENTRY_TYPES.get(name, "text") for name in _ENTRY_COLUMNS),
    *("bytea", "bytea"),
    *("text", "text", "int", "int", "text", "text", "uuid", "bigint"),
]
_APPEND = "SELECT append_entries($1, $2, $3, {})".format(", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_TYPES, start=4)))


class StaleHead(Exception):
    """Somebody else wrote in between: load the books and decide again."""


async def lock_books(tx: Tx) -> Books:
    """First of all locks. Every change of money is decided behind it, so that two years or two cases can never wait for each other."""
    (row,) = await fetch(tx, _LOCK)
    counted = zip(row["kinds"] or (), row["fiscal_years"] or (), row["numbers"] or (), strict=True)
    numbers = {(kind, fiscal_year): number for kind, fiscal_year, number in counted}
    books = Books(seq=row["last_seq"], chain=row["chain"], booked_at=row["booked_at"], numbers=numbers)
    tx.info[BOOKS] = books
    return books


async def append_vouchers(tx: Tx, vouchers: Sequence[Voucher], *, books: Books) -> list[Written]:
    """Write the vouchers in this order, all or none; `books` move along. Raises StaleHead."""
    if not vouchers:
        return []
    await _count_items(tx, vouchers, books=books)
    before_seq, before_chain = books.seq, books.chain
    written = books.write(vouchers)
    assert len(written) <= ENTRIES_PER_CALL_MAX, f"{len(written)} entries in one call"
    arguments = (before_seq, before_chain, books.booked_at, *columns(written, accounts=accounts_of(vouchers)))
    ((is_written,),) = await fetch(tx, _APPEND, *arguments)
    if not is_written:
        raise StaleHead
    return written


def accounts_of(vouchers: Sequence[Voucher]) -> Mapping[str, Account]:
    return {account.code: account for voucher in vouchers for leg in voucher.legs for account in (leg.dr, leg.cr)}


def columns(written: Sequence[Written], *, accounts: Mapping[str, Account]) -> tuple[list[Any], ...]:
    """What append_entries takes: a list a column, of the entries, then of what each account gains (credits less debits)."""
    entries = [list(column) for column in zip(*(each.entry for each in written), strict=True)][1:]
    nets_fen: dict[str, int] = {}
    for each in written:
        entry = each.entry
        if entry.cr is not None and entry.dr is not None:
            nets_fen[entry.cr] = nets_fen.get(entry.cr, 0) + entry.amount_fen
            nets_fen[entry.dr] = nets_fen.get(entry.dr, 0) - entry.amount_fen
    touched = [(code, accounts[code]) for code in nets_fen]
    return (
        *entries,
        [each.leaf for each in written],
        [each.chain for each in written],
        [code for code, _ in touched],
        [account.name.value for _, account in touched],
        [account.fiscal_year for _, account in touched],
        [account.origin_year for _, account in touched],
        [account.line_id for _, account in touched],
        [account.jurisdiction_id for _, account in touched],
        [account.application_id for _, account in touched],
        [*nets_fen.values()],
    )


async def _count_items(tx: Tx, vouchers: Sequence[Voucher], *, books: Books) -> None:
    """An act may write more than once; its rows are counted on."""
    unknown = {(each.act.caller, each.act.key) for each in vouchers} - books.items.keys()
    if unknown:
        callers, keys = zip(*sorted(unknown), strict=True)
        rows = await fetch(tx, _NEXT_ITEMS, list(callers), list(keys))
        books.items |= {(row["caller"], row["key"]): row["next_item"] for row in rows}
