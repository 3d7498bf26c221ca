"""A database that is cut off, slow or silent, and a queue that is full: callers are told or wait; nothing is lost, nothing is done twice."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil
import pytest
from structlog.testing import capture_logs

from services.budget import main as budget
from services.budget.writer import LEASE, WAITING_MAX, Writer
from shared.live import Live
from tests.building import fetch, holding, settings_of
from tests.chaos.wholeness import COMMIT, assert_nothing_half_done, build_gates, digests, shut_gate, until_at_gate
from tests.chaos.wire import Trap, Wire, laid_wire, nth
from tests.integration.budget.acting import APPROVER, FINANCE, appropriate
from tests.integration.budget.test_reservations import body
from tests.integration.budget.test_statement_faults import Operation, asked, checked_orders
from tests.runtime import Database

ANSWERED_WITHIN_S = 5.0
SILENCE_MS = 400
# A call waits for its batch, for the way out of it, and for the way behind the lock.
SILENCES_MAX = 5
_SLEEP = """
CREATE FUNCTION public.sleep_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slow_disk AFTER INSERT ON budget.journal DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.sleep_at_commit();
"""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@asynccontextmanager
async def app_on(database: Database, *, folder: Path, wire: Wire | None = None, **changed: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Writer]]:
    """The app in this process, perhaps behind a wire, and its writer."""
    if wire is not None:
        url = urlsplit(database.urls["budget"])
        through = url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{wire.port}").geturl()
        database = replace(database, urls={**database.urls, "budget": through})
    app = budget.build(settings_of("budget", database=database, folder=folder).model_copy(update=changed))
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://budget.test") as opened:
        yield opened, app.state.writer


@pytest.fixture
async def wire(database: Database) -> AsyncIterator[Wire]:
    port = urlsplit(database.urls["budget"]).port
    assert port is not None
    async with laid_wire(port) as laid:
        yield laid


def reservation(client: httpx.AsyncClient, *, key: str) -> Operation:
    return Operation(client=client, path="/v1/reservations", body=body(10, 20), auth=FINANCE, key=key)


def approval(client: httpx.AsyncClient, order: dict[str, Any], *, key: str) -> Operation:
    path = f"/v1/payment-orders/{order['id']}:approve"
    return Operation(client=client, path=path, body=None, auth=APPROVER, version=order["version"], key=key)


async def test_a_reservation_whose_connection_is_cut_at_any_statement_is_resolved_by_its_key(
    client: httpx.AsyncClient, database: Database, wire: Wire, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)

    async with app_on(database, folder=tmp_path, wire=wire) as (wired, _):
        operations = (reservation(wired, key=f"cut-{number}") for number in itertools.count())
        points = await cut_everywhere(operations, wire=wire, database=database, rows=2)

    assert "append_batch" in points
    await assert_nothing_half_done(database)


async def test_an_approval_whose_connection_is_cut_at_any_statement_is_resolved_by_its_key(
    client: httpx.AsyncClient, live: Live, database: Database, wire: Wire, tmp_path: Path
) -> None:
    orders = await checked_orders(client, live, count=60)

    async with app_on(database, folder=tmp_path, wire=wire) as (wired, _):
        operations = (approval(wired, order, key=f"cut-{number}") for number, order in enumerate(orders))
        points = await cut_everywhere(operations, wire=wire, database=database, rows=1)

    assert {"read_approvals", "append_approvals"} <= set(points)
    await assert_nothing_half_done(database)


async def cut_everywhere(operations: Iterator[Operation], *, wire: Wire, database: Database, rows: int) -> list[str]:
    """Before each statement, and between each and its answer. Sent twice, an operation has as many `rows` in the journal. Returns the points."""
    points = list[str]()
    assert (await next(operations).send()).is_success
    for number in itertools.count():
        for answered in (False, True):
            operation, trap = next(operations), Trap(nth(number), answered=answered)
            wire.trap = trap
            sending, sprung = asyncio.ensure_future(operation.send()), asyncio.ensure_future(trap.sprung.wait())
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                await asyncio.wait([sending, sprung], return_when=asyncio.FIRST_COMPLETED)
                is_cut = sprung.done()
                sprung.cancel()
                wire.cut()
                first = await sending
            if not is_cut:
                assert first.is_success, first.text
                return points
            points.append(trap.name)
            repeat = await operation.send()

            assert repeat.is_success, f"{trap.name}: {repeat.text}"
            assert is_to_be_repeated(first) or first.content == repeat.content, f"{trap.name}: {first.text}"
            assert "idempotency-replayed" in repeat.headers or not (answered and trap.name == "append_approvals")
            assert len(await fetch(database, "SELECT 1 FROM journal WHERE key = $1", operation.key, service="budget")) == rows, trap.name
    raise AssertionError("the numbers have an end")


async def test_a_full_queue_is_told_with_when_to_come_again_and_nothing_is_written(
    client: httpx.AsyncClient, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    async with app_on(database, folder=tmp_path) as (calls, writer):
        async with holding(database, f"SELECT pg_advisory_xact_lock({LEASE})", service="budget") as held:
            queue = [asyncio.create_task(writer.take(asked(1))) for _ in range(WAITING_MAX)]
            await asyncio.sleep(0)
            before = await digests(database)

            refused = await reservation(calls, key="one too many").send()

            assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "too-many-waiting", "1")
            assert await digests(database) == before
            await held.rollback()
        told = await asyncio.gather(*queue)
        again = await reservation(calls, key="one too many").send()

    assert [entry.outcome for (entry,) in told] == ["posted"] * WAITING_MAX
    assert len({entry.voucher for (entry,) in told}) == WAITING_MAX
    assert again.is_success
    assert "idempotency-replayed" not in again.headers
    await assert_nothing_half_done(database)


async def test_on_a_slow_disk_callers_wait_and_each_is_done_once(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    orders = await checked_orders(client, live)
    await run(database, _SLEEP)
    calls = [reservation(client, key=f"slow-{number}") for number in range(12)]
    calls += [approval(client, order, key=f"slow-{order['id']}") for order in orders]
    calls *= 2

    answers = await asyncio.gather(*(call.send() for call in calls))
    repeats = await asyncio.gather(*(call.send() for call in calls))

    assert all(answer.is_success or answer.json()["code"] == "request-in-flight" for answer in answers)
    assert all(repeat.is_success for repeat in repeats)
    rows = await fetch(database, "SELECT key, count(*) AS n FROM journal WHERE key LIKE 'slow-%' GROUP BY key", service="budget")
    assert {row["key"]: row["n"] for row in rows} == {call.key: 1 if call.version else 2 for call in calls}
    await assert_nothing_half_done(database)


@pytest.mark.parametrize("operation", ["reserve", "approve"])
async def test_a_server_that_falls_silent_at_the_commit_is_told_within_the_limit_and_resolved_by_the_key(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path, operation: str
) -> None:
    order = (await checked_orders(client, live))[0]
    await build_gates(database)
    async with app_on(database, folder=tmp_path, database_silence_ms=SILENCE_MS) as (calls, _):
        call = reservation(calls, key="silent") if operation == "reserve" else approval(calls, order, key="silent")
        async with shut_gate(database, COMMIT) as gate:
            sending = asyncio.create_task(call.send())
            server = psutil.Process(await until_at_gate(gate))
            server.suspend()
        try:
            frozen_s = time.monotonic()
            async with asyncio.timeout(SILENCES_MAX * SILENCE_MS / 1_000):
                silent = await sending
            silent_s = time.monotonic() - frozen_s
        finally:
            server.resume()
        repeat = await until_settled(call)

    print(f"{operation}: {silent_s:.2f} s")
    assert is_to_be_repeated(silent), silent.text
    assert len(await fetch(database, "SELECT 1 FROM journal WHERE key = 'silent'", service="budget")) == (2 if operation == "reserve" else 1)
    assert repeat.is_success
    await assert_nothing_half_done(database)


def is_to_be_repeated(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and int(answer.headers["retry-after"]) > 0


async def until_settled(call: Operation) -> httpx.Response:
    """Sent again as long as the answer says so."""
    async with asyncio.timeout(ANSWERED_WITHIN_S):
        while True:
            answer = await call.send()
            if not is_to_be_repeated(answer) and answer.json().get("code") != "request-in-flight":
                return answer


async def run(database: Database, statements: str) -> None:
    connection = await asyncpg.connect(database.urls["postgres"])
    await connection.execute(statements)
    await connection.close()
