"""Declares the topics of topics.toml at a broker, harmless to repeat: `python -m deploy.kafka.topics`."""

import asyncio
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from deploy.kafka.administrator import Administrator

DECLARED = Path(__file__).with_name("topics.toml")
REQUEST_LIMIT_MS = 15_000
TOPIC_ALREADY_EXISTS = 36
TOLD_LIMIT_S = 15.0
TOLD_POLL_S = 0.02
NO_ACCOUNT: Mapping[str, Any] = MappingProxyType({})


class TopicNotDeclared(RuntimeError):
    """The broker refused a topic, or has it with other partitions than declared."""


async def declare_topics(
    bootstrap: str, *, prefix: str, partitions: int | None = None, replicas: int = 1, login: Mapping[str, Any] = NO_ACCOUNT
) -> list[str]:
    """Create the topics that are missing and return the names of all. `login` as BrokerSettings.login() gives it.

    `partitions` replaces the declared number; a topic that exists with another number is refused, because its keys would change places.
    """
    wanted = wanted_topics(prefix=prefix, partitions=partitions, replicas=replicas)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **login, request_timeout_ms=REQUEST_LIMIT_MS)
    await admin.start()
    try:
        created = await admin.create_topics(wanted, timeout_ms=REQUEST_LIMIT_MS)
        for name, code, *_ in created.topic_errors:
            if code not in (0, TOPIC_ALREADY_EXISTS):
                raise TopicNotDeclared(f"{name}: {for_code(code).__name__}")
        await check_partitions(admin, wanted=wanted)
    finally:
        await admin.close()
    return [topic.name for topic in wanted]


def wanted_topics(*, prefix: str, partitions: int | None, replicas: int) -> list[NewTopic]:
    declared: dict[str, Any] = tomllib.loads(DECLARED.read_text(encoding="utf-8"))
    return [
        NewTopic(
            name=prefix + topic["name"],
            num_partitions=partitions or declared["partitions"],
            replication_factor=replicas,
            topic_configs={**declared["configs"], **topic.get("configs", {})},
        )
        for topic in declared["topic"]
    ]


async def check_partitions(admin: AIOKafkaAdminClient, *, wanted: list[NewTopic]) -> None:
    """A broker has agreed to a topic a moment before it tells of it: one just created, with whatever partitions, is waited for."""
    try:
        async with asyncio.timeout(TOLD_LIMIT_S):
            while 0 in (found := await partitions_told(admin, topics=wanted)).values():  # noqa: ASYNC110  the broker rings no bell
                await asyncio.sleep(TOLD_POLL_S)
    except TimeoutError as error:
        raise TopicNotDeclared(f"The broker does not tell of all its topics after {TOLD_LIMIT_S:.0f} s.") from error
    for topic in wanted:
        if found[topic.name] != topic.num_partitions:
            raise TopicNotDeclared(f"{topic.name} has {found[topic.name]} partitions, declared are {topic.num_partitions}.")


async def partitions_told(admin: AIOKafkaAdminClient, *, topics: list[NewTopic]) -> dict[str, int]:
    names = [topic.name for topic in topics]
    told = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics(names)}
    return {name: told.get(name, 0) for name in names}


def main() -> None:
    administrator = Administrator.model_validate({})
    declared = asyncio.run(
        declare_topics(
            administrator.kafka_bootstrap,
            prefix=administrator.kafka_prefix,
            partitions=administrator.partitions,
            replicas=administrator.kafka_replicas,
            login=administrator.login(),
        )
    )
    print("Declared: " + ", ".join(declared))


if __name__ == "__main__":
    main()
