"""Checkpoints of the journal: the Merkle tree over its leaves (RFC 6962) and the signed text that is kept outside (C2SP signed note)."""

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from services.budget.entry.rules import instant_text
from shared.errors import NotFound, Refusal

# Of a tree, every eighth level is stored: a node covers 256 of the level below, and any proof reads some hundred of them.
LEVELS_A_STEP = 8
LEVEL_MAX = 40
STORED_LEVELS = range(LEVELS_A_STEP, LEVEL_MAX + 1, LEVELS_A_STEP)
CHECKPOINT_EVERY = timedelta(hours=1)
# Ed25519 in the names of signed notes.
_ED25519 = b"\x01"


class Node(NamedTuple):
    """A whole subtree of 2^level leaves; level 0 is a leaf, at seq place + 1."""

    level: int
    place: int


# The stored hash of a node.
HashOf = Callable[[Node], bytes]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """`root` is of the tree over the first `seq` leaves, `chain` that of row `seq`."""

    origin: str
    seq: int
    root: bytes
    chain: bytes
    booked_at: datetime


@dataclass(frozen=True, kw_only=True)
class Witnessed:
    """What somebody outside, or the table of checkpoints, has of the journal."""

    seq: int
    chain: bytes
    where: str


class BooksContradicted(Exception):
    """The journal is not the one that was witnessed: it was taken back, or altered. Nobody signs before people have looked."""


class NoCheckpoint(NotFound):
    code = "no-checkpoint"
    title_en = "No checkpoint reaches so far"
    title_zh = "尚无覆盖该分录的检查点"
    remedy_en = "Checkpoints are made every hour in which something was booked; ask again later, or for one that is listed."
    remedy_zh = "有新分录时每小时生成一次检查点；请稍后再查，或使用已列出的检查点。"


class TreesOutOfOrder(Refusal):
    code = "trees-out-of-order"
    title_en = "The first checkpoint must not be after the second"
    title_zh = "前一检查点不得晚于后一检查点"


def check_chain(witnessed: Witnessed, *, chain: bytes | None, last_seq: int) -> None:
    """`chain` is that of row `witnessed.seq`, None when there is no such row."""
    if chain is None:
        raise BooksContradicted(f"{witnessed.where} has row {witnessed.seq}, the journal ends at {last_seq}: rows are gone")
    if chain != witnessed.chain:
        raise BooksContradicted(f"{witnessed.where} has row {witnessed.seq} with chain {witnessed.chain.hex()}, the journal has {chain.hex()}")


def is_due(*, last_made_at: datetime | None, now: datetime) -> bool:
    return last_made_at is None or now - last_made_at >= CHECKPOINT_EVERY


def read_note(note: str, *, where: str) -> Witnessed:
    """Raises ValueError for what is not a checkpoint of ours."""
    _, size, _, chain, *_ = note.split("\n")
    return Witnessed(seq=int(size), chain=bytes.fromhex(chain.removeprefix("chain ")), where=where)


def body_of(note: str) -> str:
    """What was signed; the signature of another key makes no other checkpoint of it."""
    return note.partition("\n\n")[0]


def parent_of(left: bytes, *, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash of a subtree that has these children; their count is a power of two."""
    while len(hashes) > 1:
        pairs = iter(hashes)
        hashes = [parent_of(left, right=right) for left, right in zip(pairs, pairs, strict=True)]
    return hashes[0]


def root_of(size: int, *, hash_of: HashOf) -> bytes:
    """Of the first `size` leaves (RFC 6962 2.1)."""
    return _range(0, size, hash_of) if size else hashlib.sha256().digest()


def inclusion_path(index: int, *, size: int, hash_of: HashOf) -> list[bytes]:
    """From the leaf `index`, counted from 0, up to the root over `size` leaves (RFC 6962 2.1.1)."""
    assert 0 <= index < size
    begin, end, path = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        beside, (begin, end) = ((middle, end), (begin, middle)) if index < middle else ((begin, middle), (middle, end))
        path.append(beside)
    return [_range(*each, hash_of) for each in reversed(path)]


def consistency_path(first: int, *, second: int, hash_of: HashOf) -> list[bytes]:
    """Proves that the first `first` of `second` leaves are those of the earlier tree (RFC 6962 2.1.2)."""
    assert 0 < first <= second
    begin, end, path = 0, second, []
    while first != end:
        middle = begin + _split(end - begin)
        beside, (begin, end) = ((middle, end), (begin, middle)) if first <= middle else ((begin, middle), (middle, end))
        path.append(beside)
    # What begins at the very first leaf is the earlier root itself, which whoever checks has already.
    lowest = [(begin, end)] if begin else []
    return [_range(*each, hash_of) for each in (*lowest, *reversed(path))]


def nodes_needed(compute: Callable[[HashOf], object]) -> list[Node]:
    """The stored nodes that `compute` will ask for, so that they are read at once."""
    needed: list[Node] = []

    def note(node: Node) -> bytes:
        needed.append(node)
        return bytes(32)

    compute(note)
    return needed


def whole_nodes(before: int, *, after: int) -> Iterator[Node]:
    """The nodes to store when the journal has grown from one seq to another, lower levels first."""
    for level in STORED_LEVELS:
        yield from (Node(level, index) for index in range(before >> level, after >> level))


def children_of(node: Node) -> tuple[int, int, int]:
    """Level, first index and count of the stored nodes below."""
    return node.level - LEVELS_A_STEP, node.place << LEVELS_A_STEP, 1 << LEVELS_A_STEP


def note_text(checkpoint: Checkpoint) -> str:
    """What is signed: origin, size and root as in C2SP tlog-checkpoint, then two lines of our own."""
    root = base64.b64encode(checkpoint.root).decode()
    return f"{checkpoint.origin}\n{checkpoint.seq}\n{root}\nchain {checkpoint.chain.hex()}\nbooked_at {instant_text(checkpoint.booked_at)}\n"


def signed_note(text: str, *, name: str, public_key: bytes, signature: bytes) -> str:
    signed = base64.b64encode(key_id(name, public_key=public_key) + signature).decode()
    return f"{text}\n— {name} {signed}\n"


def key_id(name: str, *, public_key: bytes) -> bytes:
    """Four bytes of C2SP signed-note."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def public_key_text(name: str, *, public_key: bytes) -> str:
    """Name, id and key, as verifiers of signed notes take it."""
    return f"{name}+{key_id(name, public_key=public_key).hex()}+{base64.b64encode(_ED25519 + public_key).decode()}"


def _range(begin: int, end: int, hash_of: HashOf) -> bytes:
    size = end - begin
    level = size.bit_length() - 1
    if size == 1 << level and begin % size == 0 and level % LEVELS_A_STEP == 0 and level <= LEVEL_MAX:
        return hash_of(Node(level, begin >> level))
    middle = begin + _split(size)
    return parent_of(_range(begin, middle, hash_of), right=_range(middle, end, hash_of))


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
