"""The published rows of the journal, and journals made of changed ones whose chain fits again."""

import json
import uuid
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from deploy.local.folders import ROOT
from services.budget.entry.rules import GENESIS, Entry, leaf_of, link
from services.budget.evidence.rules import HEADER, line_of

VECTORS = ROOT / "tests" / "contract" / "ledger"
VERIFIER = ROOT / "services" / "budget" / "verify.py"


def vectors() -> list[dict[str, Any]]:
    return list(json.loads((VECTORS / "vectors.json").read_text()))


def published() -> list[Entry]:
    header, *lines = (VECTORS / "journal.ndjson").read_text(encoding="utf-8").splitlines()
    return [_entry(dict(zip(json.loads(header), json.loads(line), strict=True))) for line in lines]


def rechained(entries: Sequence[Entry]) -> str:
    """As somebody would write it who knows the code: every hash fits."""
    chain, lines = GENESIS, [HEADER]
    for entry in entries:
        chain = link(chain, leaf=leaf_of(entry))
        lines.append(line_of(entry, chain=chain))
    return "".join(lines)


def _entry(shown: dict[str, Any]) -> Entry:
    del shown["chain"]
    uuids = {name: shown[name] and uuid.UUID(shown[name]) for name in ("application_id", "proposal_id")}
    times = {"booked_at": datetime.fromisoformat(shown["booked_at"]), "effective_on": date.fromisoformat(shown["effective_on"])}
    return Entry(**{**shown, **uuids, **times, "fingerprint": bytes.fromhex(shown["fingerprint"])})
