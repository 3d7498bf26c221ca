"""The local runtime on its real parts."""

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local import credentials, folders, kafka, postgres
from deploy.local.supervision import running_supervisor
from deploy.kafka.topics import declare_topics
from deploy.postgres.roles import SERVICES
from tests.runtime import Database, Topics

RECEIVE_LIMIT_MS = 10_000


async def test_what_is_sent_to_kafka_is_received(topics: Topics) -> None:
    topic = f"{topics.prefix}registry.events"
    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap, enable_idempotence=True)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=topics.bootstrap, auto_offset_reset="earliest")

    async with producer:
        await producer.send_and_wait(topic, key=b"a key", value=b"a value")
    async with consumer:
        received = await consumer.getmany(timeout_ms=RECEIVE_LIMIT_MS)

    assert [(record.key, record.value) for records in received.values() for record in records] == [(b"a key", b"a value")]


async def test_declaring_topics_again_changes_nothing(topics: Topics) -> None:
    names = await declare_topics(topics.bootstrap, prefix=topics.prefix, partitions=topics.partitions)

    assert names == topics.names


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_uses_the_tables_of_its_own_schema(database: Database, service: str) -> None:
    await create_table(database, service=service)
    connection = await asyncpg.connect(database.urls[service])

    await connection.execute("INSERT INTO probe (word) VALUES ('kept')")
    await connection.execute("UPDATE probe SET word = word || '!'")
    words = await connection.fetch("SELECT id, word FROM probe")
    await connection.execute("DELETE FROM probe")

    await connection.close()
    assert [tuple(row) for row in words] == [(1, "kept!")]


@pytest.mark.parametrize("statement", ["SELECT * FROM {}.probe", "INSERT INTO {}.probe (word) VALUES ('no')", "UPDATE {}.probe SET word = 'no'"])
@pytest.mark.parametrize("other", SERVICES)
async def test_no_other_role_reads_or_writes_a_schema(module_database: Database, other: str, statement: str) -> None:
    await create_table(module_database, service=other)
    strangers = [role for role in SERVICES if role != other] + [f"{role}_owner" for role in SERVICES if role != other]

    refused = []
    for role in strangers:
        connection = await asyncpg.connect(module_database.urls[role])
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement.format(other))
        refused.append(role)
        await connection.close()

    owner = await asyncpg.connect(module_database.urls[f"{other}_owner"])
    rows = await owner.fetchval("SELECT count(*) FROM probe")
    await owner.close()
    assert (refused, rows) == (strangers, 0)


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE probe_of_app (id int)", "CREATE TABLE public.probe (id int)", "TRUNCATE probe", "CREATE SCHEMA another"]
)
async def test_a_service_changes_no_structure(database: Database, statement: str) -> None:
    await create_table(database, service="registry")
    connection = await asyncpg.connect(database.urls["registry"])

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)

    await connection.close()


async def test_a_wrong_password_is_refused(database: Database) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(database.urls["registry"], password="another")


async def create_table(database: Database, *, service: str) -> None:
    owner = await asyncpg.connect(database.urls[f"{service}_owner"])
    await owner.execute("CREATE TABLE IF NOT EXISTS probe (id BIGINT GENERATED ALWAYS AS IDENTITY, word TEXT NOT NULL)")
    await owner.close()
