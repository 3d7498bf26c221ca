"""Whoever declares topics, accounts and rights: the one account that the broker knows without having been told."""

from typing import ClassVar

from shared.broker import BrokerSettings


class Administrator(BrokerSettings):
    # The image formats the broker's storage itself and cannot be given SCRAM accounts for it (kafka-storage format --add-scram), so the first
    # account stands in the broker's own settings. PLAIN sends the password as it is: over SASL_PLAINTEXT only inside the broker's own network.
    mechanism: ClassVar[str] = "PLAIN"

    partitions: int | None = None
    kafka_replicas: int = 1
