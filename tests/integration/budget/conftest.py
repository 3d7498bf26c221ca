"""The budget in this process on a real database: over HTTP, and with its handlers."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from shared.live import Live
from tests.building import System, client_for
from tests.integration.budget.acting import budget_live
from tests.runtime import Database

BANK = System(id="bank-a", kind="bank", scopes=("bank-confirmations:post", "bank-confirmations:read"))


@pytest_asyncio.fixture
async def live(database: Database, tmp_path: Path) -> AsyncIterator[Live]:
    state = budget_live(database, tmp_path)
    async with state.running():
        yield state


@pytest_asyncio.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for("budget", database=database, folder=tmp_path, systems=(BANK,)) as opened:
        yield opened
