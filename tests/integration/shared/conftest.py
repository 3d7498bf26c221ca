"""What the tests of the mechanism share: one edge per module, a pair of services per test, and real trace ids."""

from collections.abc import AsyncIterator

import pytest_asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from tests.integration.shared.edge import Edge, create_note_table, running_edge
from tests.integration.shared.mechanism import Pair, pair_of_services
from tests.runtime import Database, Topics

trace.set_tracer_provider(TracerProvider())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def note_database(module_database: Database) -> Database:
    await create_note_table(module_database)
    return module_database


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def edge(note_database: Database) -> AsyncIterator[Edge]:
    """The tiny service over a database that the tests of one module share."""
    async with running_edge(note_database) as running:
        yield running


@pytest_asyncio.fixture
async def pair(database: Database, topics: Topics) -> AsyncIterator[Pair]:
    async with pair_of_services(database, topics) as services:
        yield services


@pytest_asyncio.fixture
async def unheard(database: Database) -> AsyncIterator[Pair]:
    """The pair without a broker: what is announced stays in the outbox."""
    async with pair_of_services(database, Topics(bootstrap="127.0.0.1:1", prefix="", names=[])) as services:
        yield services
