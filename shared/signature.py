"""The signature of system calls: one canonical text, HMAC-SHA256 over it. deploy/clients has the rule and vectors for any language."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

LATE_S_MAX = 300
EARLY_S_MAX = 60


@dataclass(frozen=True, kw_only=True)
class SignedCall:
    """Everything that the signature covers, as sent: nothing is decoded or normalised but the order of the query's pairs."""

    audience: str
    method: str
    raw_path: str
    raw_query: str
    body: bytes
    if_match: str
    timestamp: str
    idempotency_key: str

    def canonical(self) -> bytes:
        query = "&".join(sorted(pair for pair in self.raw_query.split("&") if pair))
        body_sha256 = hashlib.sha256(self.body).hexdigest()
        parts = (self.audience, self.method.upper(), self.raw_path, query, body_sha256, self.if_match, self.timestamp, self.idempotency_key)
        return "\n".join(parts).encode()


def sign(call: SignedCall, *, secret: str) -> str:
    """Lower-case hex."""
    return hmac.new(secret.encode(), call.canonical(), hashlib.sha256).hexdigest()


def is_signed_by(call: SignedCall, *, signature: str, secrets: Iterable[str]) -> bool:
    """Constant time for each live key; two are live while a key is being changed."""
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(sign(call, secret=secret).encode(), signature.encode())
    return found
