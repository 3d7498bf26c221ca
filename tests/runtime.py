"""Fixtures: a real PostgreSQL and a real Kafka, started once a test process and only when a test asks for them."""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient

from deploy.kafka.topics import declare_topics
from deploy.local import folders, kafka, postgres
from deploy.local.stack import stored_passwords
from deploy.local.supervision import Supervisor, end_leftovers, running_supervisor
from deploy.postgres.migrate import migrate
from deploy.postgres.roles import ROLES, SERVICES, allow_connections, create_database, declare_roles, password_variable

PARTITIONS = 2
TEMPLATE = "migrated"


@dataclass(frozen=True)
class Database:
    """One database of a test's own; urls by role: the services, their owners (`registry_owner`), `auditor` and the superuser `postgres`."""

    name: str
    urls: Mapping[str, str]

    def sqlalchemy_url(self, role: str) -> str:
        return self.urls[role].replace("postgresql://", "postgresql+asyncpg://", 1)


@dataclass(frozen=True)
class Topics:
    """The declared topics under a prefix of a test's own."""

    bootstrap: str
    prefix: str
    names: list[str]
    partitions: int = PARTITIONS


@dataclass(frozen=True)
class TemplateDatabase:
    """A server with a migrated database to clone."""

    server: postgres.Postgres
    passwords: Mapping[str, str]

    def database(self, name: str) -> Database:
        urls = {role: self.server.url(role=role, password=self.passwords[password_variable(role)], database=name) for role in ROLES}
        return Database(name=name, urls={**urls, postgres.ADMIN: self.server.admin_url(name)})


@pytest.fixture(scope="session")
def runtime_folder() -> Iterator[Path]:
    """A folder of this test process, removed at the end; TEST_RUNTIME_DIR names one that is kept and used again."""
    if kept := os.environ.get("TEST_RUNTIME_DIR"):
        with folders.held(Path(kept).resolve()) as folder:
            yield folder
        return
    remove_abandoned_folders()
    with folders.held(folders.profile_folder(f"test-{os.getpid()}")) as folder:
        yield folder
        folders.empty_folder(folder)
    shutil.rmtree(folder)


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder for a test that starts and stops processes of its own."""
    with folders.held(folders.profile_folder(f"test-{os.getpid()}-{uuid.uuid4().hex[:8]}")) as folder:
        yield folder
        folders.empty_folder(folder)
    shutil.rmtree(folder)


def remove_abandoned_folders() -> None:
    for folder in folders.STATE.glob("test-*"):
        try:
            with folders.held(folder):
                end_leftovers(folder)
                folders.empty_folder(folder)
        except folders.AlreadyRunning:
            continue
        shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="session")
async def supervisor(runtime_folder: Path) -> AsyncIterator[Supervisor]:
    async with running_supervisor(runtime_folder) as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def template_database(supervisor: Supervisor) -> TemplateDatabase:
    """PostgreSQL with roles and one migrated, never used database."""
    passwords = stored_passwords(supervisor.folder)
    server = await postgres.start(supervisor, password=passwords["POSTGRES_PASSWORD"], durable=False)
    await drop_database(server.admin_url(), name=TEMPLATE)
    await create_database(server.admin_url(), name=TEMPLATE)
    await declare_roles(server.admin_url(TEMPLATE), passwords=passwords)
    template = TemplateDatabase(server=server, passwords=passwords)
    migrated = template.database(TEMPLATE)
    await migrate({service: migrated.sqlalchemy_url(f"{service}_owner") for service in SERVICES})
    return template


@pytest_asyncio.fixture(scope="session")
async def bootstrap(supervisor: Supervisor) -> str:
    """The address of a running Kafka."""
    return (await kafka.start(supervisor)).bootstrap


@pytest_asyncio.fixture
async def database(template_database: TemplateDatabase) -> AsyncIterator[Database]:
    """A migrated, empty database for one test."""
    async with cloned_database(template_database) as clone:
        yield clone


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_database(template_database: TemplateDatabase) -> AsyncIterator[Database]:
    """A migrated database that the tests of one module share."""
    async with cloned_database(template_database) as clone:
        yield clone


@pytest_asyncio.fixture
async def topics(bootstrap: str) -> AsyncIterator[Topics]:
    """The topics, empty, for one test."""
    async with declared_topics(bootstrap) as declared:
        yield declared


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_topics(bootstrap: str) -> AsyncIterator[Topics]:
    """The topics that the tests of one module share."""
    async with declared_topics(bootstrap) as declared:
        yield declared


@pytest.fixture
def kafka_prefix(topics: Topics) -> str:
    return topics.prefix


@asynccontextmanager
async def cloned_database(template: TemplateDatabase) -> AsyncIterator[Database]:
    clone = template.database(f"test_{uuid.uuid4().hex[:12]}")
    await create_database(template.server.admin_url(), name=clone.name, template=TEMPLATE)
    await allow_connections(template.server.admin_url(), database=clone.name)
    yield clone
    await drop_database(template.server.admin_url(), name=clone.name)


async def drop_database(admin_url: str, *, name: str) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await connection.close()


@asynccontextmanager
async def declared_topics(bootstrap: str) -> AsyncIterator[Topics]:
    prefix = f"test-{uuid.uuid4().hex[:12]}."
    names = await declare_topics(bootstrap, prefix=prefix, partitions=PARTITIONS)
    yield Topics(bootstrap=bootstrap, prefix=prefix, names=names)
    await delete_topics(bootstrap, names=names)


async def delete_topics(bootstrap: str, *, names: list[str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(names)
    finally:
        await admin.close()
