"""HTTP edge of year closes."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Self

from fastapi import Response
from pydantic import BaseModel

from services.budget import policy
from services.budget.checkpoint.commands import check_latest, make_checkpoint
from services.budget.checkpoint.rules import BooksContradicted
from services.budget.close import commands, queries
from services.budget.close.commands import Checkpoint, Picture
from services.budget.close.rules import BooksInDoubt, CloseError, Obstacle, contradicted, shown_errors
from services.budget.edge import Document, DryRun, FiscalYear, act_of, example, rehearsable
from services.budget.ledger.rules import Act, require_whole_city
from services.budget.signing import signer_or_none
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow, Tx
from shared.idempotency import Once
from shared.live import Live as LiveState
from shared.paging import Page
from shared.web import Live, Wire
from shared.web import router as new_router

router = new_router("year-closes")


class CloseYear(Wire):
    model_config = example(fiscal_year=2025, document="财结〔2026〕1号")

    fiscal_year: FiscalYear
    document: Document


class CloseErrorView(BaseModel):
    obstacle: Obstacle
    subject: str
    amount_fen: int
    to_do: str
    to_do_zh: str


class YearCloseView(BaseModel):
    """Signed by the checkpoint of `last_seq`.

    `carried_fen` is committed to `carried_cases` in the next year, or free there; `errors` is what stands in the way, in a dry run.
    """

    fiscal_year: int
    document: str
    carried_cases: int
    waiting_cases: int
    carried_fen: int
    lapsed_fen: int
    last_seq: int | None = None
    closed_on: date | None = None
    closed_by: str | None = None
    closed_at: datetime | None = None
    error_count: int = 0
    errors: list[CloseErrorView] = []

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls.model_validate(row._mapping)

    @classmethod
    def preview(cls, picture: Picture, *, doubts: Sequence[CloseError], body: CloseYear) -> Self:
        errors = [*doubts, *picture.errors]
        return cls(
            fiscal_year=body.fiscal_year,
            document=body.document,
            carried_cases=len(picture.legs.carried_cases),
            waiting_cases=len(picture.waiting),
            carried_fen=picture.legs.carried_fen,
            lapsed_fen=picture.legs.lapsed_fen,
            error_count=len(errors),
            errors=[CloseErrorView.model_validate(each) for each in shown_errors(errors)],
        )


@router.post("/v1/year-closes", status_code=201, response_model=YearCloseView, summary="Close a fiscal year, or preview it | 年终结账（可试算）")
async def close_year(
    body: CloseYear, caller: Annotated[Caller, may("year-closes:close")], once: Once, live: Live, dry_run: DryRun = False
) -> Response:
    require_whole_city(caller)
    async with rehearsable(live, dry_run=dry_run) as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        act, close = act_of(once, moment=live.now()), _previewed if dry_run else _closed
        return await once.keep(tx, await close(tx, body, act=act, checkpoint=_checkpoint(live, act=act)), status=201)


@router.get("/v1/year-closes", summary="Fiscal years that are closed | 查询已结账年度")
async def list_year_closes(caller: Annotated[Caller, may("year-closes:read")], live: Live) -> Page[YearCloseView]:
    require_whole_city(caller)
    async with live.transaction() as tx:
        rows = await queries.year_closes(tx)
    return Page(rows=[YearCloseView.of(row) for row in rows], next_cursor=None)


def _checkpoint(live: LiveState, *, act: Act) -> Checkpoint | None:
    """None where nothing can be signed."""
    signer = signer_or_none(live)
    if signer is None:
        return None

    async def sign(tx: Tx) -> None:
        try:
            await make_checkpoint(tx, signer=signer, at=act.at)
        except BooksContradicted as error:
            raise BooksInDoubt(f"{error}.", detail_zh="账簿与最近一次检查点不一致，可能被回退或改动，未办理结账。") from error

    return sign


async def _previewed(tx: Tx, body: CloseYear, *, act: Act, checkpoint: Checkpoint | None) -> YearCloseView:
    picture = await commands.preview_close(
        tx, fiscal_year=body.fiscal_year, document=body.document, act=act, catalogue=policy.current(), checkpoint=checkpoint
    )
    return YearCloseView.preview(picture, doubts=await _doubts(tx), body=body)


async def _doubts(tx: Tx) -> list[CloseError]:
    """The close itself finds them when it signs."""
    try:
        await check_latest(tx)
    except BooksContradicted as error:
        return [contradicted(str(error))]
    return []


async def _closed(tx: Tx, body: CloseYear, *, act: Act, checkpoint: Checkpoint | None) -> YearCloseView:
    closed = await commands.close_year(
        tx, fiscal_year=body.fiscal_year, document=body.document, act=act, catalogue=policy.current(), checkpoint=checkpoint
    )
    return YearCloseView.of(closed)
