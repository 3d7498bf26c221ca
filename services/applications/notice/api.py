"""Public notices over HTTP: opened by the city, read by everyone."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from services.applications.intake.commands import Ground
from services.applications.notice import commands, queries
from services.applications.notice.queries import Notice
from services.applications.notice.rules import CASES_PER_NOTICE_MAX
from services.applications.paging import day_and_id_of_last
from services.applications.policy.in_use import catalogue
from shared.auth import anyone, may
from shared.caller import Caller
from shared.db import AnyRow
from shared.idempotency import Once
from shared.live import Live as LiveState
from shared.paging import Cursor, Limit, Page, page_of
from shared.visible import Visible
from shared.web import Live, Wire, router

notices = router("notices")


class OpenNotice(Wire):
    model_config = ConfigDict(json_schema_extra={"examples": [{"applications": ["01994e6e-7c1a-7000-8000-000000000001"]}]})

    applications: list[UUID] = Field(min_length=1, max_length=CASES_PER_NOTICE_MAX)


class SupersedeNotice(Wire):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "公示内容更正，重新计算公示期"}]})

    reason: Annotated[str, Field(min_length=4, max_length=1_000), Visible(4)]


class NoticeView(BaseModel):
    """First and last day are both part of the notice; it closes on the first working day after."""

    id: UUID
    number: str
    state: str
    first_day: date
    last_day: date
    closes_on: date

    @classmethod
    def of(cls, notice: Notice) -> "NoticeView":
        days = notice.days
        return cls(id=notice.id, number=notice.number, state=notice.state, first_day=days.first_day, last_day=days.last_day, closes_on=days.closes_on)


class NoticeCaseView(BaseModel):
    """`state` is ended once the case was withdrawn, refused or lapsed: what was published stays, and nobody is supported by it any more."""

    application_id: UUID
    applicant_uscc: str
    applicant_name: str
    item_id: str
    amount_fen: int
    state: Literal["listed", "ended"]

    @classmethod
    def of(cls, row: AnyRow) -> "NoticeCaseView":
        return cls.model_validate({**row._mapping, "state": "ended" if row.has_ended else "listed"})


class PublishedNotice(NoticeView):
    cases: list[NoticeCaseView]


@notices.post("/v1/notices", status_code=201, response_model=NoticeView, summary="Open a public notice | 发布公示")
async def open_notice(body: OpenNotice, caller: Annotated[Caller, may("notices:open")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        opened = await commands.open_notice(tx, ids=body.applications, ground=_ground(live), caller=caller, moment=live.now())
        return await once.keep(tx, NoticeView.of(opened), status=201)


@notices.post(
    "/v1/notices/{notice_id}:supersede", status_code=201, response_model=NoticeView, summary="Replace an open notice | 更正公示（重新计算公示期）"
)
async def supersede_notice(
    notice_id: UUID, body: SupersedeNotice, caller: Annotated[Caller, may("notices:open")], once: Once, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        opened = await commands.supersede_notice(tx, notice_id=notice_id, reason=body.reason, ground=_ground(live), caller=caller, moment=live.now())
        return await once.keep(tx, NoticeView.of(opened), status=201)


@notices.get("/v1/notices", summary="Public notices, newest first | 公示公告")
async def list_notices(_: Annotated[None, anyone()], live: Live, limit: Limit = 20, cursor: Cursor = None) -> Page[PublishedNotice]:
    async with live.snapshot() as tx:
        rows = await queries.notices_after(tx, after=day_and_id_of_last(cursor), rows_max=limit + 1)
        cases = await queries.cases_of(tx, notice_ids=[row.id for row in rows])

    def view(row: AnyRow) -> PublishedNotice:
        return PublishedNotice(**NoticeView.of(Notice.of(row)).model_dump(), cases=[NoticeCaseView.of(case) for case in cases[row.id]])

    return page_of(rows, rows_max=limit, view=view, place=lambda row: (row.first_day, row.id))


def _ground(live: LiveState) -> Ground:
    return Ground(catalogue=catalogue(), calendar=live.calendar, city=live.city)
