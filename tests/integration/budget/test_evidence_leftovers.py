"""A pack holds every entry of the books: of one that somebody takes, or begins to take, nothing stays on the disk of the service."""

import hashlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.requests import ClientDisconnect

from services.budget.main import build
from tests.building import settings_of
from tests.integration.budget.acting import AUDITOR, appropriate
from tests.runtime import Database


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process puts what it keeps for a moment."""
    folder = tmp_path / "disk"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest_asyncio.fixture
async def app(database: Database, tmp_path: Path) -> AsyncIterator[FastAPI]:
    built = build(settings_of("budget", database=database, folder=tmp_path))
    async with built.router.lifespan_context(built):
        yield built


def left_on(disk: Path) -> list[Path]:
    return [*disk.iterdir()]


def opened(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://budget.test")


async def test_a_pack_that_was_taken_is_whole_and_leaves_nothing(app: FastAPI, disk: Path) -> None:
    async with opened(app) as client:
        await appropriate(client, 1_000_000)
        taken = await client.get("/v1/ledger/evidence/2025.zip", auth=AUDITOR)

    assert (taken.status_code, taken.headers["content-type"]) == (200, "application/zip")
    assert taken.headers["etag"] == f'"{hashlib.sha256(taken.content).hexdigest()}"'
    assert int(taken.headers["content-length"]) == len(taken.content)
    assert taken.headers["content-disposition"] == 'attachment; filename="evidence-2025.zip"'
    assert left_on(disk) == []


async def test_of_a_pack_whose_taker_hangs_up_nothing_is_left(app: FastAPI, disk: Path) -> None:
    async with opened(app) as client:
        await appropriate(client, 1_000_000)
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            raise OSError("the other end is gone")

    path = "/v1/ledger/evidence/2025.zip"
    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "GET", "scheme": "http"}
    scope |= {"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "server": ("budget.test", 80), "client": ("c", 1)}
    with pytest.raises(ClientDisconnect):
        await app({**scope, "headers": [(b"authorization", f"Bearer {AUDITOR.token}".encode())]}, receive, send)

    assert sent == ["http.response.start", "http.response.body"]
    assert left_on(disk) == []
