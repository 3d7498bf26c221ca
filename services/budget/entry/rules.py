"""One row of the journal: its numbers, the bytes that stand for it, and how each row seals all before it.

Everything here can be computed again by an outsider: `services/budget/verify.py` does so with the standard library alone.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from services.budget.ledger.rules import Act, Kind, Posting

# The version of the bytes below; it is their first field, so that a later version can never be taken for this one.
FORMAT = b"entry 1"
# What the first row is chained to.
GENESIS = bytes(32)
# RFC 6962 2.1: a leaf and an inner node of the Merkle tree are hashed under different first bytes; the chain has a third.
_LEAF, _LINK = b"\x00", b"\x02"
_ABSENT = b"\xff\xff\xff\xff"

# The first letters of each kind's voucher numbers; the database has the same in voucher_type.
VOUCHER_PREFIX: Mapping[Kind, str] = {
    Kind.APPROPRIATE: "AP",
    Kind.ALLOT: "AL",
    Kind.RESERVE: "RS",
    Kind.RELEASE: "RL",
    Kind.ORDER: "PO",
    Kind.CONFIRM: "PC",
    Kind.RETURN: "PR",
    Kind.TRANSFER: "TR",
    Kind.CLAWBACK: "CB",
    Kind.CARRY: "CO",
    Kind.LAPSE: "LA",
    Kind.REMIT: "RM",
    Kind.REVERSE: "RV",
}


class Outcome(StrEnum):
    """Only what is posted moves money and has a voucher; the others are answers that are given again to the same key."""

    POSTED = "posted"
    REFUSED = "refused"
    WAITING = "waiting"


class Entry(NamedTuple):
    """A row as it is written and exported; the order of the fields is that of their bytes and never changes within a format."""

    seq: int
    outcome: str
    voucher: str | None
    leg: int
    kind: str
    dr: str | None
    cr: str | None
    amount_fen: int
    fiscal_year: int
    origin_year: int
    line_id: str | None
    jurisdiction_id: str | None
    application_id: UUID | None
    proposal_id: UUID | None
    policy_version: str
    funding_source: str
    document: str
    expenditure_category: str | None
    maker: str | None
    checker: str | None
    approver: str | None
    # The row that a reversal takes back.
    reverses_seq: int | None
    # Why: of a reversal in words, of a refusal its code.
    reason: str | None
    booked_at: datetime
    effective_on: date
    caller: str
    key: str
    # The place of the row among those of its caller and key.
    item: int
    fingerprint: bytes


class Voucher(NamedTuple):
    """What is written under one number: one leg or several, or an answer that moves nothing and has no number."""

    legs: Sequence[Posting]
    act: Act
    outcome: Outcome = Outcome.POSTED
    reverses_seq: int | None = None
    reason: str | None = None


class Written(NamedTuple):
    """An entry, its hash, and the chain up to it."""

    entry: Entry
    leaf: bytes
    chain: bytes


@dataclass
class Books:
    """The head of the journal as one writer knows it: what the next row follows on. Wrong once somebody else has written."""

    seq: int
    chain: bytes
    booked_at: datetime
    numbers: dict[tuple[str, int], int]
    items: dict[tuple[str, str], int] = field(default_factory=dict)
    # Of what changes decisions without an entry.
    epoch: int = 0

    def write(self, vouchers: Iterable[Voucher]) -> list[Written]:
        """Number the vouchers in this order and chain their rows; the head moves along. `booked_at` never runs backwards."""
        written: list[Written] = []
        for voucher in vouchers:
            self.booked_at = max(self.booked_at, voucher.act.at)
            assert _belong_together(voucher.legs), "a voucher has one kind and one year"
            number = self._next_number(voucher) if voucher.outcome is Outcome.POSTED else None
            for leg, posting in enumerate(voucher.legs, start=1):
                self.seq += 1
                entry = self._entry(voucher, posting, leg=leg, number=number)
                leaf = leaf_of(entry)
                self.chain = link(self.chain, leaf=leaf)
                written.append(Written(entry, leaf, self.chain))
        return written

    def _next_number(self, voucher: Voucher) -> str:
        first = voucher.legs[0]
        counted = (first.kind, first.dr.fiscal_year)
        self.numbers[counted] = number = self.numbers.get(counted, 0) + 1
        return f"{VOUCHER_PREFIX[first.kind]}-{first.dr.fiscal_year}-{number:06d}"

    def _entry(self, voucher: Voucher, posting: Posting, *, leg: int, number: str | None) -> Entry:
        act, signers = voucher.act, posting.signers
        known = (act.caller, act.key)
        item = self.items.get(known, 0)
        self.items[known] = item + 1
        return Entry(
            self.seq,
            voucher.outcome,
            number,
            leg,
            posting.kind,
            posting.dr.code if number else None,
            posting.cr.code if number else None,
            posting.amount_fen,
            posting.dr.fiscal_year,
            posting.dr.origin_year,
            posting.line_id,
            posting.jurisdiction_id,
            posting.application_id,
            posting.proposal_id,
            posting.policy_version,
            posting.funding_source,
            posting.document,
            posting.expenditure_category,
            signers.maker,
            signers.checker,
            signers.approver,
            voucher.reverses_seq,
            voucher.reason,
            self.booked_at,
            posting.effective_on,
            act.caller,
            act.key,
            item,
            act.fingerprint,
        )


def _belong_together(legs: Sequence[Posting]) -> bool:
    first = legs[0]
    return len(legs) == 1 or all((leg.kind, leg.dr.fiscal_year) == (first.kind, first.dr.fiscal_year) for leg in legs)


def canonical(entry: Entry) -> bytes:
    """Every field in order: four bytes of length, then the value as text in UTF-8, as the export shows it; ff ff ff ff where there is none.

    What rows have in common is written once, run by run, because every row that is ever booked passes here.
    """
    e = entry
    return b"".join(
        (
            _VERSION,
            _field(str(e.seq)),
            _run(e.outcome),
            _field(e.voucher),
            _run(e.leg, e.kind, e.dr, e.cr),
            _field(str(e.amount_fen)),
            _run(e.fiscal_year, e.origin_year, e.line_id, e.jurisdiction_id),
            _field(None if e.application_id is None else str(e.application_id)),
            _field(None if e.proposal_id is None else str(e.proposal_id)),
            _run(e.policy_version, e.funding_source),
            _field(e.document),
            _run(e.expenditure_category, e.maker, e.checker, e.approver, e.reverses_seq),
            _field(e.reason),
            _run(e.booked_at, e.effective_on, e.caller),
            _field(e.key),
            _run(e.item),
            _field(e.fingerprint.hex()),
        )
    )


def leaf_of(entry: Entry) -> bytes:
    """32 bytes: SHA-256 of 00 and the canonical bytes, which is the leaf hash of the Merkle tree too (RFC 6962 2.1)."""
    return hashlib.sha256(_LEAF + canonical(entry)).digest()


def link(chain: bytes, *, leaf: bytes) -> bytes:
    """The chain after one more row: SHA-256 of 02, the chain before it, and its leaf."""
    return hashlib.sha256(_LINK + chain + leaf).digest()


def exported(entry: Entry) -> dict[str, object]:
    """The row as the export shows it: whole numbers as such, everything else as text."""
    shown: dict[str, object] = {}
    for name, value in entry._asdict().items():
        shown[name] = value if value is None or isinstance(value, int) else as_text(value)
    return shown


def as_text(value: object) -> str:
    """Days as YYYY-MM-DD, instants in UTC with microseconds and Z, bytes in hexadecimal digits."""
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)


@lru_cache(maxsize=1_000)
def instant_text(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


# The four bytes of every length that occurs in practice.
_LENGTHS = tuple(size.to_bytes(4, "big") for size in range(4_096))


def _field(text: str | None) -> bytes:
    if text is None:
        return _ABSENT
    value = text.encode()
    size = len(value)
    return (_LENGTHS[size] if size < len(_LENGTHS) else size.to_bytes(4, "big")) + value


@lru_cache(maxsize=10_000)
def _run(*values: object) -> bytes:
    return b"".join([_field(None if value is None else as_text(value)) for value in values])


_VERSION = _field(FORMAT.decode())
