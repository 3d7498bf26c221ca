"""A transaction: all or nothing, and whatever became of it, the pool is fit for the next."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text

from shared.db import Database, Tx, fetch, is_transient, open_database
from tests.integration.shared.edge import SERVICE, create_note_table, edge_settings, until
from tests.integration.shared.mechanism import locked
from tests.runtime import Database as Clone

SILENCE_MS = 700
ONE_NOTE = "INSERT INTO note (id, title, amount_fen, written_by) VALUES (gen_random_uuid(), $1, 1, 'test')"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def notes(module_database: Clone) -> Clone:
    await create_note_table(module_database)
    return module_database


@pytest_asyncio.fixture
async def pooled(notes: Clone) -> AsyncIterator[Database]:
    """Two connections at most, and a server that counts as gone after a short silence."""
    database = open_database(edge_settings(database_url=notes.sqlalchemy_url(SERVICE), database_connections_max=2, database_silence_ms=SILENCE_MS))
    yield database
    await database.engine.dispose()


async def count(notes: Clone, title: str) -> int:
    """As others see it: what was committed."""
    connection = await asyncpg.connect(notes.urls["postgres"])
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {SERVICE}.note WHERE title = $1", title))
    finally:
        await connection.close()


async def backend(tx: Tx) -> int:
    return int((await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one())


async def assert_fit(database: Database, notes: Clone, *, title: str) -> None:
    """Both connections of the pool, one after the other and together, write and commit."""
    before = await count(notes, title)

    async def write() -> None:
        async with database.transaction() as tx:
            await fetch(tx, ONE_NOTE, title)

    await write()
    await asyncio.gather(write(), write())
    assert await count(notes, title) == before + 3


async def test_the_driver_and_the_engine_write_in_one_transaction(pooled: Database, notes: Clone) -> None:
    async with pooled.transaction() as tx:
        await fetch(tx, ONE_NOTE, "both")
        await tx.execute(text("UPDATE note SET title = 'both of them' WHERE title = 'both'"))
        assert await count(notes, "both of them") == 0

    assert await count(notes, "both of them") == 1


async def test_an_error_undoes_both(pooled: Database, notes: Clone) -> None:
    with pytest.raises(RuntimeError):
        await write_and_fail(pooled)

    assert await count(notes, "undone") == 0
    await assert_fit(pooled, notes, title="after an error")


async def write_and_fail(database: Database) -> None:
    async with database.transaction() as tx:
        await fetch(tx, ONE_NOTE, "undone")
        await tx.execute(text("UPDATE note SET version = 2 WHERE title = 'undone'"))
        raise RuntimeError


async def test_a_statement_the_server_refuses_undoes_what_was_before_it(pooled: Database, notes: Clone) -> None:
    with pytest.raises(asyncpg.NotNullViolationError):
        await write_and_violate(pooled)

    assert await count(notes, "undone") == 0
    await assert_fit(pooled, notes, title="after a violation")


async def write_and_violate(database: Database) -> None:
    async with database.transaction() as tx:
        await fetch(tx, ONE_NOTE, "undone")
        await fetch(tx, ONE_NOTE, None)


async def test_a_snapshot_writes_nothing_and_leaves_no_trace(pooled: Database, notes: Clone) -> None:
    async with pooled.snapshot() as tx:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await fetch(tx, ONE_NOTE, "in a snapshot")

    await assert_fit(pooled, notes, title="after a snapshot")


async def test_a_snapshot_sees_nothing_that_comes_later(pooled: Database, notes: Clone) -> None:
    async with pooled.snapshot() as tx:
        before = (await fetch(tx, "SELECT count(*) FROM note"))[0][0]
        async with pooled.transaction() as another:
            await fetch(another, ONE_NOTE, "later")
        after = (await fetch(tx, "SELECT count(*) FROM note"))[0][0]

    assert after == before


async def test_a_call_that_is_cancelled_in_the_middle_of_a_statement_undoes_everything(pooled: Database, notes: Clone) -> None:
    async with locked(notes, f"{SERVICE}.note"):
        writing = asyncio.create_task(write_twice(pooled))
        await until(lambda: is_waiting(notes))
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing

    assert await count(notes, "cancelled") == 0
    await assert_fit(pooled, notes, title="after a cancellation")


async def write_twice(database: Database) -> None:
    async with database.transaction() as tx:
        await fetch(tx, ONE_NOTE, "cancelled")


async def is_waiting(notes: Clone) -> bool:
    connection = await asyncpg.connect(notes.urls["postgres"])
    try:
        return bool(await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock'", SERVICE))
    finally:
        await connection.close()


async def test_a_connection_that_is_cut_in_the_pool_costs_no_call(pooled: Database, notes: Clone) -> None:
    await assert_fit(pooled, notes, title="before the cut")
    connection = await asyncpg.connect(notes.urls["postgres"])
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND datname = $2", SERVICE, notes.name)
    await connection.close()

    await assert_fit(pooled, notes, title="after the cut")


# What a server says that ends a session: an ErrorResponse with severity, SQLSTATE and message.
FAREWELL_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
FAREWELL = b"E" + (len(FAREWELL_FIELDS) + 4).to_bytes(4, "big") + FAREWELL_FIELDS


@dataclass
class Relayed:
    """The server behind a wire of ours, on which a farewell can be said that is not followed by the end yet."""

    notes: Clone
    clients: list[asyncio.StreamWriter] = field(default_factory=list)

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = urlsplit(self.notes.urls["postgres"])
        beyond_reader, beyond_writer = await asyncio.open_connection(address.hostname, address.port)
        self.clients.append(writer)
        await asyncio.gather(pour(reader, beyond_writer), pour(beyond_reader, writer))

    async def say_farewell(self) -> None:
        for client in self.clients:
            client.write(FAREWELL)
            await client.drain()


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


async def test_a_farewell_that_is_heard_in_the_pool_passes(notes: Clone) -> None:
    """The driver has read why the session ends, but not yet that it ended, when the next call begins."""
    wire = Relayed(notes)
    server = await asyncio.start_server(wire.relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    address = urlsplit(notes.sqlalchemy_url(SERVICE))
    through = address._replace(netloc=f"{address.username}:{address.password}@127.0.0.1:{port}").geturl()
    database = open_database(edge_settings(database_url=through, database_connections_max=2, database_silence_ms=SILENCE_MS))
    await assert_fit(database, notes, title="before the farewell")

    await wire.say_farewell()
    refused = [error for _ in range(2) if (error := await fault_of(database)) is not None]

    assert all(is_transient(error) for error in refused), refused
    await assert_fit(database, notes, title="after the farewell")
    await database.engine.dispose()
    server.close()


async def fault_of(database: Database) -> Exception | None:
    try:
        async with database.transaction() as tx:
            await fetch(tx, ONE_NOTE, "farewell")
    except Exception as error:
        return error
    return None


async def test_a_connection_that_is_cut_in_use_undoes_everything_and_passes(pooled: Database, notes: Clone) -> None:
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as lost:
        await write_and_be_cut(pooled, notes)

    assert is_transient(lost.value)
    assert await count(notes, "cut") == 0
    await assert_fit(pooled, notes, title="after a cut in use")


@pytest.mark.parametrize("reason", [asyncio.CancelledError, RuntimeError])
async def test_an_end_on_a_cut_connection_is_told_as_what_it_is(pooled: Database, notes: Clone, reason: type[BaseException]) -> None:
    """Told as a lost connection, a cancellation would be tried again without end."""
    with pytest.raises(reason):
        await be_cut_and_end(pooled, notes, reason=reason)

    await assert_fit(pooled, notes, title=f"after {reason.__name__} on a cut connection")


async def be_cut_and_end(database: Database, notes: Clone, *, reason: type[BaseException]) -> None:
    async with database.transaction() as tx:
        await cut(notes, await backend(tx))
        raise reason


async def cut(notes: Clone, pid: int) -> None:
    connection = await asyncpg.connect(notes.urls["postgres"])
    await connection.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    await connection.close()


async def write_and_be_cut(database: Database, notes: Clone) -> None:
    async with database.transaction() as tx:
        await fetch(tx, ONE_NOTE, "cut")
        await cut(notes, await backend(tx))
        await fetch(tx, ONE_NOTE, "cut")


@pytest.mark.parametrize("when", ["before the first statement", "before a statement", "before the commit"])
async def test_a_server_that_freezes_is_given_up_and_its_connection_never_used_again(pooled: Database, notes: Clone, when: str) -> None:
    """A connection of which nobody knows whether a transaction is open on it would swallow the next one's commit."""
    async with pooled.transaction() as tx:
        frozen = await backend(tx)

    try:
        with pytest.raises((TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)) as given_up:
            await write_while_frozen(pooled, frozen=frozen, when=when)
    finally:
        os.kill(frozen, signal.SIGCONT)

    assert is_transient(given_up.value)
    for _ in range(2):
        await assert_fit(pooled, notes, title=f"after it froze {when}")
    async with pooled.transaction() as one, pooled.transaction() as two:
        assert frozen not in (await backend(one), await backend(two))


async def write_while_frozen(database: Database, *, frozen: int, when: str) -> None:
    if when == "before the first statement":
        os.kill(frozen, signal.SIGSTOP)
    async with database.transaction() as tx:
        assert await fetch(tx, ONE_NOTE, "frozen") == []
        if when == "before a statement":
            os.kill(frozen, signal.SIGSTOP)
            await fetch(tx, ONE_NOTE, "frozen")
        os.kill(frozen, signal.SIGSTOP)
