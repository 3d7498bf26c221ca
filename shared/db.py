"""Database access: SQLAlchemy Core on asyncpg, one visible transaction per edge call."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

import asyncpg
import sqlalchemy.exc
import structlog
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.settings import Settings

log = structlog.get_logger()

Tx: TypeAlias = AsyncConnection


class ByName(Protocol):
    """A row read by column name, SQLAlchemy's or the driver's."""

    def __getitem__(self, name: str, /) -> Any: ...


AnyRow: TypeAlias = Row[Any]

# Set by outbox.append on the connection, read after the commit: did this transaction announce anything?
ANNOUNCED = "announced"
# The asyncpg connection under a transaction.
DRIVER = "driver"

TRANSIENT_SQLSTATES = frozenset({
    "08000", "08001", "08003", "08004", "08006",  # the connection ended, also while it was being made
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "55P03",  # lock_not_available
    "57P01", "57P02", "57P03",  # shutdown, crash, cannot connect now
    "25P03",  # idle_in_transaction_session_timeout
    "25006",  # read_only_sql_transaction: the one we talk to is no longer the primary
    "53000", "53100", "53200", "53300",  # out of resources, disk, memory, connections
})  # fmt: skip


# Of its own state the driver complains when the server's last words reach an idle connection before its end does.
CONNECTION_LOST = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def is_transient(error: BaseException) -> bool:
    """A fault that passes by itself: the database is away, or two transactions met."""
    if isinstance(error, CONNECTION_LOST):
        return True
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return True
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in TRANSIENT_SQLSTATES
    return getattr(error, "sqlstate", None) in TRANSIENT_SQLSTATES


def create_engine(settings: Settings) -> AsyncEngine:
    return create_async_engine(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_connections_max,
        max_overflow=0,
        pool_timeout=5,
        pool_recycle=1800,
        # The values of a failing statement are people's data and would go into the log with it.
        hide_parameters=True,
        # Transactions are begun and ended on the driver, in Database.transaction.
        isolation_level="AUTOCOMMIT",
        connect_args={
            "timeout": 5,
            "command_timeout": settings.database_silence_ms / 1000,
            "server_settings": {
                "application_name": settings.slot,
                "statement_timeout": str(settings.statement_timeout_ms),
                "lock_timeout": str(settings.lock_timeout_ms),
                "idle_in_transaction_session_timeout": str(settings.idle_in_transaction_timeout_ms),
                # Short statements on small tables: compiling them costs more than it gives.
                "jit": "off",
            },
        },
    )


@dataclass
class Bell:
    """Wakes the relay after a commit, best effort: many rings close together become one NOTIFY."""

    dsn: str
    channel: str
    _rung: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def ring(self) -> None:
        self._rung.set()

    async def run(self) -> None:
        """Hold one connection and notify; a lost connection only means that the relay's poll finds the rows."""
        while True:
            try:
                await self._notify()
            except Exception as error:  # the edge of this task: an unheard bell must not stop the process
                if not is_transient(error) and not isinstance(error, asyncpg.PostgresError):
                    raise
                log.warning("bell_connection_lost", error=type(error).__name__)
                await asyncio.sleep(1)

    async def _notify(self) -> None:
        connection = await asyncpg.connect(self.dsn, timeout=5, server_settings={"application_name": "bell"})
        try:
            while True:
                await self._rung.wait()
                self._rung.clear()
                await connection.execute(f'NOTIFY "{self.channel}"', timeout=5)
        finally:
            connection.terminate()


@dataclass(frozen=True)
class Database:
    """The pool of one service and its bell."""

    engine: AsyncEngine
    bell: Bell

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Commit on leaving, before the caller sends anything; roll back on any error. Then wake the relay."""
        async with self._begun(isolation=None, readonly=False) as tx:
            yield tx

    @contextlib.asynccontextmanager
    async def statement(self) -> AsyncIterator[Tx]:
        """For one statement that is its own transaction: committed when it returns. Rings no bell."""
        async with self.engine.connect() as tx:
            driver = await _driver_of(tx)
            tx.info[DRIVER] = driver
            yield tx

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Tx]:
        """One consistent, read-only view for several reads."""
        async with self._begun(isolation="repeatable_read", readonly=True) as tx:
            yield tx

    @contextlib.asynccontextmanager
    async def _begun(self, *, isolation: Literal["repeatable_read"] | None, readonly: bool) -> AsyncIterator[Tx]:
        """The transaction is the driver's own, and SQLAlchemy works inside it, so that a hot path may use the driver directly."""
        async with self.engine.connect() as tx:
            driver = await _driver_of(tx)
            # `info` belongs to the pooled connection: what was rolled back on it before us is not ours to announce.
            tx.info[ANNOUNCED] = False
            tx.info[DRIVER] = driver
            transaction, ended = driver.transaction(isolation=isolation, readonly=readonly), False
            try:
                await transaction.start()
                try:
                    yield tx
                except BaseException:
                    # What happened is told, not what became of the rollback: a cancellation that is swallowed here never ends its task.
                    with contextlib.suppress(asyncpg.PostgresError, *CONNECTION_LOST):
                        await transaction.rollback()
                        ended = True
                    raise
                await transaction.commit()
                ended = True
            finally:
                if not ended:
                    # Begun, committed, rolled back? Nobody knows. In the pool it would swallow the next one's commit.
                    await tx.invalidate()
            if tx.info[ANNOUNCED]:
                self.bell.ring()


async def _driver_of(tx: Tx) -> asyncpg.Connection:
    """The connection below. One that was cut while it lay in the pool is thrown away; the pool's size bounds how many."""
    while True:
        driver = (await tx.get_raw_connection()).driver_connection
        assert isinstance(driver, asyncpg.Connection)
        if not driver.is_closed():
            return driver
        await tx.invalidate()


async def fetch(tx: Tx, query: str, *arguments: object) -> list[asyncpg.Record]:
    """One statement of a hot path, on the driver itself: same connection, same transaction, a third of the work."""
    rows: list[asyncpg.Record] = await tx.info[DRIVER].fetch(query, *arguments)
    return rows


def open_database(settings: Settings) -> Database:
    return Database(engine=create_engine(settings), bell=Bell(dsn=settings.dsn, channel=relay_channel(settings.service)))


def relay_channel(service: str) -> str:
    return f"outbox_{service}"
