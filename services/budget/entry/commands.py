"""The one place that writes to the journal. The caller owns the transaction and holds the books."""

from collections.abc import Iterable, Sequence

from services.budget.entry.rules import Books, Voucher, Written
from shared.db import Tx, fetch
from shared.key import key_reused

ENTRIES_PER_CALL_MAX = 4_000
# The books that a transaction holds, on its connection.
BOOKS = "books"

_LOCK = "SELECT * FROM lock_books()"
_NEXT_ITEMS = """
SELECT caller, key, n.next_item, n.fingerprint FROM unnest($1::text[], $2::text[]) AS a (caller, key) CROSS JOIN LATERAL (
    SELECT item + 1 AS next_item, fingerprint FROM journal j WHERE j.caller = a.caller AND j.key = a.key ORDER BY item DESC LIMIT 1
) AS n
"""
_APPEND = "SELECT append_entries($1, $2, $3, $4::entry_row[], $5::account_row[])"


async def lock_books(tx: Tx) -> Books:
    """First of all locks. Every change of money is decided behind it, so that two years or two cases can never wait for each other."""
    (row,) = await fetch(tx, _LOCK)
    counted = zip(row["kinds"] or (), row["fiscal_years"] or (), row["numbers"] or (), strict=True)
    numbers = {(kind, fiscal_year): number for kind, fiscal_year, number in counted}
    books = Books(seq=row["last_seq"], chain=row["chain"], booked_at=row["booked_at"], numbers=numbers)
    tx.info[BOOKS] = books
    return books


async def touch_books(tx: Tx) -> None:
    """For what changes decisions without an entry: who decided on the books as they were finds that they have moved on."""
    await fetch(tx, "SELECT touch_books()")


def first_legs(written: Sequence[Written]) -> list[Written]:
    """One for each voucher, in their order."""
    return [each for each in written if each.entry.leg == 1]


async def append_vouchers(tx: Tx, vouchers: Sequence[Voucher], *, books: Books) -> list[Written]:
    """Write the vouchers in this order, all or none; `books` move along. They are locked, so that nobody writes in between."""
    if not vouchers:
        return []
    await _count_items(tx, vouchers, books=books)
    before_seq, before_chain = books.seq, books.chain
    written = books.write(vouchers)
    assert len(written) <= ENTRIES_PER_CALL_MAX, f"{len(written)} entries in one call"
    await fetch(tx, _APPEND, before_seq, before_chain, books.booked_at, entry_rows(written), account_rows(vouchers, known=set()))
    return written


def entry_rows(written: Iterable[Written]) -> list[tuple[object, ...]]:
    """Type entry_row of the database: an entry without its number, and its two hashes."""
    return [(*each.entry[1:], each.leaf, each.chain) for each in written]


def account_rows(vouchers: Iterable[Voucher], *, known: set[str]) -> list[tuple[object, ...]]:
    """Type account_row of the database: what each account is that the vouchers move, but for the known ones, which are now more."""
    accounts = {account.code: account for voucher in vouchers for leg in voucher.legs for account in (leg.dr, leg.cr) if account.code not in known}
    known |= accounts.keys()
    return [(code, a.name.value, a.fiscal_year, a.origin_year, a.line_id, a.jurisdiction_id) for code, a in accounts.items()]


async def _count_items(tx: Tx, vouchers: Sequence[Voucher], *, books: Books) -> None:
    """An act may write more than once; its rows are counted on. Raises KeyReused: the journal keeps the content of each key for ever."""
    unknown = {(each.act.caller, each.act.key): each.act for each in vouchers if (each.act.caller, each.act.key) not in books.items}
    if not unknown:
        return
    callers, keys = zip(*sorted(unknown), strict=True)
    books.items |= dict.fromkeys(unknown, 0)
    for row in await fetch(tx, _NEXT_ITEMS, list(callers), list(keys)):
        known = (row["caller"], row["key"])
        if unknown[known].is_call and row["fingerprint"] != unknown[known].fingerprint:
            raise key_reused(row["key"])
        books.items[known] = row["next_item"]
