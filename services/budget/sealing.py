"""Sealing of account numbers at rest: AES-256-GCM, each bound to the record it belongs to."""

import hmac
import os
from dataclasses import dataclass
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


@dataclass(frozen=True)
class Seal:
    """Held with the key of the settings; an opened number is only ever compared, or sent to the bank."""

    key: bytes

    def close(self, number: str, *, record_id: UUID) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(nonce, number.encode(), record_id.bytes)

    def open(self, sealed: bytes, *, record_id: UUID) -> str:
        """Raises cryptography's InvalidTag when the bytes were moved from another record, changed, or sealed with another key."""
        return AESGCM(self.key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], record_id.bytes).decode()

    def holds(self, sealed: bytes, *, record_id: UUID, number: str) -> bool:
        return hmac.compare_digest(self.open(sealed, record_id=record_id), number)
