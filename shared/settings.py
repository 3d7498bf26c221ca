"""Settings that every service has, from environment variables alone; secrets have no defaults."""

import base64
import hashlib
from enum import StrEnum
from pathlib import Path

from pydantic import Field, PostgresDsn, SecretStr, model_validator

from shared.broker import BrokerSettings, SecurityProtocol

KEY_BYTES = 32


class Profile(StrEnum):
    PRODUCTION = "production"
    LOCAL = "local"
    TEST = "test"


class Settings(BrokerSettings):
    """`service` is set by each service's own subclass; everything else comes from the environment."""

    service: str
    # The strictest profile is the default: what is forgotten is refused, not allowed.
    profile: Profile = Profile.PRODUCTION

    database_url: SecretStr
    database_connections_max: int = Field(default=10, ge=2, le=100)
    statement_timeout_ms: int = Field(default=15_000, ge=100)
    lock_timeout_ms: int = Field(default=8_000, ge=100)
    idle_in_transaction_timeout_ms: int = Field(default=10_000, ge=100)
    # The server ends a slow statement itself; this is for a server that no longer answers at all.
    database_silence_ms: int = Field(default=20_000, ge=100)

    # Only a check: topics are declared by deploy/kafka, never by a service.
    partitions: int = Field(default=12, ge=1)

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=1, le=65535)
    worker_port: int = Field(default=9000, ge=1, le=65535)
    # The supervisor's name for this process: the static member id in the consumer group.
    slot: str = "worker"

    city_file: Path
    callers_file: Path | None = None
    staff_jwks: str | None = None
    staff_issuer: str | None = None
    business_clock_file: Path | None = None

    @model_validator(mode="after")
    def refuse_local_shortcuts_in_production(self) -> "Settings":
        if self.profile is Profile.PRODUCTION:
            if self.business_clock_file is not None:
                raise ValueError("BUSINESS_CLOCK_FILE moves the business clock and is refused under PROFILE=production")
            if self.staff_jwks is not None and not self.staff_jwks.startswith("https://"):
                raise ValueError("STAFF_JWKS must be the issuer's https address under PROFILE=production; a key file is for local use")
            if self.kafka_security_protocol is SecurityProtocol.PLAINTEXT:
                raise ValueError(
                    "KAFKA_SECURITY_PROTOCOL must be SASL_PLAINTEXT or SASL_SSL under PROFILE=production, with this service's own KAFKA_USER and "
                    "KAFKA_PASSWORD; PLAINTEXT, where everybody may write and read every topic, is for local use"
                )
        PostgresDsn(self.database_url.get_secret_value())
        return self

    @property
    def dsn(self) -> str:
        """The same database for asyncpg itself (relay, leases)."""
        return self.database_url.get_secret_value().replace("postgresql+asyncpg://", "postgresql://", 1)

    def key(self, written: SecretStr | None, *, name: str, purpose: str) -> bytes:
        """`KEY_BYTES` bytes from their base64. Raises ValueError for what is not that, and in production where it is missing.

        Elsewhere a missing key is made for its purpose from what a developer's machine keeps: its database password, though not its port. What
        was sealed or marked with it stays good after a restart.
        """
        if written is not None:
            return key_bytes(written.get_secret_value(), name=name)
        if self.profile is Profile.PRODUCTION:
            raise ValueError(f"{name} is missing: base64 of {KEY_BYTES} random bytes")
        password = self.dsn.partition("://")[2].rpartition("@")[0].partition(":")[2]
        return hashlib.sha256(f"{purpose} {password}".encode()).digest()


def key_bytes(written: str, *, name: str) -> bytes:
    """Raises ValueError, which never shows what was written."""
    try:
        key = base64.b64decode(written, validate=True)
    except ValueError:
        raise ValueError(f"{name} is not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"{name} must be base64 of {KEY_BYTES} bytes")
    return key
