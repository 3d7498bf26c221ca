"""Each service's account at the broker and its rights, as topics.toml has them, harmless to repeat: `python -m deploy.kafka.principals`."""

import asyncio
import os
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from aiokafka.protocol.api import Request, Response

from deploy.kafka.administrator import Administrator
from deploy.kafka.scram import AlterScram
from deploy.kafka.topics import DECLARED, REQUEST_LIMIT_MS

# Numbers of the protocol: org.apache.kafka.common.acl and .resource, the codes of their enums.
ANY = 1
ALLOW = 3
ANYWHERE = "*"


class Resource(IntEnum):
    TOPIC = 2
    GROUP = 3


class Pattern(IntEnum):
    LITERAL = 3
    PREFIXED = 4


class Operation(IntEnum):
    READ = 3
    WRITE = 4


class Right(NamedTuple):
    """One entry of the broker's list, in the order of the protocol. Reading and writing both include describing."""

    resource: int
    name: str
    pattern: int
    principal: str
    host: str
    operation: int
    permission: int


class NotDeclared(RuntimeError):
    """The broker refused an account or a right."""


def password_variable(service: str) -> str:
    """The environment variable that holds the password of a service's account."""
    return f"{service.upper()}_KAFKA_PASSWORD"


def rights(*, prefix: str) -> dict[str, set[Right]]:
    """By account. An idempotent producer needs no right beyond writing (KIP-679)."""
    topics = tomllib.loads(DECLARED.read_text(encoding="utf-8"))["topic"]
    wanted: dict[str, set[Right]] = {prefix + topic["written_by"]: set() for topic in topics}
    for topic in topics:
        wanted[prefix + topic["written_by"]].add(right(prefix + topic["written_by"], Resource.TOPIC, prefix + topic["name"], Operation.WRITE))
        for reader in topic["read_by"]:
            # The group has the service's name, or begins with it where local copies are built anew.
            wanted[prefix + reader] |= {
                right(prefix + reader, Resource.TOPIC, prefix + topic["name"], Operation.READ),
                right(prefix + reader, Resource.GROUP, prefix + reader, Operation.READ),
            }
    return wanted


def right(user: str, resource: Resource, name: str, operation: Operation) -> Right:
    pattern = Pattern.PREFIXED if resource is Resource.GROUP else Pattern.LITERAL
    return Right(resource, name, pattern, f"User:{user}", ANYWHERE, operation, ALLOW)


async def declare_principals(administrator: Administrator, *, passwords: Mapping[str, str]) -> list[str]:
    """Give each account its password and exactly its rights, and return their names. `passwords` is keyed by `password_variable`."""
    prefix = administrator.kafka_prefix
    wanted = rights(prefix=prefix)
    async with connected(administrator) as client:
        await set_passwords(client, passwords={user: passwords[password_variable(user.removeprefix(prefix))] for user in wanted})
        for user, declared in wanted.items():
            found = await rights_of(client, user=user)
            for each in declared - found:
                answer = await send(client, CreateAclsRequest(*each))
                check(answer.creation_responses[0], what=each)
            for each in found - declared:
                answer = await send(client, DeleteAclsRequest(*each))
                check(answer.filter_responses[0], what=each)
    return list(wanted)


async def set_passwords(client: AIOKafkaClient, *, passwords: Mapping[str, str]) -> None:
    answer = await send(client, AlterScram(passwords))
    for user, code, message, *_ in answer.results:
        check((code, message), what=user)


async def rights_of(client: AIOKafkaClient, *, user: str) -> set[Right]:
    answer = await send(client, DescribeAclsRequest(ANY, None, ANY, f"User:{user}", None, ANY, ANY))
    check((answer.error_code, answer.error_message), what=user)
    return {Right(resource, name, pattern, *entry) for resource, name, pattern, entries in answer.resources for entry in entries}


def check(result: tuple[object, ...], *, what: object) -> None:
    code, message, *_ = result
    if code:
        raise NotDeclared(f"{what}: {message or f'error {code}'}")


@asynccontextmanager
async def connected(administrator: Administrator) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(bootstrap_servers=administrator.kafka_bootstrap, **administrator.login(), request_timeout_ms=REQUEST_LIMIT_MS)
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()


async def send(client: AIOKafkaClient, request: Request) -> Response:
    return await client.send(client.get_random_node(), request)


def main() -> None:
    declared = asyncio.run(declare_principals(Administrator.model_validate({}), passwords=os.environ))
    print("Declared: " + ", ".join(declared))


if __name__ == "__main__":
    main()
