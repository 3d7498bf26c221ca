"""HTTP edge of evidence: the journal as it stands, for everybody who may re-add it."""

from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from services.budget.edge import BIGINT_END
from services.budget.evidence import queries
from services.budget.evidence.commands import record_export
from services.budget.ledger.rules import require_whole_city
from shared.auth import may
from shared.caller import Caller
from shared.web import Live
from shared.web import router as new_router

router = new_router("ledger")

NDJSON = "application/x-ndjson"


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
