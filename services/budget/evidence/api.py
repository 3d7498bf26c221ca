"""HTTP edge of evidence: the journal as it stands and the pack of a year, for everybody who may re-add them."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

from fastapi import Path as PathParameter
from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from services.budget.evidence import queries
from services.budget.evidence.commands import record_export
from services.budget.evidence.pack import write_pack
from services.budget.ledger.rules import require_whole_city
from shared.auth import may
from shared.caller import Caller
from shared.errors import Unavailable
from shared.paging import BIGINT_END
from shared.web import Live
from shared.web import router as new_router

router = new_router("ledger")

NDJSON = "application/x-ndjson"
ZIP = "application/zip"
CHUNK_BYTES = 64 * 1024
# A pack takes a disk and a core; a second one waits its turn.
_ONE_PACK = asyncio.Semaphore(1)


class PackInTheMaking(Unavailable):
    code = "pack-in-the-making"
    title_en = "Another pack is being made"
    title_zh = "正在生成另一份证据包"


@router.get(
    "/v1/ledger/journal.ndjson",
    summary="The journal, row by row, as verify.py takes it | 导出账簿（逐行）",
    response_class=Response,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}},
)
async def export_journal(
    caller: Annotated[Caller, may("ledger:export")],
    live: Live,
    after_seq: Annotated[int, Query(ge=0, lt=BIGINT_END)] = 0,
    until_seq: Annotated[int | None, Query(ge=1, lt=BIGINT_END, description="By default the last | 默认到最后一条")] = None,
) -> StreamingResponse:
    """The first line names the columns, each line after it is a row. The ETag is the chain of the last row: it seals every row up to it."""
    require_whole_city(caller)
    async with live.transaction() as tx:
        end = await queries.end_of(tx, until_seq=until_seq)
        await record_export(
            tx, kind="journal", fiscal_year=None, until_seq=end.seq, sha256=end.chain.hex(), taken_by=caller.id, taken_at=live.now().at
        )
    lines = queries.journal_lines(live, after_seq=after_seq, until_seq=end.seq)
    return StreamingResponse(lines, media_type=NDJSON, headers={"ETag": f'"{end.chain.hex()}"'})


@router.get(
    "/v1/ledger/evidence/{fiscal_year}.zip",
    summary="The evidence pack of a year | 年度账簿证据包",
    response_class=Response,
    responses={200: {"content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def export_evidence(
    caller: Annotated[Caller, may("ledger:export")], live: Live, fiscal_year: Annotated[int, PathParameter(ge=2000, le=2999)]
) -> StreamingResponse:
    """Journal, checkpoints, proofs, sheets and the verifier; the ETag is the SHA-256 of the file, which is kept with who took it."""
    require_whole_city(caller)
    if _ONE_PACK.locked():
        raise PackInTheMaking(
            "Another pack is being made; ask again in half a minute.", detail_zh="正在生成另一份证据包，请半分钟后再取。", retry_after_s=30
        )
    async with _ONE_PACK:
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="evidence-"))
        file = folder / f"evidence-{fiscal_year}.zip"
        try:
            pack = await write_pack(live, file=file, fiscal_year=fiscal_year, taken_by=caller.id)
            opened = await asyncio.to_thread(file.open, "rb")
        finally:
            # What is open can be read to its end all the same; whoever hangs up, or kills us, leaves no pack behind.
            await asyncio.to_thread(shutil.rmtree, folder)
    headers = {
        "ETag": f'"{pack.sha256}"',
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Content-Length": str(os.fstat(opened.fileno()).st_size),
    }
    return StreamingResponse(_chunks(opened), media_type=ZIP, headers=headers)


def _chunks(opened: BinaryIO) -> Iterator[bytes]:
    with opened:
        while chunk := opened.read(CHUNK_BYTES):
            yield chunk
