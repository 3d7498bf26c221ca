"""The registry in this process, and those who call it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from tests.building import System, client_for
from tests.runtime import Database

DISTRICT = System(
    id="district-huancui",
    jurisdictions=("huancui",),
    scopes=("organisations:read", "organisations:write", "contacts:write", "institutions:write", "parks:write"),
)


@pytest_asyncio.fixture
async def registry(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for("registry", database=database, folder=tmp_path, systems=(DISTRICT,)) as client:
        yield client
