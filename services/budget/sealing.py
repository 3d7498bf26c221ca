"""Sealing of account numbers at rest: AES-256-GCM, each bound to the record it belongs to, under a key that can be changed while payments go on."""

import hashlib
import hmac
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
KEY_ID_BYTES = 8
_FORMAT = b"\x01"
MARK_BYTES = len(_FORMAT) + KEY_ID_BYTES


@dataclass(frozen=True)
class Seal:
    """Held with the keys of the settings: `key` seals, those before it only open. An opened number is compared, or sent to the treasury."""

    key: bytes = field(repr=False)
    previous: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def mark(self) -> bytes:
        """What everything begins with that the present key has sealed: the format, and an id made from the key."""
        return mark_of(self.key)

    def close(self, number: str, *, record_id: UUID) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return self.mark + nonce + AESGCM(self.key).encrypt(nonce, number.encode(), self.mark + record_id.bytes)

    def open(self, sealed: bytes, *, record_id: UUID) -> str:
        """Raises cryptography's InvalidTag when the bytes were moved from another record, changed, or sealed with a key that is not held."""
        for nonce_and_text, key, bound_to in self._ways(sealed, record_id=record_id):
            try:
                return AESGCM(key).decrypt(nonce_and_text[:NONCE_BYTES], nonce_and_text[NONCE_BYTES:], bound_to).decode()
            except InvalidTag:
                continue
        raise InvalidTag

    def holds(self, sealed: bytes, *, record_id: UUID, number: str) -> bool:
        return hmac.compare_digest(self.open(sealed, record_id=record_id), number)

    def _ways(self, sealed: bytes, *, record_id: UUID) -> Iterator[tuple[bytes, bytes, bytes]]:
        for key in (self.key, *self.previous):
            mark = mark_of(key)
            if sealed.startswith(mark):
                yield sealed[MARK_BYTES:], key, mark + record_id.bytes
        # What was sealed before keys had ids begins with its nonce.
        for key in (self.key, *self.previous):
            yield sealed, key, record_id.bytes


def mark_of(key: bytes) -> bytes:
    return _FORMAT + hashlib.sha256(b"payee account key " + key).digest()[:KEY_ID_BYTES]
