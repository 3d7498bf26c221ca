"""Setting SCRAM passwords (KIP-554), which aiokafka has no request for."""

import hashlib
import secrets
from collections.abc import Mapping

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactBytes, CompactString, Int8, Int16, Int32, Schema, TaggedFields

from shared.broker import BrokerSettings

MECHANISM = 2
HASH = "sha512"
assert BrokerSettings.mechanism == "SCRAM-SHA-512", "MECHANISM and HASH are those of SCRAM-SHA-512"
# Between 4,096 and 16,384, says the broker.
ITERATIONS = 16_384
SALT_BYTES = 32


class AlterScramResponse(Response):  # type: ignore[misc]  # aiokafka publishes no types
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(("user", CompactString("utf-8")), ("error_code", Int16), ("error_message", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("tags", TaggedFields),
    )


class AlterScramStruct(RequestStruct):  # type: ignore[misc]  # aiokafka publishes no types
    API_KEY = 51
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = AlterScramResponse
    SCHEMA = Schema(
        ("deletions", CompactArray(("user", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields))),
        (
            "upsertions",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class AlterScram(Request[AlterScramStruct]):  # type: ignore[misc]  # aiokafka publishes no types
    """Gives each user this password, whether it had one or not."""

    API_KEY = 51

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self.upsertions = [upsertion(user, password=password) for user, password in passwords.items()]

    def build(self, request_struct_class: type[AlterScramStruct]) -> AlterScramStruct:
        return request_struct_class([], self.upsertions, {})


def upsertion(user: str, *, password: str) -> tuple[object, ...]:
    salt = secrets.token_bytes(SALT_BYTES)
    return user, MECHANISM, ITERATIONS, salt, hashlib.pbkdf2_hmac(HASH, password.encode(), salt, ITERATIONS), {}
