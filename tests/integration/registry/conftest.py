"""The registry in this process: one app and one database a module, emptied before each test."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.building import client_for, empty
from tests.integration.registry.callers import DISTRICT, PLAIN
from tests.runtime import Database


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_registry(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    folder = tmp_path_factory.mktemp("registry")
    async with client_for("registry", database=module_database, folder=folder, systems=(DISTRICT, PLAIN)) as client:
        yield client


@pytest_asyncio.fixture
async def database(module_database: Database) -> Database:
    await empty(module_database, service="registry")
    return module_database


@pytest.fixture
def registry(module_registry: httpx.AsyncClient, database: Database) -> httpx.AsyncClient:
    return module_registry
