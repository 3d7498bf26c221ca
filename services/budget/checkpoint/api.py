"""HTTP edge of checkpoints: anybody may pull and keep them; proofs that a row, or an earlier checkpoint, belongs to one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import BaseModel

from services.budget.checkpoint import queries
from services.budget.checkpoint.queries import Row
from services.budget.checkpoint.rules import NoCheckpoint, TreesOutOfOrder
from services.budget.entry.rules import Entry, exported
from services.budget.ledger.rules import require_whole_city
from shared.auth import anyone, may
from shared.caller import Caller
from shared.paging import BIGINT_END, Cursor, Limit, Page, number_of_last, page_of
from shared.web import Live
from shared.web import router as new_router

router = new_router("ledger")

Seq = Annotated[int, Query(ge=1, lt=BIGINT_END)]


class CheckpointView(BaseModel):
    """`note` is what to keep: the signed text, as C2SP signed-note has it."""

    seq: int
    booked_at: datetime
    made_at: datetime
    key_id: str
    note: str

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls.model_validate(dict(row))


class CheckpointKeyView(BaseModel):
    id: str
    public_key: str
    first_used_at: datetime


class CheckpointKeysView(BaseModel):
    keys: list[CheckpointKeyView]


class EntryProofView(BaseModel):
    """`fields` is the row as it is exported; SHA-256 of 00 and its bytes is `leaf`, and with `path` it leads to the root (RFC 9162 2.1.3.2)."""

    seq: int
    fields: dict[str, str | int | None]
    leaf: str
    path: list[str]


class ProofView(BaseModel):
    checkpoint: CheckpointView
    entries: list[EntryProofView]


class ConsistencyView(BaseModel):
    """`path` leads to the roots of both (RFC 9162 2.1.4.2)."""

    first: CheckpointView
    second: CheckpointView
    path: list[str]


@router.get("/v1/ledger/checkpoints", summary="Signed states of the journal, oldest first | 账簿检查点（签名）")
async def list_checkpoints(_: Annotated[None, anyone()], live: Live, limit: Limit = 50, cursor: Cursor = None) -> Page[CheckpointView]:
    async with live.transaction() as tx:
        rows = await queries.checkpoints(tx, after_seq=number_of_last(cursor), rows_max=limit + 1)
    return page_of(rows, rows_max=limit, view=CheckpointView.of, place=lambda row: (row["seq"],))


@router.get(
    "/v1/ledger/checkpoints/{seq}",
    summary="One signed state, as a file to keep | 单个检查点（签名文本）",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_checkpoint(_: Annotated[None, anyone()], live: Live, seq: Annotated[int, Path(ge=1, lt=BIGINT_END)]) -> Response:
    async with live.transaction() as tx:
        found = await queries.checkpoint_at(tx, seq=seq)
    return Response(found["note"], media_type="text/plain; charset=utf-8")


@router.get("/v1/ledger/checkpoint-keys", summary="Public keys that checkpoints were signed with | 检查点签名公钥")
async def list_checkpoint_keys(_: Annotated[None, anyone()], live: Live) -> CheckpointKeysView:
    async with live.transaction() as tx:
        rows = await queries.public_keys(tx)
    return CheckpointKeysView(keys=[CheckpointKeyView.model_validate(dict(row)) for row in rows])


@router.get("/v1/ledger/proofs/consistency", summary="Proof that one checkpoint continues another | 检查点一致性证明")
async def get_consistency(_: Annotated[None, anyone()], live: Live, first_seq: Seq, second_seq: Seq) -> ConsistencyView:
    if first_seq > second_seq:
        raise TreesOutOfOrder(
            f"first_seq {first_seq} is after second_seq {second_seq}.", detail_zh=f"first_seq {first_seq} 晚于 second_seq {second_seq}。"
        )
    async with live.snapshot() as tx:
        first, second = await queries.checkpoint_at(tx, seq=first_seq), await queries.checkpoint_at(tx, seq=second_seq)
        path = await queries.consistency_path(tx, first_seq=first_seq, second_seq=second_seq)
    return ConsistencyView(first=CheckpointView.of(first), second=CheckpointView.of(second), path=[each.hex() for each in path])


@router.get("/v1/ledger/proofs/entries/{seq}", summary="Proof that an entry is in the journal | 单条分录的存在证明")
async def get_entry_proof(
    caller: Annotated[Caller, may("ledger:read")],
    live: Live,
    seq: Annotated[int, Path(ge=1, lt=BIGINT_END)],
    checkpoint_seq: Annotated[int | None, Query(ge=1, lt=BIGINT_END, description="By default the latest | 默认最新")] = None,
) -> ProofView:
    require_whole_city(caller)
    async with live.snapshot() as tx:
        checkpoint = await queries.checkpoint_at(tx, seq=checkpoint_seq)
        row = await queries.entry_at(tx, seq=seq)
        if row is None or seq > checkpoint["seq"]:
            raise NoCheckpoint(
                f"Checkpoint {checkpoint['seq']} does not reach to entry {seq}.", detail_zh=f"检查点{checkpoint['seq']}未覆盖第{seq}号分录。"
            )
        paths = await queries.inclusion_paths(tx, seqs=[seq], size=checkpoint["seq"])
    return _proof_view(checkpoint, rows=[row], paths=paths)


@router.get("/v1/ledger/proofs/awards/{application_id}", summary="Proof of all entries of one award | 一项资助全部分录的存在证明")
async def get_award_proof(caller: Annotated[Caller, may("ledger:read")], live: Live, application_id: UUID) -> ProofView:
    """Up to the latest checkpoint, and the first 200; what was booked after it is proved by the next."""
    require_whole_city(caller)
    async with live.snapshot() as tx:
        checkpoint = await queries.checkpoint_at(tx, seq=None)
        rows = await queries.entries_of_award(tx, application_id=application_id, until_seq=checkpoint["seq"])
        paths = await queries.inclusion_paths(tx, seqs=[row["seq"] for row in rows], size=checkpoint["seq"])
    return _proof_view(checkpoint, rows=rows, paths=paths)


def _proof_view(checkpoint: Row, *, rows: Sequence[Row], paths: dict[int, list[bytes]]) -> ProofView:
    entries = [
        EntryProofView(
            seq=row["seq"],
            fields=exported(Entry(*(row[name] for name in Entry._fields))),  # type: ignore[arg-type]  # whole numbers and texts
            leaf=row["leaf"].hex(),
            path=[each.hex() for each in paths[row["seq"]]],
        )
        for row in rows
    ]
    return ProofView(checkpoint=CheckpointView.of(checkpoint), entries=entries)
