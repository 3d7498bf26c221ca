"""The local runtime on its real parts."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from jgo.env import LockedDependency
from jgo.maven import MavenContext
from pydantic import SecretStr

from deploy.kafka.topics import TopicNotDeclared, declare_topics
from deploy.local import jars, kafka, postgres
from deploy.local.callers import callers_in
from deploy.local.folders import ROOT, AlreadyRunning, held
from deploy.local.issuer import ISSUER, issuer_in
from deploy.local.ports import PortTaken, choose_port
from deploy.local.stack import CITY_FILE
from deploy.local.supervision import ProcessFailed, Program, Supervisor, is_marked, running_supervisor
from deploy.postgres.roles import SERVICES
from shared.auth import Authenticator, load_callers
from shared.settings import Profile, Settings
from tests.runtime import Database, Topics

RECEIVE_LIMIT_MS = 10_000
END_LIMIT_S = 20.0
TOPIC = "registry.events"
SLEEPER = Program(slot="sleeper", command=[sys.executable, "-c", "import signal; print('awake', flush=True); signal.pause()"])
PARENT = """
import asyncio, pathlib, sys
from deploy.local.supervision import Program, running_supervisor

async def main(folder):
    async with running_supervisor(pathlib.Path(folder)) as supervisor:
        await supervisor.run(Program(slot="sleeper", command=[sys.executable, "-c", "import signal; signal.pause()"]), ready=ready, limit_s=10)
        print("ready", flush=True)
        await asyncio.Event().wait()

async def ready():
    return True

asyncio.run(main(sys.argv[1]))
"""


async def test_what_is_sent_to_kafka_is_received(topics: Topics) -> None:
    await send(topics.bootstrap, topic=topics.prefix + TOPIC, value=b"a value")

    received = await receive(topics.bootstrap, topic=topics.prefix + TOPIC)

    assert received == [(b"a key", b"a value")]


async def test_declaring_topics_again_changes_nothing(topics: Topics) -> None:
    names = await declare_topics(topics.bootstrap, prefix=topics.prefix, partitions=topics.partitions)

    assert names == topics.names


async def test_a_topic_is_not_declared_anew_with_other_partitions(topics: Topics) -> None:
    with pytest.raises(TopicNotDeclared, match="2 partitions, declared are 3"):
        await declare_topics(topics.bootstrap, prefix=topics.prefix, partitions=3)


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


async def test_the_second_start_finds_the_data_of_the_first(own_folder: Path) -> None:
    async with running_supervisor(own_folder) as supervisor:
        server, broker = await start_stores(supervisor)
        await execute(server, "CREATE TABLE kept AS SELECT 'a row' AS word")
        await declare_topics(broker.bootstrap, prefix="", partitions=1)
        await send(broker.bootstrap, topic=TOPIC, value=b"kept")

    async with running_supervisor(own_folder) as supervisor:
        server, broker = await start_stores(supervisor)
        word = await fetch(server, "SELECT word FROM kept")
        received = await receive(broker.bootstrap, topic=TOPIC)

    assert (word, received) == ("a row", [(b"a key", b"kept")])


async def test_a_killed_postgres_is_started_again_at_its_port_with_its_data(own_folder: Path) -> None:
    async with running_supervisor(own_folder) as supervisor:
        server = await postgres.start(supervisor, password="of-a-test", durable=True)
        await execute(server, "CREATE TABLE kept AS SELECT 'a row' AS word")
        killed = psutil.Process(await supervisor.pid("postgres"))

        await supervisor.signal("postgres", "KILL")
        await asyncio.to_thread(killed.wait, END_LIMIT_S)
        await supervisor.wait_until_ready("postgres", ready=server.accepts, limit_s=END_LIMIT_S)

        assert await fetch(server, "SELECT word FROM kept") == "a row"
        assert await supervisor.pid("postgres") not in (0, killed.pid)


async def test_after_the_end_no_process_is_left(own_folder: Path) -> None:
    async with running_supervisor(own_folder) as supervisor:
        await supervisor.run(SLEEPER, ready=awake(supervisor), limit_s=END_LIMIT_S)
        during = marked(own_folder)

    assert len(during) == 3
    assert marked(own_folder) == []


async def test_a_killed_parent_takes_everything_with_it(own_folder: Path) -> None:
    parent = await asyncio.to_thread(started_parent, own_folder)
    children = marked(own_folder)

    parent.kill()
    parent.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, END_LIMIT_S)

    assert len(children) == 3
    assert alive == []


async def test_what_a_killed_run_left_is_ended_by_the_next(own_folder: Path) -> None:
    parent = await asyncio.to_thread(started_parent, own_folder)
    left = marked(own_folder)
    for process in [psutil.Process(parent.pid), *(each for each in left if "supervisord" in " ".join(each.cmdline()))]:
        process.kill()
    parent.wait()

    async with running_supervisor(own_folder) as supervisor:
        await supervisor.run(SLEEPER, ready=awake(supervisor), limit_s=END_LIMIT_S)

        assert not any(process.is_running() for process in left)


async def test_a_process_that_does_not_come_up_is_told_with_the_end_of_its_log(own_folder: Path) -> None:
    broken = Program(slot="broken", command=[sys.executable, "-c", "raise SystemExit('no such database')"])

    async with running_supervisor(own_folder) as supervisor:
        with pytest.raises(ProcessFailed, match="no such database"):
            await supervisor.run(broken, ready=never, limit_s=END_LIMIT_S)


def test_a_folder_is_held_by_one_run_only(own_folder: Path) -> None:
    with pytest.raises(AlreadyRunning, match="in use by process"), held(own_folder):
        pass


def test_a_taken_port_that_is_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("REGISTRY_PORT", str(other.getsockname()[1]))

        with pytest.raises(PortTaken, match="REGISTRY_PORT"):
            choose_port("REGISTRY_PORT")


async def test_a_port_taken_in_between_is_chosen_anew(own_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"import socket; socket.create_server(('127.0.0.1', {other.getsockname()[1]}))"

        async with running_supervisor(own_folder) as supervisor:
            with pytest.raises(PortTaken):
                await supervisor.run(Program(slot="late", command=[sys.executable, "-c", bind]), ready=never, limit_s=END_LIMIT_S)

            assert "late" not in supervisor.programs


def test_a_jar_that_is_not_the_locked_one_is_refused_and_removed(tmp_path: Path) -> None:
    jar = LockedDependency(groupId="org.example", artifactId="thing", version="1", sha256="0" * 64)
    path = tmp_path / "org/example/thing/1/thing-1.jar"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")

    with pytest.raises(jars.JarRefused, match="locked is 0000"):
        jars.bring(jar, context=MavenContext(repo_cache=tmp_path, offline=True))

    assert not path.exists()


async def test_the_services_accept_the_local_staff_token(tmp_path: Path) -> None:
    issuer = issuer_in(tmp_path)
    settings = Settings(
        service="registry",
        profile=Profile.LOCAL,
        database_url=SecretStr("postgresql+asyncpg://registry@127.0.0.1/support"),
        kafka_bootstrap="127.0.0.1:1",
        city_file=CITY_FILE,
        staff_jwks=str(issuer.jwks_file),
        staff_issuer=ISSUER,
    )
    roles = {"city-officer": frozenset({"organisations:read"})}

    caller = await Authenticator(settings=settings, roles=roles, systems={})._staff(
        issuer.token("officer-1", name="示例", roles=["city-officer"], jurisdictions=["*"])
    )

    assert (caller.id, caller.scopes, caller.jurisdictions) == (f"staff:{ISSUER}|officer-1", roles["city-officer"], None)


def test_the_services_load_the_local_callers_and_their_keys_stay(tmp_path: Path) -> None:
    first = callers_in(tmp_path, city_file=CITY_FILE)
    second = callers_in(tmp_path, city_file=CITY_FILE)

    loaded = load_callers(tmp_path / "callers.json", scopes_here=frozenset({"applications:file"}))

    assert first == second
    assert {entry.id for entry in loaded.values()} == first.keys() - {"bank"}
    assert (tmp_path / "callers.json").stat().st_mode & 0o077 == 0


async def start_stores(supervisor: Supervisor) -> tuple[postgres.Postgres, kafka.Kafka]:
    return await postgres.start(supervisor, password="of-a-test", durable=True), await kafka.start(supervisor)


def started_parent(folder: Path) -> subprocess.Popen[bytes]:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(folder)], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    with parent.stdout as said:
        assert said.readline() == b"ready\n"
    return parent


def marked(folder: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if is_marked(process, folder=folder)]


def awake(supervisor: Supervisor) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return "awake" in supervisor.log_tail("sleeper")

    return ready


async def never() -> bool:
    return False


async def send(bootstrap: str, *, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, key=b"a key", value=value)


async def receive(bootstrap: str, *, topic: str) -> list[tuple[bytes, bytes]]:
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        received = await consumer.getmany(timeout_ms=RECEIVE_LIMIT_MS)
    return [(record.key, record.value) for records in received.values() for record in records]


async def execute(server: postgres.Postgres, statement: str) -> None:
    connection = await asyncpg.connect(server.admin_url())
    await connection.execute(statement)
    await connection.close()


async def fetch(server: postgres.Postgres, query: str) -> str:
    connection = await asyncpg.connect(server.admin_url())
    value: str = await connection.fetchval(query)
    await connection.close()
    return value


async def create_table(database: Database, *, service: str) -> None:
    owner = await asyncpg.connect(database.urls[f"{service}_owner"])
    await owner.execute("CREATE TABLE IF NOT EXISTS probe (id BIGINT GENERATED ALWAYS AS IDENTITY, word TEXT NOT NULL)")
    await owner.close()
