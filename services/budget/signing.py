"""Signing of checkpoints: Ed25519 with the seed of the settings."""

from dataclasses import dataclass

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.budget.settings import BudgetSettings
from shared.live import Live

log = structlog.get_logger()


@dataclass(frozen=True)
class Signer:
    """Held with the key of the settings; `name` stands in each note, and is the origin of this journal too."""

    name: str
    key: Ed25519PrivateKey

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    def sign(self, text: str) -> bytes:
        return self.key.sign(text.encode())


def signer_of(live: Live) -> Signer:
    """Raises ValueError when the key is missing in production."""
    assert isinstance(live.settings, BudgetSettings), "the budget is built with its own settings"
    return Signer(name=f"{live.city.id}/budget-ledger", key=Ed25519PrivateKey.from_private_bytes(live.settings.checkpoint_seed()))


def signer_or_none(live: Live) -> Signer | None:
    """None where the key is missing or is none: who would sign says so to the caller."""
    try:
        return signer_of(live)
    except ValueError as error:
        log.warning("checkpoint_key_unusable", reason=str(error))
        return None
