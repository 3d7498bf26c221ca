"""Making of checkpoints. The caller owns the transaction; nothing here waits for who is booking."""

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert

from services.budget.checkpoint import rules
from services.budget.checkpoint.queries import Row, chain_at, checkpoint_at, hashes_for, latest_checkpoint
from services.budget.checkpoint.rules import Checkpoint, Node, Witnessed
from services.budget.checkpoint.tables import checkpoint, checkpoint_key
from services.budget.signing import Signer
from shared.db import Tx, fetch

# A portion of leaves that is read at once: what one node two steps up covers.
NODES_A_PORTION = 256

# Two at once would store the same nodes.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('budget checkpoint', 0))"
_HEAD = "SELECT last_seq, chain, booked_at FROM head"
_STORED = "SELECT coalesce(max(place) + 1, 0) AS places FROM merkle_node WHERE level = $1"
_LEAVES = "SELECT leaf AS hash FROM journal WHERE seq > $1 AND seq <= $2 ORDER BY seq"
_CHILDREN = "SELECT hash FROM merkle_node WHERE level = $1 AND place >= $2 AND place < $3 ORDER BY place"
_STORE = "INSERT INTO merkle_node (level, place, hash) SELECT $1, * FROM unnest($2::bigint[], $3::bytea[])"
_STORE_KEY = insert(checkpoint_key).on_conflict_do_nothing()
_STORE_CHECKPOINT = insert(checkpoint)


async def make_checkpoint(tx: Tx, *, signer: Signer, at: datetime) -> Row | None:
    """Sign the journal as it ends now; the last checkpoint when nothing was booked since, None when nothing ever was.

    Raises BooksContradicted when the last checkpoint was of other books. `at` is only when it was made: what counts is the instant in the row.
    """
    await fetch(tx, _LOCK)
    (head,) = await fetch(tx, _HEAD)
    last = await check_latest(tx)
    if last is not None and last["seq"] == head["last_seq"]:
        return last
    if head["last_seq"] == 0:
        return None
    await _store_nodes(tx, until_seq=head["last_seq"])
    hash_of = await hashes_for(tx, lambda note: rules.root_of(head["last_seq"], hash_of=note))
    root = rules.root_of(head["last_seq"], hash_of=hash_of)
    made = Checkpoint(origin=signer.name, seq=head["last_seq"], root=root, chain=head["chain"], booked_at=head["booked_at"])
    return await _keep(tx, made=made, signer=signer, at=at)


async def check_latest(tx: Tx) -> Row | None:
    """The last checkpoint. Raises BooksContradicted when it was of other books."""
    last = await latest_checkpoint(tx)
    if last is not None:
        await check_witnessed(tx, witnessed=Witnessed(seq=last["seq"], chain=last["chain"], where="table checkpoint"))
    return last


async def check_witnessed(tx: Tx, *, witnessed: Witnessed) -> None:
    """Raises BooksContradicted when the journal does not hold what was witnessed: rows are gone, or they are others."""
    chain = await chain_at(tx, seq=witnessed.seq)
    (head,) = await fetch(tx, _HEAD)
    rules.check_chain(witnessed, chain=chain, last_seq=head["last_seq"])


async def _keep(tx: Tx, *, made: Checkpoint, signer: Signer, at: datetime) -> Row:
    text, public_key = rules.note_text(made), signer.public_key
    note = rules.signed_note(text, name=signer.name, public_key=public_key, signature=signer.sign(text))
    key_id = rules.key_id(signer.name, public_key=public_key).hex()
    key = {"id": key_id, "public_key": rules.public_key_text(signer.name, public_key=public_key), "first_used_at": at}
    row = {"seq": made.seq, "root": made.root, "chain": made.chain, "booked_at": made.booked_at, "made_at": at, "key_id": key_id, "note": note}
    await tx.execute(_STORE_KEY, key)
    await tx.execute(_STORE_CHECKPOINT, row)
    return await checkpoint_at(tx, seq=made.seq)


async def _store_nodes(tx: Tx, *, until_seq: int) -> None:
    for level in rules.STORED_LEVELS:
        ((places,),) = await fetch(tx, _STORED, level)
        end = until_seq >> level
        for first in range(places, end, NODES_A_PORTION):
            await _store_portion(tx, first=Node(level, first), end=min(first + NODES_A_PORTION, end))


async def _store_portion(tx: Tx, *, first: Node, end: int) -> None:
    level, begin, children = rules.children_of(first)
    count = (end - first.place) * children
    rows = await fetch(tx, _CHILDREN, level, begin, begin + count) if level else await fetch(tx, _LEAVES, begin, begin + count)
    assert len(rows) == count, f"{len(rows)} of {count} nodes at level {level} from {begin}"
    hashes = [row["hash"] for row in rows]
    folded = [rules.fold(hashes[place : place + children]) for place in range(0, count, children)]
    await fetch(tx, _STORE, first.level, list(range(first.place, end)), folded)
