"""The real budget of one run of the machine: its app, its events and its database, driven from a loop of its own."""

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import asyncpg
import httpx

from deploy.local.folders import ROOT
from services.budget import policy
from services.budget.edge import current_paying
from services.budget.evidence.rules import policy_of
from services.budget.policy import paying
from services.budget.policy.paying import Paying, Route, RouteException, Routes
from shared.events import Event
from shared.live import open_live
from tests.building import Staff, client_for, move_business_clock, settings_of
from tests.integration.budget import acting
from tests.integration.budget.machine_model import QUOTA_LINE
from tests.runtime import Database, TemplateDatabase, cloned_database

T = TypeVar("T")
_UUID = re.compile("[0-9a-f]{8}-[0-9a-f-]{27}")
FIRST_DAY = datetime.fromisoformat("2024-09-16T10:00:00+08:00")
# What a refused call must leave as it was, row by row; of what only grows, how many rows there are.
_WHOLE = (
    *("head", "balance", "voucher_counter", "fund", "reservation", "held_part", "payable", "payee_account", "payment_order"),
    *("bank_confirmation", "reconciliation", "late_payment", "allotment", "appropriation", "transfer", "reversal", "freeze_order"),
    *("clawback", "clawback_receipt", "closed_year", "quota_document", "quota_payment", "payment_request", "requested_payment"),
    *("misuse_case", "performance_target", "self_evaluation", "payment_acknowledgement"),
)
_COUNTED = ("journal", "reservation_history", "outbox", "answer", "payment_request_export", "payment_request_import", "payment_difference")
_DIGESTS = ", ".join(f"(SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM budget.{table} t) AS {table}" for table in _WHOLE)
_COUNTS = ", ".join(f"(SELECT count(*) FROM budget.{table}) AS {table}" for table in _COUNTED)
_STATE = f"""
SELECT {_DIGESTS}, {_COUNTS}, (SELECT last_seq FROM budget.head) AS last_seq,
    (SELECT json_object_agg(account, balance_fen) FROM budget.balance WHERE balance_fen <> 0) AS balances
"""
_JOURNAL = "SELECT outcome, kind, voucher, dr, cr, amount_fen, fiscal_year FROM budget.journal ORDER BY seq"
_ROUTES = Routes(
    default=Route.TREASURY,
    exceptions=(RouteException(line_id=QUOTA_LINE, route=Route.QUOTA),),
    assumed=True,
    why="so that both ways are gone",
)
_BY_QUOTA = {policy_id: each.model_copy(update={"route": _ROUTES}) for policy_id, each in paying.current().items()}


@dataclass(frozen=True)
class State:
    """Everything that is kept, as one value that two moments can be compared by."""

    kept: tuple[tuple[str, object], ...]
    last_seq: int
    balances: dict[str, int]


class World:
    """Opened for one example and closed after it."""

    steps = 0
    verbs: ClassVar[set[str]] = set()

    def __init__(self, template: TemplateDatabase) -> None:
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.by_quota = False
        self.run(self._open(template))

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    async def _open(self, template: TemplateDatabase) -> None:
        self.database: Database = await self.stack.enter_async_context(cloned_database(template))
        opening = client_for("budget", database=self.database, folder=self.folder, now=FIRST_DAY, given={current_paying: self._paying})
        self.client = await self.stack.enter_async_context(opening)
        self.live = open_live(settings_of("budget", database=self.database, folder=self.folder, now=FIRST_DAY))
        await self.stack.enter_async_context(self.live.running())
        self.eye = await asyncpg.connect(self.database.urls["postgres"])
        self.stack.push_async_callback(self.eye.close)

    async def _paying(self) -> Mapping[str, Paying]:
        """Policy data as it is, or with one line handed down."""
        return _BY_QUOTA if self.by_quota else paying.current()

    def close(self) -> None:
        self.run(self.stack.aclose())
        self.run(self.loop.shutdown_asyncgens())
        self.loop.close()

    def move_to(self, now: datetime) -> None:
        move_business_clock(self.folder, now)

    def post(self, path: str, body: dict[str, Any] | None, *, auth: Staff, key: str, version: int | None) -> httpx.Response:
        type(self).steps += 1
        self.verbs.add(_UUID.sub("*", path.partition("?")[0]))
        return self.run(self.client.post(path, json=body, headers=_headers(key, version), auth=auth))

    def post_together(self, calls: Sequence[tuple[str, dict[str, Any] | None, Staff, str, int | None]]) -> list[httpx.Response]:
        """Path, body, caller, key and version of each; all at one moment."""

        async def post_all() -> list[httpx.Response]:
            return await asyncio.gather(
                *(self.client.post(path, json=body, headers=_headers(key, version), auth=auth) for path, body, auth, key, version in calls)
            )

        type(self).steps += len(calls)
        return self.run(post_all())

    def post_spaced(self, path: str, body: dict[str, Any] | None, *, auth: Staff, key: str, version: int | None) -> httpx.Response:
        """The same said in other bytes: to an idempotency key that is other content."""
        type(self).steps += 1
        headers = {"Content-Type": "application/json", **_headers(key, version)}
        return self.run(self.client.post(path, content=json.dumps(body or {}, indent=1), headers=headers, auth=auth))

    def get(self, path: str, *, auth: Staff, **params: str | int) -> dict[str, Any]:
        answer = self.run(self.client.get(path, params=params, auth=auth))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def take_file(self, path: str, *, auth: Staff) -> bytes:
        type(self).steps += 1
        answer = self.run(self.client.get(path, auth=auth))
        assert answer.status_code == 200, answer.text
        return answer.content

    def hear(self, event: Event) -> None:
        type(self).steps += 1
        self.run(acting.hear(self.live, event))

    def state(self) -> State:
        row = dict(self.run(self.eye.fetchrow(_STATE)) or {})
        balances = json.loads(row["balances"] or "{}")
        return State(kept=tuple(row.items()), last_seq=row["last_seq"], balances=balances)

    def value(self, query: str, *arguments: object) -> Any:
        return self.run(self.eye.fetchval(query, *arguments))

    def journal(self) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.run(self.eye.fetch(_JOURNAL))]

    def verify(self, *, auth: Staff) -> int:
        """Re-add the exported journal with the verifier that outsiders get; how many rows there were."""
        exported = self.run(self.client.get("/v1/ledger/journal.ndjson", auth=auth))
        seq, chain = verify_journal(exported.content, folder=self.folder)
        assert chain == self.value("SELECT encode(chain, 'hex') FROM budget.head")
        return seq


def _headers(key: str, version: int | None) -> dict[str, str]:
    return {"Idempotency-Key": key} | ({} if version is None else {"If-Match": f'"{version}"'})


def verify_journal(exported: bytes, *, folder: Path) -> tuple[int, str]:
    """Last seq and chain. Raises the verifier's Bad, which names the first row that is wrong."""
    sys.path.insert(0, str(ROOT / "services" / "budget"))
    try:
        from services.budget.verify import add_up, verify
    finally:
        del sys.path[0]
    journal = folder / "journal.ndjson"
    journal.write_bytes(exported)
    with journal.open("rb") as lines:
        seq, chain, _ = verify(lines)
    with journal.open("rb") as lines:
        add_up(lines, policy=policy_of(policy.current()))
    return seq, chain
