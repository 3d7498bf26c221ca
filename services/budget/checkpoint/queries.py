"""Reads of checkpoints and of the nodes that proofs are made from."""

from collections.abc import Callable, Sequence
from typing import TypeAlias
from uuid import UUID

import asyncpg

from services.budget.checkpoint import rules
from services.budget.checkpoint.rules import HashOf, NoCheckpoint, Node
from services.budget.entry.rules import Entry
from shared.db import Tx, fetch

ENTRIES_OF_AWARD_MAX = 200
Row: TypeAlias = asyncpg.Record

_SHOWN = "SELECT seq, root, chain, booked_at, made_at, key_id, note FROM checkpoint"
_LIST = f"{_SHOWN} WHERE seq > $1 ORDER BY seq LIMIT $2"
_ONE = f"{_SHOWN} WHERE seq = $1"
_LATEST = f"{_SHOWN} ORDER BY seq DESC LIMIT 1"
_KEYS = "SELECT id, public_key, first_used_at FROM checkpoint_key ORDER BY first_used_at, id"
_LEAVES = "SELECT seq - 1 AS place, leaf AS hash FROM journal WHERE seq = ANY($1::bigint[])"
_ROW_LEAVES = "SELECT leaf FROM journal WHERE seq > $1 AND seq <= $2 ORDER BY seq"
_NODES = "SELECT place, hash FROM merkle_node WHERE level = $1 AND place = ANY($2::bigint[])"
_ROW = f"SELECT {', '.join(Entry._fields)}, leaf, chain FROM journal"  # noqa: S608 - names of our own
_AWARD = f"{_ROW} WHERE application_id = $1 AND seq <= $2 ORDER BY seq LIMIT $3"
_ENTRY = f"{_ROW} WHERE seq = $1"
_CHAIN = "SELECT chain FROM journal WHERE seq = $1"


async def checkpoints(tx: Tx, *, after_seq: int, rows_max: int) -> Sequence[Row]:
    return await fetch(tx, _LIST, after_seq, rows_max)


async def latest_checkpoint(tx: Tx) -> Row | None:
    return next(iter(await fetch(tx, _LATEST)), None)


async def checkpoint_at(tx: Tx, *, seq: int | None) -> Row:
    """The one of that seq, or the latest. Raises NoCheckpoint."""
    found = await latest_checkpoint(tx) if seq is None else next(iter(await fetch(tx, _ONE, seq)), None)
    if found is None:
        asked_en, asked_zh = (
            ("There is no checkpoint yet", "尚无检查点") if seq is None else (f"No checkpoint is of entry {seq}", f"第{seq}号分录处无检查点")
        )
        raise NoCheckpoint(f"{asked_en}.", detail_zh=f"{asked_zh}。")
    return found


async def public_keys(tx: Tx) -> Sequence[Row]:
    return await fetch(tx, _KEYS)


async def chain_at(tx: Tx, *, seq: int) -> bytes | None:
    """None when the journal has no such row."""
    found: bytes | None = next((row["chain"] for row in await fetch(tx, _CHAIN, seq)), None)
    return found


async def leaves(tx: Tx, *, after_seq: int, until_seq: int) -> bytes:
    """32 bytes a row: those of a million rows, never told to the witness before, are 32 MB."""
    return b"".join([row["leaf"] for row in await fetch(tx, _ROW_LEAVES, after_seq, until_seq)])


async def hashes_for(tx: Tx, compute: Callable[[HashOf], object]) -> HashOf:
    """What `compute` will ask for, read at once."""
    needed = rules.nodes_needed(compute)
    found: dict[Node, bytes] = {}
    for level in {node.level for node in needed}:
        places = [node.place for node in needed if node.level == level]
        rows = await fetch(tx, _NODES, level, places) if level else await fetch(tx, _LEAVES, [place + 1 for place in places])
        found |= {Node(level, row["place"]): row["hash"] for row in rows}
    return found.__getitem__


async def inclusion_paths(tx: Tx, *, seqs: Sequence[int], size: int) -> dict[int, list[bytes]]:
    """Of each row up to the root over `size` rows; what they have in common is read once."""

    def paths(hash_of: HashOf) -> dict[int, list[bytes]]:
        return {seq: rules.inclusion_path(seq - 1, size=size, hash_of=hash_of) for seq in seqs}

    return paths(await hashes_for(tx, paths))


async def consistency_path(tx: Tx, *, first_seq: int, second_seq: int) -> list[bytes]:
    def path(hash_of: HashOf) -> list[bytes]:
        return rules.consistency_path(first_seq, second=second_seq, hash_of=hash_of)

    return path(await hashes_for(tx, path))


async def entries_of_award(tx: Tx, *, application_id: UUID, until_seq: int) -> Sequence[Row]:
    return await fetch(tx, _AWARD, application_id, until_seq, ENTRIES_OF_AWARD_MAX)


async def entry_at(tx: Tx, *, seq: int) -> Row | None:
    return next(iter(await fetch(tx, _ENTRY, seq)), None)
