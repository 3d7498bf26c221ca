"""Synthetic filings for load: each with a row and a project of its own, by a hundred applicants; and their requests as bytes."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import date
from typing import Any

from deploy.clients.client import canonical_text, signature
from tests.fixtures.uscc import make_synthetic

APPLICANTS = tuple(make_synthetic(f"91990000MA{number:07d}") for number in range(1, 101))
EVIDENCE_KINDS = ("application_form", "bank_account_proof", "key_project_listing", "achievement_proof")


@dataclass(frozen=True, kw_only=True)
class Key:
    """What a system signs with; `timestamp_s` is that of all requests built with it, good for 300 s."""

    audience: str
    app_key: str
    secret: str
    timestamp_s: int


@dataclass(frozen=True, kw_only=True)
class Series:
    """Filings that belong together: their row references begin with `name`."""

    name: str
    item_id: str
    jurisdiction_id: str
    filed_on: date

    def filing(self, number: int) -> dict[str, Any]:
        reference = f"{self.name}-{number:06d}"
        return {
            "row_reference": reference,
            "item_id": self.item_id,
            "applicant_uscc": APPLICANTS[number % len(APPLICANTS)],
            "jurisdiction_id": self.jurisdiction_id,
            "filed_on": self.filed_on.isoformat(),
            "requested_fen": 4_500_000 + number % 1_000,
            "project_name": f"高校毕业生稳岗扩岗专项第{number}期",
            "project_code": reference,
            "evidence": [evidence(kind, reference=reference) for kind in EVIDENCE_KINDS],
        }

    def request(self, number: int, *, host: str, path: str, key: Key | None) -> bytes:
        """The POST as it goes over the wire, signed when there is a key."""
        body = json.dumps(self.filing(number), ensure_ascii=False, separators=(",", ":")).encode()
        idempotency_key = str(uuid.uuid4())
        headers = {"host": host, "content-type": "application/json", "content-length": str(len(body)), "idempotency-key": idempotency_key}
        if key is not None:
            text = canonical_text(
                audience=key.audience,
                method="POST",
                raw_path=path,
                raw_query="",
                body=body,
                if_match="",
                timestamp=str(key.timestamp_s),
                idempotency_key=idempotency_key,
            )
            signed = signature(text, secret=key.secret)
            headers |= {"x-app-key": key.app_key, "x-timestamp": str(key.timestamp_s), "x-signature": signed}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def evidence(kind: str, *, reference: str) -> dict[str, Any]:
    digest = hashlib.sha256(f"{reference} {kind}".encode()).hexdigest()
    return {"kind": kind, "name": f"{kind}.pdf", "sha256": digest, "size_bytes": 48_213}
