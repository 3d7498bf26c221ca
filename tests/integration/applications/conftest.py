"""Applications in this process: one app and one database a module, emptied before each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from shared.live import Live, open_live
from tests.building import BUSINESS_NOW, client_for, empty, move_business_clock, settings_of
from tests.integration.applications.callers import SYSTEMS
from tests.integration.applications.desk import Desk
from tests.runtime import Database


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("applications")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_client(module_database: Database, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for("applications", database=module_database, folder=folder, systems=SYSTEMS) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_live(module_client: httpx.AsyncClient, module_database: Database, folder: Path) -> AsyncIterator[Live]:
    """What the worker has: a pool of its own, the same clock."""
    live = open_live(settings_of("applications", database=module_database, folder=folder, systems=SYSTEMS))
    yield live
    await live.database.engine.dispose()


@pytest_asyncio.fixture
async def desk(module_client: httpx.AsyncClient, module_live: Live, module_database: Database, folder: Path) -> Desk:
    await empty(module_database, service="applications")
    move_business_clock(folder, BUSINESS_NOW)
    desk = Desk(client=module_client, database=module_database, folder=folder, live=module_live)
    await desk.know()
    return desk
