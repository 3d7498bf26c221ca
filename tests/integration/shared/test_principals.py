"""Each service's account at the broker, on a broker with the listeners, accounts and authorizer of docker-compose.yml."""

import asyncio
import itertools
import re
import subprocess
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, KafkaError, TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest

from deploy.docs.product import consumers
from deploy.kafka.administrator import Administrator
from deploy.kafka.principals import Operation, Resource, connected, declare_principals, right, rights, rights_of, send
from deploy.kafka.topics import declare_topics
from deploy.local import kafka
from deploy.local.folders import ROOT
from deploy.local.ports import HOST, choose_port, retry_when_taken
from deploy.local.supervision import Supervisor
from deploy.postgres.roles import SERVICES
from shared import relay
from shared.broker import BrokerSettings
from shared.consumer import Consuming
from shared.settings import Settings
from tests.integration.shared.mechanism import ONE, Ear, organisation, pair_of_services, running
from tests.runtime import Database, Topics

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
SLOT = "kafka-with-accounts"
# What only a test's broker has: the loopback address, a folder of its own, and few threads.
OWN_PROPERTIES = """\
listeners=CLIENT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=CLIENT://{host}:{port}
controller.quorum.voters=1@{host}:{controller_port}
log.dirs=data
offsets.topic.num.partitions=1
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=1
num.io.threads=2
"""
ANSWER_LIMIT_S = 10.0
REQUEST_LIMIT_MS = 3_000
TOPIC_AUTHORIZATION_FAILED = 29

WRITTEN_BY = {
    "registry": {"registry.events", "registry.contacts"},
    "applications": {"applications.events"},
    "budget": {"budget.events"},
    "notifications": {"notifications.events"},
}
TOPICS = sorted(set().union(*WRITTEN_BY.values()))


def environment(name: str) -> dict[str, str]:
    """As Compose hands it over when each password in .env is the name of its variable."""
    given = {variable: str(value) for variable, value in COMPOSE[name]["environment"].items() if value is not None}
    return {variable: re.sub(r"\$\{(\w+):\?[^}]*\}", r"\1", value) for variable, value in given.items()}


def property_name(variable: str) -> str:
    """As the image reads its environment (kafka.docker.KafkaDockerWrapper)."""
    return variable.removeprefix("KAFKA_").lower().replace("_", ".").replace("...", "-").replace("..", "_")


@dataclass(frozen=True)
class Secured:
    """A running broker, and the accounts there as Compose hands them out."""

    bootstrap: str

    @property
    def administrator(self) -> Administrator:
        return Administrator.model_validate(self._account("migrate") | {"partitions": 1})

    def account(self, service: str, **other: str) -> BrokerSettings:
        return BrokerSettings.model_validate(self._account(f"{service}-worker") | other)

    def _account(self, name: str) -> dict[str, str]:
        own = {variable.lower(): value for variable, value in environment(name).items() if variable.startswith("KAFKA_")}
        return own | {"kafka_bootstrap": self.bootstrap}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def secured(supervisor: Supervisor) -> AsyncIterator[Secured]:
    broker = Secured(await retry_when_taken(lambda: start_broker(supervisor)))
    administrator = broker.administrator
    await declare_topics(broker.bootstrap, prefix="", partitions=1, login=administrator.login())
    await declare_principals(administrator, passwords=environment("migrate"))
    await until_in_force(administrator)
    for topic in TOPICS:
        await write(administrator, topic=topic)
    yield broker
    await supervisor.remove(SLOT)


async def start_broker(supervisor: Supervisor) -> str:
    home = supervisor.folder / SLOT
    home.mkdir(exist_ok=True)
    port = choose_port("SECURED_KAFKA_PORT")
    given = "".join(f"{property_name(variable)}={value}\n" for variable, value in environment("kafka").items())
    own = OWN_PROPERTIES.format(host=HOST, port=port, controller_port=choose_port("SECURED_KAFKA_CONTROLLER_PORT"))
    # The last of two lines for one property counts.
    (home / kafka.PROPERTIES).write_text(given + own, encoding="utf-8")
    if not (home / "data" / "meta.properties").exists():
        await asyncio.to_thread(format_as_the_image_does, home)
    secured = Secured(f"{HOST}:{port}")

    async def answers() -> bool:
        if not await kafka.is_open(port):
            return False
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_LIMIT_S), connected(secured.administrator):
                return True
        return False

    program = replace(kafka.Kafka(folder=home, port=port).program(), slot=SLOT)
    await supervisor.run(program, ready=answers, limit_s=kafka.READY_LIMIT_S)
    return secured.bootstrap


def format_as_the_image_does(home: Path) -> None:
    command = [*kafka.java(), "kafka.tools.StorageTool", "format", f"--cluster-id={uuid.uuid4()}", "-c", kafka.PROPERTIES]
    subprocess.run(command, cwd=home, check=True, capture_output=True, timeout=kafka.FORMAT_LIMIT_S)


async def until_in_force(administrator: Administrator) -> None:
    """The broker takes accounts and rights over a moment after it has agreed to them."""
    wanted = rights(prefix="")
    async with asyncio.timeout(ANSWER_LIMIT_S), connected(administrator) as client:
        while {user: await rights_of(client, user=user) for user in wanted} != wanted:
            await asyncio.sleep(0.05)


async def write(account: BrokerSettings, *, topic: str) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=account.kafka_bootstrap, **account.login(), enable_idempotence=True, request_timeout_ms=REQUEST_LIMIT_MS
    )
    try:
        await producer.start()
        await producer.send_and_wait(topic, value=b"a value", key=b"a key")
    finally:
        await producer.stop()


async def read(account: BrokerSettings, *, topic: str, group: str | None = None) -> list[bytes | None]:
    """The first records of the topic: as a member of the group, or without one."""
    client = AIOKafkaConsumer(
        topic,
        bootstrap_servers=account.kafka_bootstrap,
        **account.login(),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=REQUEST_LIMIT_MS,
    )
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            await client.start()
            while not (found := await client.getmany(timeout_ms=1_000)):
                pass
        return [record.value for records in found.values() for record in records]
    finally:
        await client.stop()


async def lengths(secured: Secured) -> dict[str, int]:
    """By topic."""
    administrator = secured.administrator
    client = AIOKafkaConsumer(bootstrap_servers=administrator.kafka_bootstrap, **administrator.login(), enable_auto_commit=False)
    await client.start()
    try:
        ends = await client.end_offsets([TopicPartition(topic, 0) for topic in TOPICS])
        return {partition.topic: end for partition, end in ends.items()}
    finally:
        await client.stop()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_writes_its_own_topics(secured: Secured, service: str) -> None:
    before = await lengths(secured)

    for topic in WRITTEN_BY[service]:
        await write(secured.account(service), topic=topic)

    assert await lengths(secured) == {topic: end + (topic in WRITTEN_BY[service]) for topic, end in before.items()}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_writes_no_topic_of_another(secured: Secured, service: str) -> None:
    before = await lengths(secured)

    for topic in sorted(set(TOPICS) - WRITTEN_BY[service]):
        with pytest.raises(TopicAuthorizationFailedError):
            await write(secured.account(service), topic=topic)

    assert await lengths(secured) == before


@pytest.mark.parametrize("service", sorted(consumers()))
async def test_a_service_reads_what_its_consumer_subscribes_to(secured: Secured, service: str) -> None:
    hears = consumers()[service]

    read_by_topic = {topic: await read(secured.account(service), topic=topic, group=hears.name) for topic in hears.topics}

    assert {topic: values[0] for topic, values in read_by_topic.items()} == dict.fromkeys(hears.topics, b"a value")


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_reads_nothing_else(secured: Secured, service: str) -> None:
    hears = consumers().get(service)

    for topic in sorted(set(TOPICS) - set(hears.topics if hears else ())):
        with pytest.raises(TopicAuthorizationFailedError):
            await read(secured.account(service), topic=topic)


@pytest.mark.parametrize(("service", "refused"), [("registry", True), ("applications", True), ("budget", True), ("notifications", False)])
async def test_contacts_are_read_by_notifications_alone(secured: Secured, service: str, refused: bool) -> None:
    account = secured.account(service)

    if refused:
        with pytest.raises(TopicAuthorizationFailedError):
            await read(account, topic="registry.contacts")
    else:
        assert (await read(account, topic="registry.contacts"))[0] == b"a value"


@pytest.mark.parametrize(("service", "other"), [*itertools.permutations(SERVICES, 2)])
async def test_a_service_joins_no_group_of_another(secured: Secured, service: str, other: str) -> None:
    of_its_own = min(WRITTEN_BY[service])

    with pytest.raises(GroupAuthorizationFailedError):
        await read(secured.account(service), topic=of_its_own, group=other)


async def test_a_wrong_password_is_refused(secured: Secured) -> None:
    stranger = secured.account("registry", kafka_password="another")

    with pytest.raises(KafkaConnectionError):
        await write(stranger, topic="registry.events")


async def test_nobody_comes_in_without_an_account(secured: Secured) -> None:
    nobody = BrokerSettings.model_validate({"kafka_bootstrap": secured.bootstrap})

    with pytest.raises(KafkaConnectionError):
        await write(nobody, topic="registry.events")


async def test_a_service_declares_no_topic(secured: Secured) -> None:
    account = secured.account("registry")
    admin = AIOKafkaAdminClient(bootstrap_servers=account.kafka_bootstrap, **account.login())
    await admin.start()

    answer = await admin.create_topics([NewTopic("registry.more", 1, 1)])

    await admin.close()
    assert answer.topic_errors[0][1] == TOPIC_AUTHORIZATION_FAILED


async def test_a_right_that_is_not_declared_is_taken_away(secured: Secured) -> None:
    surplus = right("budget", Resource.TOPIC, "registry.contacts", Operation.READ)
    async with connected(secured.administrator) as client:
        await send(client, CreateAclsRequest(*surplus))
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while surplus not in await rights_of(client, user="budget"):
                await asyncio.sleep(0.05)

    await declare_principals(secured.administrator, passwords=environment("migrate"))

    await until_in_force(secured.administrator)
    with pytest.raises(TopicAuthorizationFailedError):
        await read(secured.account("budget"), topic="registry.contacts")


async def test_a_changed_password_is_set_by_declaring_again(secured: Secured) -> None:
    changed = secured.account("budget", kafka_password="changed")

    await declare_principals(secured.administrator, passwords=environment("migrate") | {"BUDGET_KAFKA_PASSWORD": "changed"})
    await until_logged_in(changed)

    with pytest.raises(KafkaConnectionError):
        await write(secured.account("budget"), topic="budget.events")
    await declare_principals(secured.administrator, passwords=environment("migrate"))
    await until_logged_in(secured.account("budget"))


async def until_logged_in(account: BrokerSettings) -> None:
    async with asyncio.timeout(ANSWER_LIMIT_S):
        while True:
            with suppress(KafkaConnectionError):
                await write(account, topic="budget.events")
                return


async def test_one_event_goes_from_the_outbox_to_its_effect(secured: Secured, database: Database) -> None:
    def at_the_broker(settings: Settings) -> Settings:
        own = secured.account(settings.service)
        return settings.model_copy(update={name: getattr(own, name) for name in BrokerSettings.model_fields})

    async with pair_of_services(database, Topics(bootstrap=secured.bootstrap, prefix="", names=TOPICS)) as pair:
        await pair.announce(organisation(ONE, version=1))
        hearing = Consuming(settings=at_the_broker(pair.notifications.settings), database=pair.notifications.database, consumer=Ear().consumer())

        async with running(relay.run(at_the_broker(pair.registry.settings))), running(hearing.run()):
            await pair.until("SELECT count(*) = 1 FROM notifications.heard")

        assert await pair.heard() == [(ONE, 1)]
