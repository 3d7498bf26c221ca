"""Where the broker is, and the account that a process has there."""

import ssl
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class SecurityProtocol(StrEnum):
    # Without accounts: only a broker on the loopback address of a developer's machine.
    PLAINTEXT = "PLAINTEXT"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class BrokerSettings(BaseSettings):
    """From environment variables. With SASL there is an account: user and password; with TLS the file of its own authority, or the system's."""

    # Pydantic's messages end with what was given, which is often a password.
    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    mechanism: ClassVar[str] = "SCRAM-SHA-512"

    kafka_bootstrap: str
    kafka_prefix: str = ""
    kafka_security_protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    kafka_user: str | None = None
    kafka_password: SecretStr | None = None
    kafka_ca_file: Path | None = None

    @model_validator(mode="after")
    def refuse_half_an_account(self) -> Self:
        protocol = self.kafka_security_protocol
        if protocol is SecurityProtocol.PLAINTEXT:
            if self.kafka_user or self._has_password():
                raise ValueError("KAFKA_USER and KAFKA_PASSWORD need KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT or SASL_SSL: PLAINTEXT has no accounts")
        elif not (self.kafka_user and self._has_password()):
            raise ValueError(f"KAFKA_USER and KAFKA_PASSWORD are both needed with KAFKA_SECURITY_PROTOCOL={protocol}")
        if self.kafka_ca_file is not None and protocol is not SecurityProtocol.SASL_SSL:
            raise ValueError(f"KAFKA_CA_FILE needs KAFKA_SECURITY_PROTOCOL=SASL_SSL: {protocol} has no certificates")
        return self

    def _has_password(self) -> bool:
        return self.kafka_password is not None and self.kafka_password.get_secret_value() != ""

    def topic(self, name: str) -> str:
        return f"{self.kafka_prefix}{name}"

    def login(self) -> dict[str, Any]:
        """What every aiokafka client takes besides the broker's address. Raises OSError or ssl.SSLError when KAFKA_CA_FILE is not to be read."""
        if self.kafka_security_protocol is SecurityProtocol.PLAINTEXT:
            return {}
        assert self.kafka_password is not None, "checked above"
        return {
            "security_protocol": self.kafka_security_protocol.value,
            "ssl_context": self._tls(),
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.kafka_user,
            "sasl_plain_password": self.kafka_password.get_secret_value(),
        }

    def _tls(self) -> ssl.SSLContext | None:
        if self.kafka_security_protocol is not SecurityProtocol.SASL_SSL:
            return None
        return ssl.create_default_context(cafile=self.kafka_ca_file)
