"""A statement that fails in the middle: on the k-th write of any table the whole operation leaves nothing, and the others of a batch are done."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from structlog.testing import capture_logs

from services.budget import policy
from services.budget.ledger.rules import Act
from services.budget.proposal.rules import Asked, Award, Proposal
from services.budget.writer import Writer
from shared.live import Live
from tests.building import BUSINESS_NOW, Staff
from tests.chaos.wholeness import assert_books_whole, assert_nothing_half_done, digests
from tests.integration.budget.acting import (
    ACCOUNT_NUMBER,
    APPROVER,
    CHECKER,
    FINANCE,
    LINE,
    MAKER,
    USCC,
    YEAR,
    appropriate,
    award,
    cases_of,
    confirmation_of,
    hear,
    paid_row,
    proposed,
    returned_row,
)
from tests.integration.budget.test_reservations import body
from tests.integration.budget.test_year_closes import CLOSE, new_year
from tests.runtime import Database

ORDERS = 4
BATCH = 8
# What every operation that moves money writes, whatever else it does.
BOOKS = {"journal", "voucher_counter", "balance", "head"}
# Counted in the transaction itself, so that each attempt meets its fault anew; and in a sequence, which an attempt that failed leaves behind.
_FAULTS = """
CREATE TABLE public.fault (name TEXT, number INT, holding TEXT);
CREATE FUNCTION public.meet_fault() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    counter constant text := 'faults.' || tg_table_name;
    reached constant int := coalesce(nullif(current_setting(counter, true), ''), '0')::int + 1;
BEGIN
    PERFORM set_config(counter, reached::text, true);
    PERFORM setval('public.writes_' || tg_table_name, reached);
    IF EXISTS (SELECT FROM public.fault WHERE name = tg_table_name AND (number = reached OR to_jsonb(new)::text LIKE '%' || holding || '%')) THEN
        RAISE EXCEPTION 'write % of % fails', reached, tg_table_name;
    END IF;
    RETURN new;
END
$$
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'budget' AND tablename <> 'alembic_version'"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A call that may be sent again and again with its key."""

    client: httpx.AsyncClient
    path: str
    body: dict[str, Any] | None
    auth: Staff
    version: int | None = None
    key: str

    async def send(self) -> httpx.Response:
        headers = {"Idempotency-Key": self.key} | ({} if self.version is None else {"If-Match": f'"{self.version}"'})
        return await self.client.post(self.path, json=self.body, headers=headers, auth=self.auth)


@dataclass
class Faults:
    """Triggers on every table of the budget; of what is to fail only one thing at a time."""

    admin: asyncpg.Connection
    tables: list[str]

    async def on(self, table: str, *, number: int | None = None, holding: str | None = None) -> None:
        """The write with this number in its transaction fails, or every write of a row that has this text in it."""
        await self.clear()
        await self.admin.execute("INSERT INTO public.fault VALUES ($1, $2, $3)", table, number, holding)

    async def clear(self) -> None:
        await self.admin.execute("DELETE FROM public.fault")

    async def writes(self, operation: Operation, *, last: str) -> dict[str, int]:
        """How often the operation writes each table, up to the first write of the table `last`, which fails."""
        for table in self.tables:
            await self.admin.execute(f"ALTER SEQUENCE public.writes_{table} RESTART")
        await self.on(last, number=1)
        assert (await operation.send()).status_code == 500
        counted = " UNION ALL ".join(f"SELECT '{table}', last_value FROM public.writes_{table} WHERE is_called" for table in self.tables)
        return dict(await self.admin.fetch(counted))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Hundreds of faults that are meant, each with its trace."""
    with capture_logs():
        yield


@pytest.fixture
async def faults(database: Database) -> AsyncIterator[Faults]:
    admin = await asyncpg.connect(database.urls["postgres"], server_settings={"search_path": "budget"})
    await admin.execute(_FAULTS)
    tables = [table for (table,) in await admin.fetch(_TABLES)]
    for table in tables:
        await admin.execute(f"CREATE SEQUENCE public.writes_{table}")
        # Named to come before every other trigger.
        await admin.execute(f'CREATE TRIGGER "0_fault" BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION public.meet_fault()')
    yield Faults(admin, tables)
    await admin.close()


async def fail_at_every_table(
    operation: Operation,
    *,
    faults: Faults,
    database: Database,
    last: str = "answer",
    assert_whole: Callable[[Database], Awaitable[None]] = assert_nothing_half_done,
) -> dict[str, int]:
    """On the first, second, middle and last write of each table that it writes. Then it is sent once more, with the same key. Returns the writes."""
    before = await digests(database)
    writes = await faults.writes(operation, last=last)
    for table, most in writes.items():
        for number in sorted({1, min(2, most), (most + 1) // 2, most}):
            await faults.on(table, number=number)

            failed = await operation.send()

            assert (failed.status_code, failed.json().get("code")) == (500, "fault"), f"write {number} of {most} of {table}: {failed.text}"
            assert await digests(database) == before, f"write {number} of {most} of {table}"
    await faults.clear()
    done = await operation.send()
    assert done.is_success, done.text
    assert "idempotency-replayed" not in done.headers
    await assert_whole(database)
    print(f"{operation.path}: {writes}")
    return writes


async def test_a_reservation_leaves_nothing(client: httpx.AsyncClient, database: Database, faults: Faults) -> None:
    await appropriate(client, 1_000_000)
    content = body(1_000, 999_999, 1_000, 1_000)
    content["awards"][2]["line_id"] = "2023-15/99"
    operation = Operation(client=client, path="/v1/reservations", body=content, auth=FINANCE, key="reserve")

    writes = await fail_at_every_table(operation, faults=faults, database=database, last="head")

    assert BOOKS | {"reservation", "stream", "outbox"} <= writes.keys()


async def test_payment_orders_that_are_approved_together_leave_nothing(
    client: httpx.AsyncClient, live: Live, database: Database, faults: Faults
) -> None:
    orders = await checked_orders(client, live)
    steps = [{"payment_order_id": each["id"], "version": each["version"]} for each in orders]
    operation = Operation(client=client, path="/v1/payment-orders:approve-batch", body={"orders": steps}, auth=APPROVER, key="approve")

    writes = await fail_at_every_table(operation, faults=faults, database=database)

    assert BOOKS | {"payment_order", "reservation", "reservation_history", "stream", "outbox", "answer"} <= writes.keys()


async def test_a_single_approval_leaves_nothing(client: httpx.AsyncClient, live: Live, database: Database, faults: Faults) -> None:
    order = (await checked_orders(client, live))[0]
    operation = Operation(
        client=client, path=f"/v1/payment-orders/{order['id']}:approve", body=None, auth=APPROVER, version=order["version"], key="approve"
    )

    writes = await fail_at_every_table(operation, faults=faults, database=database)

    assert writes.keys() == BOOKS | {"payment_order", "reservation", "reservation_history", "stream", "outbox", "answer"}


async def test_a_withdrawal_of_an_approval_leaves_nothing(client: httpx.AsyncClient, live: Live, database: Database, faults: Faults) -> None:
    order = (await approved_orders(client, live))[0]
    path, content = f"/v1/payment-orders/{order['id']}:withdraw", {"document": "财支撤〔2025〕3号", "reason": "暂停支付"}
    operation = Operation(client=client, path=path, body=content, auth=APPROVER, version=order["version"], key="withdraw")

    writes = await fail_at_every_table(operation, faults=faults, database=database)

    assert writes.keys() == BOOKS | {"payment_order", "reservation", "reservation_history", "stream", "outbox", "answer"}


async def test_what_the_bank_says_leaves_nothing(client: httpx.AsyncClient, live: Live, database: Database, faults: Faults) -> None:
    """A file that says paid, and one that says returned."""
    orders = await approved_orders(client, live)
    files = {"paid": [paid_row(each) for each in orders], "returned": [returned_row(each) for each in orders]}

    for name, rows in files.items():
        said = {"document": name, "rows": rows}
        operation = Operation(client=client, path="/v1/bank-confirmations", body=said, auth=FINANCE, key=name)
        writes = await fail_at_every_table(operation, faults=faults, database=database)

        assert BOOKS | {"bank_confirmation", "payment_order", "reservation", "reservation_history", "stream", "outbox", "answer"} <= writes.keys()
        assert ("payee_account" in writes) == (name == "returned")


async def test_a_recovery_leaves_nothing(client: httpx.AsyncClient, live: Live, database: Database, faults: Faults) -> None:
    """Its order, a receipt, and the remittance."""
    order = (await approved_orders(client, live))[0]
    await client.post("/v1/bank-confirmations", json={"document": "1", "rows": [paid_row(order)]}, auth=FINANCE)
    wanted = {"payment_order_id": order["id"], "amount_fen": 1_000, "document": "财追〔2025〕1号", "reason": "项目未实施"}
    receipt = {"amount_fen": 600, "received_on": "2025-09-15", "bank_reference": "1"}

    ordering = Operation(client=client, path="/v1/clawbacks", body=wanted, auth=FINANCE, key="order")
    ordered = await fail_at_every_table(ordering, faults=faults, database=database)
    path = f"/v1/clawbacks/{(await ordering.send()).json()['id']}"
    receiving = Operation(client=client, path=f"{path}:receive", body=receipt, auth=FINANCE, version=1, key="receive")
    received = await fail_at_every_table(receiving, faults=faults, database=database, assert_whole=assert_books_whole)
    remitting = Operation(client=client, path=f"{path}:remit", body={"document": "缴款书1"}, auth=FINANCE, version=2, key="remit")
    remitted = await fail_at_every_table(remitting, faults=faults, database=database, assert_whole=assert_books_whole)

    assert ordered == {"clawback": 1, "answer": 1}
    assert BOOKS | {"clawback", "clawback_receipt", "stream", "outbox", "answer"} <= received.keys()
    assert BOOKS | {"clawback", "answer"} <= remitted.keys()


async def test_a_year_close_leaves_nothing(client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path, faults: Faults) -> None:
    await appropriate(client, 1_000_000)
    await hear(live, proposed(award(1_000), award(2_000), award(3_000), award(999_999)))
    new_year(tmp_path)
    operation = Operation(client=client, path="/v1/year-closes", body=CLOSE, auth=FINANCE, key="close")

    writes = await fail_at_every_table(operation, faults=faults, database=database)

    assert BOOKS | {"held_part", "reservation", "reservation_history", "stream", "outbox", "closed_year", "answer"} <= writes.keys()


@pytest.mark.parametrize("table", ["reservation", "stream", "outbox", "journal"])
async def test_of_a_batch_the_others_are_decided_without_the_one_that_fails(
    client: httpx.AsyncClient, live: Live, database: Database, faults: Faults, table: str
) -> None:
    await appropriate(client, 1_000_000)
    writer = Writer(database=live.database, catalogue=policy.current())

    for place in (0, 1, BATCH // 2, BATCH - 1):
        batch = [asked(1_000) for _ in range(BATCH)]
        (failing,) = batch[place].proposal.awards
        await faults.on(table, holding=str(failing.application_id))
        told = await asyncio.gather(*(writer.take(each) for each in batch), return_exceptions=True)
        traces = await rows_about(database, failing.application_id)
        await faults.clear()
        (again,) = await writer.take(batch[place])

        assert isinstance(told.pop(place), asyncpg.RaiseError)
        assert [[entry.outcome for entry in each] for each in told if not isinstance(each, BaseException)] == [["posted"]] * (BATCH - 1)
        assert traces == 0
        assert (again.outcome, again.application_id) == ("posted", failing.application_id)
        await assert_nothing_half_done(database)


async def test_a_fault_that_only_a_larger_batch_meets_costs_nobody_anything(
    live: Live, client: httpx.AsyncClient, database: Database, faults: Faults
) -> None:
    """The third row of a batch fails, whosever it is: halved, no batch has a third."""
    await appropriate(client, 1_000_000)
    writer = Writer(database=live.database, catalogue=policy.current())
    await faults.on("journal", number=3)

    told = await asyncio.gather(*(writer.take(asked(1_000)) for _ in range(BATCH)))

    assert sorted(entry.voucher for (entry,) in told) == [f"RS-2025-{number:06d}" for number in range(1, BATCH + 1)]
    await assert_nothing_half_done(database)


async def test_a_fault_that_everybody_meets_is_told_to_everybody(client: httpx.AsyncClient, live: Live, database: Database, faults: Faults) -> None:
    await appropriate(client, 1_000_000)
    writer = Writer(database=live.database, catalogue=policy.current())
    batch, before = [asked(1_000) for _ in range(BATCH)], await digests(database)
    await faults.on("head", number=1)

    told = await asyncio.gather(*(writer.take(each) for each in batch), return_exceptions=True)
    found = await digests(database)
    await faults.clear()
    again = await asyncio.gather(*(writer.take(each) for each in batch))

    assert [type(each) for each in told] == [asyncpg.RaiseError] * BATCH
    assert found == before
    assert [entry.outcome for (entry,) in again] == ["posted"] * BATCH
    await assert_nothing_half_done(database)


def asked(amount_fen: int) -> Asked:
    proposal_id, application_id = uuid.uuid4(), uuid.uuid4()
    one = Award(
        application_id=application_id,
        case_number=f"P-{application_id.hex[:8]}",
        applicant_uscc=USCC,
        line_id=LINE,
        jurisdiction_id="huancui",
        amount_fen=amount_fen,
    )
    act = Act(caller="tests", key=str(proposal_id), fingerprint=proposal_id.bytes * 2, at=BUSINESS_NOW, on=BUSINESS_NOW.date())
    return Asked(Proposal(proposal_id=proposal_id, fiscal_year=YEAR, policy_id="2023-15", awards=(one,)), act, once=True)


async def rows_about(database: Database, application_id: uuid.UUID) -> int:
    """In all tables that name a case."""
    async with superuser(database) as connection:
        named = {"journal": "application_id", "reservation": "application_id", "stream": "key", "outbox": "key"}
        counted = " + ".join(f"(SELECT count(*) FROM {table} WHERE {column}::text = $1)" for table, column in named.items())
        found: int = await connection.fetchval(f"SELECT {counted}", str(application_id))
    return found


@asynccontextmanager
async def superuser(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.urls["postgres"], server_settings={"search_path": "budget"})
    try:
        yield connection
    finally:
        await connection.close()


async def checked_orders(client: httpx.AsyncClient, live: Live, *, count: int = ORDERS) -> list[dict[str, Any]]:
    """Orders of several cases to one account, which wait for the approver."""
    await appropriate(client, 1_000_000)
    account = {"uscc": USCC, "account_name": "示例公司", "account_number": ACCOUNT_NUMBER, "bank_name": "示例银行"}
    await client.post("/v1/payee-accounts", json=account, auth=MAKER)
    proposal = proposed(*(award(1_000) for _ in range(count)))
    await hear(live, proposal, *(confirmation_of(case) for case in cases_of(proposal)))
    named = [{"application_id": str(case.application_id)} for case in cases_of(proposal)]
    made = await client.post("/v1/payment-orders:batch", json={"orders": named}, auth=MAKER)
    steps = [{"payment_order_id": each["payment_order"]["id"], "version": 1, "account_number": ACCOUNT_NUMBER} for each in made.json()["results"]]
    checked = await client.post("/v1/payment-orders:check-batch", json={"orders": steps}, auth=CHECKER)
    return [each["payment_order"] for each in checked.json()["results"]]


async def approved_orders(client: httpx.AsyncClient, live: Live) -> list[dict[str, Any]]:
    steps = [{"payment_order_id": each["id"], "version": each["version"]} for each in await checked_orders(client, live)]
    approved = await client.post("/v1/payment-orders:approve-batch", json={"orders": steps}, auth=APPROVER)
    return [each["payment_order"] for each in approved.json()["results"]]
