"""Which faults pass by themselves: those are tried again without limit, all others are parked or told."""

import asyncpg
import pytest
import sqlalchemy.exc

from shared.db import is_transient


def wrapped(error: asyncpg.PostgresError, *, invalidated: bool = False) -> sqlalchemy.exc.DBAPIError:
    return sqlalchemy.exc.DBAPIError("SELECT 1", None, error, connection_invalidated=invalidated)


PASSES = [
    ConnectionRefusedError(),
    ConnectionResetError(),
    TimeoutError(),
    asyncpg.ConnectionDoesNotExistError(),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
    asyncpg.AdminShutdownError(),
    asyncpg.CannotConnectNowError(),
    asyncpg.DeadlockDetectedError(),
    asyncpg.LockNotAvailableError(),
    asyncpg.SerializationError(),
    asyncpg.TooManyConnectionsError(),
    asyncpg.DiskFullError(),
    asyncpg.OutOfMemoryError(),
    asyncpg.ReadOnlySQLTransactionError(),
    asyncpg.IdleInTransactionSessionTimeoutError(),
    sqlalchemy.exc.TimeoutError(),
    wrapped(asyncpg.ConnectionDoesNotExistError()),
    wrapped(asyncpg.DeadlockDetectedError()),
    wrapped(asyncpg.ReadOnlySQLTransactionError()),
    wrapped(asyncpg.UniqueViolationError(), invalidated=True),
]
STAYS = [
    RuntimeError(),
    ValueError(),
    AssertionError(),
    asyncpg.UniqueViolationError(),
    asyncpg.NotNullViolationError(),
    asyncpg.UndefinedTableError(),
    asyncpg.InsufficientPrivilegeError(),
    asyncpg.QueryCanceledError(),
    wrapped(asyncpg.UniqueViolationError()),
    wrapped(asyncpg.CharacterNotInRepertoireError()),
]


@pytest.mark.parametrize("error", PASSES, ids=repr)
def test_a_fault_of_the_surroundings_passes(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", STAYS, ids=repr)
def test_a_fault_of_the_code_stays(error: Exception) -> None:
    assert not is_transient(error)
