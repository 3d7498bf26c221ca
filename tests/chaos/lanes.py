"""Three operations of the ledger, each done again and again in books of its own: a reservation batch, a payment approval, a year close."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from deploy.postgres.roles import allow_connections, create_database
from shared.live import open_live
from tests.building import BUSINESS_NOW, Staff, client_for, fetch, settings_of
from tests.chaos.served import Served, served
from tests.chaos.wholeness import assert_nothing_half_done, build_gates, digests, grown, restore, save
from tests.integration.budget import acting
from tests.integration.budget.acting import APPROVER, CHECKER, FINANCE, MAKER, award, cases_of, confirmation_of, hear, proposed
from tests.integration.budget.test_reservations import body
from tests.runtime import Database, TemplateDatabase

NEW_YEAR = datetime.fromisoformat("2026-01-05T10:00:00+08:00")
APPROPRIATED_FEN = 150_000_000
TOO_MUCH_FEN = 190_000_000
# One for each point at which an approval is disturbed, and some to spare.
ORDERS = 120
SETTLED_WITHIN_S = 15.0
MIGRATED = "migrated"
LOG_CHARACTERS_MAX = 4_000

Digests = dict[str, tuple[int, str]]


@dataclass(frozen=True, kw_only=True)
class Call:
    path: str
    body: dict[str, Any] | None
    auth: Staff
    version: int | None = None
    key: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass
class Lane:
    """An operation with its process and its books. `grows` is what it adds to each table when nothing disturbs it."""

    process: Served
    database: Database
    next_calls: Callable[[], list[Call]]
    is_done_once: bool = False
    grows: dict[str, int] = field(default_factory=dict)

    async def begin(self) -> "Round":
        """The next operation, not sent yet; one that can be done once only meets the books as they were before it."""
        if self.is_done_once:
            await restore(self.database)
        calls = self.next_calls()
        before = await digests(self.database)
        return Round(self, calls, before)

    async def send(self, call: Call) -> httpx.Response | None:
        """None where the connection ended without an answer."""
        headers = {"Idempotency-Key": call.key} | ({} if call.version is None else {"If-Match": f'"{call.version}"'})
        try:
            return await self.process.client.post(call.path, json=call.body, headers=headers, auth=call.auth)
        except httpx.TransportError:
            return None

    async def settle(self, call: Call) -> httpx.Response:
        """Send it again with its key until it is answered for good, as a client that keeps to the rules does."""
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while True:
                answer = await self.send(call)
                if answer is not None and answer.is_success:
                    return answer
                assert answer is None or answer.status_code == httpx.codes.SERVICE_UNAVAILABLE or _in_flight(answer), answer.text
                await asyncio.sleep(0.05)


@dataclass
class Round:
    """One operation that is sent, disturbed, and judged when it is over."""

    lane: Lane
    calls: list[Call]
    before: Digests
    _sending: "asyncio.Future[list[httpx.Response | None]] | None" = None

    def start(self) -> None:
        self._sending = asyncio.gather(*(self.lane.send(call) for call in self.calls))

    async def until(self, reached: Awaitable[object]) -> bool:
        """Whether the point was reached before everything was answered."""
        assert self._sending is not None
        at_point = asyncio.ensure_future(reached)
        await asyncio.wait([at_point, self._sending], return_when=asyncio.FIRST_COMPLETED)
        if not at_point.done():
            at_point.cancel()
            return False
        await at_point
        return True

    async def judge(self) -> int:
        """All or nothing, what was acknowledged is there, and a repeat tells what happened. Returns how many calls were done before the repeat."""
        assert self._sending is not None
        first = await self._sending
        self.lane.process.wire.trap = None
        found = await digests(self.lane.database)
        done = await self._done()
        settled = [await self.lane.settle(call) for call in self.calls]
        after = await digests(self.lane.database)

        for call, answer, repeat in zip(self.calls, first, settled, strict=True):
            assert (repeat.headers.get("idempotency-replayed") == "true") == (call.key in done), call.path
            _assert_told_right(answer, repeat=repeat, is_done=call.key in done, log=self.lane.process.log)
        if not done:
            assert found == self.before
        if len(done) == len(self.calls):
            assert found == after
        assert grown(self.before, after) == self.lane.grows
        await assert_nothing_half_done(self.lane.database)
        return len(done)

    async def _done(self) -> set[str]:
        keys = [call.key for call in self.calls]
        rows = await fetch(self.lane.database, "SELECT DISTINCT key FROM journal WHERE key = ANY($1)", keys, service="budget")
        return {row["key"] for row in rows}


def _assert_told_right(answer: httpx.Response | None, *, repeat: httpx.Response, is_done: bool, log: Path) -> None:
    """No answer, the answer that a repeat gets too, or that it is to be sent again."""
    if answer is None:
        return
    if answer.is_success:
        assert is_done, "acknowledged and lost"
        assert answer.content == repeat.content
        return
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, f"{answer.text}\n{log.read_text(encoding='utf-8')[-LOG_CHARACTERS_MAX:]}"
    assert int(answer.headers["retry-after"]) > 0


def _in_flight(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.CONFLICT and answer.json()["code"] == "request-in-flight"


@asynccontextmanager
async def opened_lanes(server: TemplateDatabase, *, folder: Path) -> AsyncIterator[dict[str, Lane]]:
    """Each with its books prepared and its process running; every operation was done undisturbed before."""
    async with AsyncExitStack() as exits:

        async def lane(name: str, *, now: datetime = BUSINESS_NOW) -> tuple[Database, Served]:
            await create_database(server.server.admin_url(), name=name, template=MIGRATED)
            await allow_connections(server.server.admin_url(), database=name)
            database = server.database(name)
            await build_gates(database)
            (folder / name).mkdir()
            process = served(database, server_port=server.server.port, folder=folder / name, now=now)
            return database, await exits.enter_async_context(process)

        database, process = await lane("reserve")
        await _prepare(database, folder=folder)
        reserve = Lane(process, database, _reservations)

        database, process = await lane("approve")
        orders = iter(await _checked_orders(database, folder=folder))
        approve = Lane(process, database, lambda: [_approval(next(orders))])

        database, process = await lane("close", now=NEW_YEAR)
        await _prepare(database, folder=folder, awards_fen=(1_000, 2_000, 3_000, TOO_MUCH_FEN))
        await save(database)
        close = Lane(process, database, _close, is_done_once=True)

        lanes = {"reserve": reserve, "approve": approve, "close": close}
        await asyncio.gather(*(_measure(each) for each in lanes.values()))
        yield lanes


async def _measure(lane: Lane) -> None:
    """The first opens accounts and numbers, the second tells what is added each time."""
    await lane.process.start()
    for _ in range(2):
        undisturbed = await lane.begin()
        undisturbed.start()
        assert not await undisturbed.until(asyncio.Event().wait())
        lane.grows = grown(undisturbed.before, await digests(lane.database))
    await undisturbed.judge()


async def _prepare(database: Database, *, folder: Path, awards_fen: tuple[int, ...] = ()) -> None:
    async with client_for("budget", database=database, folder=folder) as client:
        assert (await acting.appropriate(client, APPROPRIATED_FEN)).status_code == 201
    if awards_fen:
        await _hear(database, proposed(*map(award, awards_fen)), folder=folder)


async def _checked_orders(database: Database, *, folder: Path) -> list[dict[str, Any]]:
    """Orders that wait for the approver alone."""
    account = {"uscc": acting.USCC, "account_name": "示例公司", "account_number": acting.ACCOUNT_NUMBER, "bank_name": "示例银行"}
    await _prepare(database, folder=folder)
    proposal = proposed(*(award(1_000) for _ in range(ORDERS)))
    await _hear(database, proposal, *(confirmation_of(case) for case in cases_of(proposal)), folder=folder)
    async with client_for("budget", database=database, folder=folder) as client:
        await client.post("/v1/payee-accounts", json=account, auth=MAKER)
        named = [{"application_id": str(case.application_id)} for case in cases_of(proposal)]
        made = (await client.post("/v1/payment-orders:batch", json={"orders": named}, auth=MAKER)).json()["results"]
        steps = [{"payment_order_id": each["payment_order"]["id"], "version": 1, "account_number": acting.ACCOUNT_NUMBER} for each in made]
        checked = (await client.post("/v1/payment-orders:check-batch", json={"orders": steps}, auth=CHECKER)).json()["results"]
    return [each["payment_order"] for each in checked]


async def _hear(database: Database, *events: Any, folder: Path) -> None:
    live = open_live(settings_of("budget", database=database, folder=folder))
    async with live.running():
        await hear(live, *events)


def _reservations() -> list[Call]:
    """Two calls at once, with awards that are reserved for, wait and are refused."""
    many = body(1_000, TOO_MUCH_FEN, 1_000, 1_000)
    many["awards"][2]["line_id"] = "2023-15/99"
    return [Call(path="/v1/reservations", body=each, auth=FINANCE) for each in (many, body(1_000))]


def _approval(order: dict[str, Any]) -> Call:
    return Call(path=f"/v1/payment-orders/{order['id']}:approve", body=None, auth=APPROVER, version=order["version"])


def _close() -> list[Call]:
    return [Call(path="/v1/year-closes", body={"fiscal_year": 2025, "document": "财结〔2026〕1号"}, auth=FINANCE)]
