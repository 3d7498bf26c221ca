"""A service reduced to its edge: one router over one table, and a district system that signs its calls."""

import asyncio
import contextlib
import hashlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
from fastapi import FastAPI, Query, Response
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import text

from shared import outbox
from shared.auth import Authenticator, SystemCaller, anyone, may
from shared.caller import Caller
from shared.errors import NotFound, Refusal
from shared.events.registry import OrganisationRegistered
from shared.idempotency import Once
from shared.ids import new_id
from shared.live import open_live
from shared.money import Fen
from shared.paging import Cursor, Limit, Page, page_of, read_cursor
from shared.settings import Profile, Settings
from shared.signature import SignedCall, sign
from shared.web import IfMatch, Live, Wire, create_app, etag, require_version, router
from tests.runtime import Database

SERVICE = "applications"
CITY_FILE = Path("deploy/city.toml")
NOTE_DDL = """
CREATE TABLE note (id uuid PRIMARY KEY, title text NOT NULL, amount_fen bigint NOT NULL, written_by text NOT NULL, version int NOT NULL DEFAULT 1)
"""
# What no answer may ever show, and what not even a log line may.
BUG_DETAIL = "what went wrong inside"
LOCAL_SECRET = "a secret held in memory"
ROLES = {"registrar": frozenset({"notes:write", "notes:read"}), "reader": frozenset({"notes:read"})}

notes = router("notes")


class WriteNote(Wire):
    title: Annotated[str, Field(min_length=1, max_length=50)]
    amount_fen: Fen
    written_on: date | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class NoteView(BaseModel):
    id: UUID
    title: str
    amount_fen: int
    version: int


class NoteUnwelcome(Refusal):
    code = "note-unwelcome"
    title_en = "This note is not wanted"
    title_zh = "不接受该便条"


@notes.post("/v1/notes", status_code=201, summary="Write a note | 写便条")
async def write_note(
    body: WriteNote,
    caller: Annotated[Caller, may("notes:write")],
    once: Once,
    live: Live,
    _language: Annotated[str, Query(alias="language", max_length=10)] = "zh",
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        view = NoteView(id=new_id(), title=body.title, amount_fen=body.amount_fen, version=1)
        written_by = None if body.title.startswith("unsigned") else caller.id
        await tx.execute(
            text("INSERT INTO note (id, title, amount_fen, written_by) VALUES (:id, :title, :amount_fen, :by)"),
            {"id": view.id, "title": view.title, "amount_fen": view.amount_fen, "by": written_by},
        )
        if body.title == "unwelcome":
            raise NoteUnwelcome("This title is not wanted.", detail_zh="不接受该标题。", pointer="/title")
        await outbox.append(tx, announcement(view))
        if body.title == "crash":
            raise RuntimeError(BUG_DETAIL)
        return await once.keep(tx, view, status=201, headers=etag(view.version))


@notes.post("/v1/notes/{note_id}:change", summary="Change a note | 修改便条")
async def change_note(
    note_id: UUID, body: WriteNote, _: Annotated[Caller, may("notes:write")], once: Once, expected: IfMatch, live: Live
) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        found = (await tx.execute(text("SELECT version FROM note WHERE id = :id FOR UPDATE"), {"id": note_id})).one_or_none()
        if found is None:
            raise NotFound("There is no such note.", detail_zh="未找到该便条。")
        require_version(current=found.version, expected=expected)
        view = NoteView(id=note_id, title=body.title, amount_fen=body.amount_fen, version=expected + 1)
        await tx.execute(text("UPDATE note SET title = :title, version = :version WHERE id = :id"), view.model_dump())
        return await once.keep(tx, view, status=200, headers=etag(view.version))


@notes.get("/v1/notes", summary="List notes | 便条列表")
async def list_notes(
    _: Annotated[Caller, may("notes:read")],
    live: Live,
    limit: Limit = 50,
    cursor: Cursor = None,
    title: Annotated[str | None, Query()] = None,
) -> Page[NoteView]:
    after = read_cursor(cursor, int, str)
    async with live.snapshot() as tx:
        found = await tx.execute(
            text(
                "SELECT id, title, amount_fen, version FROM note WHERE (amount_fen, title) > (:amount_fen, :after)"
                " AND title = COALESCE(CAST(:title AS text), title) ORDER BY amount_fen, title LIMIT :limit"
            ),
            {"amount_fen": after[0] if after else 0, "after": after[1] if after else "", "title": title, "limit": limit + 1},
        )
        rows = [NoteView.model_validate(row, from_attributes=True) for row in found]
    return page_of(rows, rows_max=limit, view=lambda row: row, place=lambda row: (row.amount_fen, row.title))


@notes.get("/v1/bugs", summary="Fail | 出错")
async def read_bug(_: Annotated[None, anyone()]) -> NoteView:
    held = {"secret": LOCAL_SECRET}
    raise RuntimeError(BUG_DETAIL if held else "")


@notes.post("/v1/notes:batch", summary="Count many notes | 批量")
async def count_notes(body: Annotated[list[WriteNote], Field(max_length=100_000)], _: Annotated[Caller, may("notes:write")]) -> dict[str, int]:
    return {"count": len(body)}


def announcement(view: NoteView) -> OrganisationRegistered:
    return OrganisationRegistered(
        happened_at=datetime(2025, 9, 1, tzinfo=UTC),
        happened_on=date(2025, 9, 1),
        uscc=str(view.id),
        kind="enterprise",
        name=view.title,
        jurisdiction_id="huancui",
        status="active",
        version=1,
    )


def system(name: str, *, scopes: Sequence[str] = ("notes:write", "notes:read"), secrets: Sequence[str] | None = None) -> SystemCaller:
    """A system whose app key and secret follow from its name."""
    return SystemCaller(
        id=name,
        kind="district",
        app_key=f"key-of-{name}",
        secrets=tuple(SecretStr(secret) for secret in secrets or (f"the-secret-of-the-calling-system-{name}",)),
        jurisdictions=("huancui",),
        scopes=frozenset(scopes),
    )


DISTRICT = system("district-one")
OTHER_DISTRICT = system("district-two")
READER = system("reader", scopes=("notes:read",))
ROTATING = system("rotating", secrets=("the-old-secret-of-a-rotating-system", "the-new-secret-of-a-rotating-system"))
SYSTEMS = {each.app_key: each for each in (DISTRICT, OTHER_DISTRICT, READER, ROTATING)}


def edge_settings(**more: object) -> Settings:
    values = {"service": SERVICE, "profile": Profile.TEST, "kafka_bootstrap": "unused:1", "city_file": CITY_FILE}
    return Settings.model_validate(values | more)


def edge_app(settings: Settings) -> FastAPI:
    authenticator = Authenticator(settings=settings, roles=ROLES, systems=SYSTEMS)
    return create_app(open_live(settings), authenticator=authenticator, routers=[notes], title="Notes", summary="A test's service")


async def create_note_table(database: Database) -> None:
    owner = await asyncpg.connect(database.urls[f"{SERVICE}_owner"])
    await owner.execute(NOTE_DDL)
    await owner.close()


@dataclass(frozen=True)
class Call:
    """One signed call, to be sent as it is or with a part changed after signing."""

    method: str
    url: str
    body: bytes = b""
    signer: SystemCaller = DISTRICT
    secret: str | None = None
    key: str = ""
    if_match: str = ""
    age_s: int = 0
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def signed_headers(self) -> dict[str, str]:
        parts = urlsplit(self.url)
        timestamp = str(int(time.time()) - self.age_s)
        call = SignedCall(
            audience=SERVICE,
            method=self.method,
            raw_path=parts.path,
            raw_query=parts.query,
            body=self.body,
            if_match=self.if_match,
            timestamp=timestamp,
            idempotency_key=self.key,
        )
        signature = sign(call, secret=self.secret or self.signer.secrets[0].get_secret_value())
        optional = {"idempotency-key": self.key, "if-match": self.if_match, "content-type": self.content_type if self.body else ""}
        fixed = {"x-app-key": self.signer.app_key, "x-timestamp": timestamp, "x-signature": signature}
        return fixed | {name: value for name, value in optional.items() if value} | dict(self.headers)


@dataclass(frozen=True)
class Edge:
    """The running app, a client to it, and a look into its database from outside."""

    client: httpx.AsyncClient
    database: Database

    async def send(self, call: Call) -> httpx.Response:
        return await self.client.request(call.method, call.url, content=call.body, headers=call.signed_headers())

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database.urls["postgres"])
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def written(self) -> tuple[int, int, int]:
        """How many notes, announcements and kept answers there are."""
        (row,) = await self.rows(
            f"SELECT (SELECT count(*) FROM {SERVICE}.note), (SELECT count(*) FROM {SERVICE}.outbox), (SELECT count(*) FROM {SERVICE}.answer)"
        )
        return row[0], row[1], row[2]


@contextlib.asynccontextmanager
async def running_edge(database: Database, **settings: object) -> AsyncIterator[Edge]:
    app = edge_app(edge_settings(**{"database_url": database.sqlalchemy_url(SERVICE)} | settings))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.state.live.running(), httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
        yield Edge(client=client, database=database)


def note(title: str = "a note", *, amount_fen: int = 100) -> bytes:
    return json.dumps({"title": title, "amount_fen": amount_fen}).encode()


def write_call(body: bytes | None = None, *, key: str | None = None, **more: Any) -> Call:
    """A POST of a note; every call has a key of its own unless one is given."""
    return Call("POST", "/v1/notes", note() if body is None else body, key=uuid.uuid4().hex if key is None else key, **more)


def changed(call: Call, **headers: str) -> Call:
    """The same call with other headers than the signed ones."""
    return replace(call, headers=headers)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def until(condition: Any, *, within_s: float = 10.0) -> None:
    """Wait until `condition()` is true; asked every 20 ms."""
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.02)
