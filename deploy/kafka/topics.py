"""Declares the topics of topics.toml at a broker, harmless to repeat: `python -m deploy.kafka.topics`."""

import asyncio
import os
import tomllib
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

DECLARED = Path(__file__).with_name("topics.toml")
REQUEST_LIMIT_MS = 15_000
TOPIC_ALREADY_EXISTS = 36


class TopicNotDeclared(RuntimeError):
    """The broker refused a topic, or has it with other partitions than declared."""


async def declare_topics(bootstrap: str, *, prefix: str, partitions: int | None = None, replicas: int = 1) -> list[str]:
    """Create the topics that are missing and return the names of all.

    `partitions` replaces the declared number; a topic that exists with another number is refused, because its keys would change places.
    """
    wanted = wanted_topics(prefix=prefix, partitions=partitions, replicas=replicas)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_LIMIT_MS)
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
    found = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics([topic.name for topic in wanted])}
    for topic in wanted:
        # 0: the broker has created it and does not tell about it yet.
        if found.get(topic.name, 0) not in (0, topic.num_partitions):
            raise TopicNotDeclared(f"{topic.name} has {found[topic.name]} partitions, declared are {topic.num_partitions}.")


def main() -> None:
    partitions, replicas = os.environ.get("PARTITIONS"), os.environ.get("KAFKA_REPLICAS", "1")
    declared = asyncio.run(
        declare_topics(
            os.environ["KAFKA_BOOTSTRAP"],
            prefix=os.environ.get("KAFKA_PREFIX", ""),
            partitions=int(partitions) if partitions else None,
            replicas=int(replicas),
        )
    )
    print("Declared: " + ", ".join(declared))


if __name__ == "__main__":
    main()
