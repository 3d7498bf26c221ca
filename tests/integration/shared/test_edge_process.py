"""The edge as a real process: bytes on a socket, what its log tells, and how it ends."""

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import sys
import uuid
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import structlog
from fastapi import FastAPI
from sqlalchemy import text

from shared.body import BODY_BYTES_MAX
from shared.db import Tx, fetch
from shared.live import open_live
from shared.observability import set_up
from tests.integration.shared.edge import LOCAL_SECRET, SERVICE, Call, Edge, NoteView, edge_settings, note, until, write_call
from tests.integration.shared.test_idempotency import is_waiting, notes_locked
from tests.runtime import Database

CLIENTS = 16
PERSON = "Zhang San 13800000000"
ANSWERS_BEFORE_THE_END = 100


@dataclass(frozen=True)
class Served:
    edge: Edge
    process: Process
    port: int
    log: Path

    async def raw(self, request: bytes, *, half_close: bool = False) -> bytes:
        """Send these bytes; returns everything that comes back until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            if half_close:
                writer.write_eof()
            async with asyncio.timeout(10):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def served(database: Database, *, log: Path) -> AsyncIterator[Served]:
    port = free_port()
    settings = edge_settings(database_url=database.sqlalchemy_url(SERVICE), http_port=port)
    written = settings.model_dump(mode="json") | {"database_url": settings.database_url.get_secret_value()}
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.shared.edge_process"),
            env={**os.environ, "EDGE_SETTINGS": json.dumps(written)},
            stdout=out,
            stderr=out,
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await until(lambda: answers(client), within_s=20)
            yield Served(edge=Edge(client=client, database=database), process=process, port=port, log=log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service(note_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with served(note_database, log=tmp_path_factory.mktemp("edge") / "log") as running:
        yield running


def request_head(call: Call, *lines: str, length: int | None = None) -> bytes:
    headers = [f"{name}: {value}" for name, value in call.signed_headers().items()]
    framing = [] if length is None else [f"content-length: {length}"]
    return "\r\n".join([f"{call.method} {call.url} HTTP/1.1", "host: edge", "connection: close", *headers, *framing, *lines, "", ""]).encode()


def in_one_chunk(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"


async def test_a_chunked_body_within_the_limit_is_taken(service: Served) -> None:
    call = write_call()

    answer = await service.raw(request_head(call, "transfer-encoding: chunked") + in_one_chunk(call.body))

    assert answer.startswith(b"HTTP/1.1 201 ")


async def test_a_chunked_body_above_the_limit_is_told_so(service: Served) -> None:
    before, call = await service.edge.written(), write_call(note() + b" " * BODY_BYTES_MAX)

    answer = await service.raw(request_head(call, "transfer-encoding: chunked") + in_one_chunk(call.body))

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"body-too-large" in answer
    assert await service.edge.written() == before


NOT_TAKEN: dict[str, bytes] = {
    "a length that is no number": request_head(write_call(), "content-length: abc") + note(),
    "a negative length": request_head(write_call(), "content-length: -5") + note(),
    "two lengths": request_head(write_call(), "content-length: 5", "content-length: 35") + note(),
    "a length and chunks": request_head(write_call(), "transfer-encoding: chunked", length=5) + in_one_chunk(note()),
    "a chunk of no size": request_head(write_call(), "transfer-encoding: chunked") + b"zz\r\nabc\r\n0\r\n\r\n",
    "a length that is too small": request_head(write_call(), length=len(note()) - 1) + note(),
    "a header without a name": request_head(write_call(), ": x", length=len(note())) + note(),
    "a path outside ASCII": request_head(Call("GET", "/v1/notes/x")).replace(b"notes/x", b"notes/\xff", 1),
    "a query outside ASCII": request_head(Call("GET", "/v1/notes?title=x")).replace(b"title=x", b"title=\xff", 1),
    "a query with a raw zero byte": request_head(Call("GET", "/v1/notes?title=x")).replace(b"title=x", b"title=\0", 1),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", NOT_TAKEN.values(), ids=NOT_TAKEN.keys())
async def test_a_request_that_is_not_well_formed_writes_nothing_and_is_no_fault(service: Served, request_bytes: bytes) -> None:
    before = await service.edge.written()

    answer = await service.raw(request_bytes, half_close=True)

    assert not answer or answer.startswith(b"HTTP/1.1 4")
    assert await service.edge.written() == before
    assert "request_failed" not in service.log.read_text()


async def test_a_body_that_ends_too_soon_writes_nothing_and_is_no_fault(service: Served) -> None:
    before, call = await service.edge.written(), write_call()

    await service.raw(request_head(call, length=len(call.body) + 1) + call.body, half_close=True)

    assert (await service.edge.send(call)).headers.get("idempotency-replayed") is None
    assert await service.edge.written() == (before[0] + 1, before[1] + 1, before[2] + 1)
    assert "request_failed" not in service.log.read_text()


async def test_the_log_of_a_bug_has_its_trace_id_but_no_value_from_memory_and_no_row(service: Served) -> None:
    person = "unsigned Zhang San 13800000000"

    bug = await service.edge.client.get("/v1/bugs")
    broken_row = await service.edge.send(write_call(note(person)))

    log = service.log.read_text()
    failed = [json.loads(line) for line in log.splitlines() if "request_failed" in line]
    assert [bug.status_code, broken_row.status_code] == [500, 500]
    assert [line["trace_id"] for line in failed] == [bug.json()["trace_id"], broken_row.json()["trace_id"]]
    assert "RuntimeError" in log
    assert "NotNullViolation" in log
    assert LOCAL_SECRET not in log
    assert "Zhang San" not in log


BUGS: dict[str, Callable[[Tx], Awaitable[object]]] = {
    "a value of another kind": lambda tx: fetch(tx, "SELECT $1::int", PERSON),
    "a value of another kind, through SQLAlchemy": lambda tx: tx.execute(text("SELECT CAST(:name AS int)"), {"name": PERSON}),
    "a value that is out of range": lambda tx: fetch(tx, "SELECT $1::bigint", 13800000000 * 10**10),
    "a text that the database does not hold": lambda tx: fetch(tx, "SELECT $1::text", f"{PERSON}\ud800"),
    "a row that a view does not take": lambda _: view_of(PERSON),
    "an answer that is none of its route": lambda _: answer_with(PERSON),
}


async def view_of(amount: str) -> NoteView:
    return NoteView.model_validate({"id": uuid.uuid4(), "title": "a", "amount_fen": amount, "version": 1})


async def answer_with(amount: str) -> None:
    """As the framework finds it when a route returned something else than it declares."""
    app = FastAPI()

    @app.get("/", response_model=NoteView)
    async def answer() -> Any:
        return {"id": uuid.uuid4(), "title": "a", "amount_fen": amount, "version": 1}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
        await client.get("/")


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
async def test_the_log_of_a_bug_tells_the_kind_of_a_value_and_not_the_value(note_database: Database, bug: Callable[[Tx], Awaitable[object]]) -> None:
    log, before = io.StringIO(), structlog.get_config()
    settings = edge_settings(database_url=note_database.sqlalchemy_url(SERVICE))
    set_up(settings)
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=log), cache_logger_on_first_use=False)
    live = open_live(settings)

    async with live.running(), live.transaction() as tx:
        try:
            await bug(tx)
        except Exception as error:
            structlog.get_logger().error("request_failed", exc_info=error)
    structlog.configure(**before)

    assert "request_failed" in log.getvalue()
    assert "Zhang San" not in log.getvalue()
    assert "13800000000" not in log.getvalue()


async def test_every_accepted_request_is_answered_after_sigterm_and_nothing_else_is_written(note_database: Database, tmp_path: Path) -> None:
    """Clients write in closed loops; at the signal some of their requests stand still in the middle of a transaction."""
    answered, enough = list[int](), asyncio.Event()
    async with served(note_database, log=tmp_path / "log") as service, asyncio.timeout(60):
        before = await service.edge.written()
        clients = [asyncio.create_task(write_until_it_ends(service.port, answered=answered, enough=enough)) for _ in range(CLIENTS)]
        await enough.wait()
        async with notes_locked(service.edge):
            await until(lambda: is_waiting(service.edge))
            answered_before = len(answered)
            service.process.send_signal(signal.SIGTERM)
            await until(lambda: refuses_connections(service.port))
            assert service.process.returncode is None
        await asyncio.gather(*clients)
        await service.process.wait()

    assert set(answered) == {201}
    assert len(answered) > answered_before >= ANSWERS_BEFORE_THE_END
    assert await service.edge.written() == tuple(count + len(answered) for count in before)


async def refuses_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return True
    writer.close()
    return False


async def write_until_it_ends(port: int, *, answered: list[int], enough: asyncio.Event) -> None:
    """A closed loop over one connection kept alive; ends when the server is gone."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, verify=False) as client:
        while True:
            call = write_call()
            try:
                answer = await client.post(call.url, content=call.body, headers=call.signed_headers())
            except httpx.TransportError:
                return
            answered.append(answer.status_code)
            if len(answered) >= ANSWERS_BEFORE_THE_END:
                enough.set()
