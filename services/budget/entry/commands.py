"""The one place that writes to the journal. The caller owns the transaction and holds the books."""

from collections.abc import Sequence

from services.budget.entry.rules import Books, Voucher, Written
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
_APPEND = "SELECT append_entries($1, $2, $3, $4, $5)"
# What append_entries parts the values of a column by, and how it is told that there is none.
_NEXT, _NONE = "\x1f", "\x1e"


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
    entries, accounts = columns_of(written, vouchers=vouchers)
    await fetch(tx, _APPEND, before_seq, before_chain, books.booked_at, entries, accounts)
    return written


def columns_of(written: Sequence[Written], *, vouchers: Sequence[Voucher]) -> tuple[list[str], list[str]]:
    """What append_entries takes: the columns of the entries, and of the accounts with what each gains (credits less debits)."""
    known = {account.code: account for voucher in vouchers for leg in voucher.legs for account in (leg.dr, leg.cr)}
    nets_fen: dict[str, int] = {}
    for each in written:
        entry = each.entry
        if entry.cr is not None and entry.dr is not None:
            nets_fen[entry.cr] = nets_fen.get(entry.cr, 0) + entry.amount_fen
            nets_fen[entry.dr] = nets_fen.get(entry.dr, 0) - entry.amount_fen
    entries = joined([(*each.texts[1:-1], f"\\x{each.texts[-1]}", f"\\x{each.leaf.hex()}", f"\\x{each.chain.hex()}") for each in written])
    accounts = [_account(known[code], net_fen=net_fen) for code, net_fen in nets_fen.items()]
    return entries, joined(accounts) if accounts else [""] * len(_account(next(iter(known.values())), net_fen=0))


def joined(rows: Sequence[Sequence[str | None]]) -> list[str]:
    """The columns of the rows, each as one text. Raises ValueError for a value that would be taken for two, or for none."""
    columns = [_NEXT.join([_NONE if value is None else value for value in column]) for column in zip(*rows, strict=True)]
    if any(column.count(_NEXT) != len(rows) - 1 for column in columns) or (len(rows) == 1 and "" in rows[0]):
        raise ValueError("a value has a control character, or is empty")
    return columns


def _account(account: Account, *, net_fen: int) -> tuple[str | None, ...]:
    years = str(account.fiscal_year), str(account.origin_year)
    return account.code, account.name.value, *years, account.line_id, account.jurisdiction_id, str(net_fen)


async def _count_items(tx: Tx, vouchers: Sequence[Voucher], *, books: Books) -> None:
    """An act may write more than once; its rows are counted on."""
    unknown = {(each.act.caller, each.act.key) for each in vouchers} - books.items.keys()
    if unknown:
        callers, keys = zip(*sorted(unknown), strict=True)
        rows = await fetch(tx, _NEXT_ITEMS, list(callers), list(keys))
        books.items |= {(row["caller"], row["key"]): row["next_item"] for row in rows}
