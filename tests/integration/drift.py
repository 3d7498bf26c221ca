"""Compares a migrated database with the tables that the code declares, so that the two cannot drift apart."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.tables import NAMING, mechanism
from tests.runtime import Database

_CHECKS = text("""
SELECT conrelid::regclass::text AS table_name, conname AS name FROM pg_constraint
WHERE contype = 'c' AND connamespace = CAST(:schema AS regnamespace) ORDER BY 1, 2
""")


async def drift(database: Database, *, service: str, metadata: MetaData) -> list[Any]:
    """What differs between the service's schema and `metadata` with the mechanism's tables; empty when they agree.

    Tables, columns, types, nullability, defaults, keys and indexes are compared as alembic does; CHECK constraints by their names.
    """
    declared = _with_mechanism(metadata)
    engine = create_async_engine(database.sqlalchemy_url(f"{service}_owner"))
    try:
        async with engine.connect() as connection:
            differences = list(await connection.run_sync(_compare, declared))
            checks = {(row.table_name, row.name) for row in await connection.execute(_CHECKS, {"schema": service})}
    finally:
        await engine.dispose()
    return differences + sorted(checks ^ _declared_checks(declared))


def _compare(connection: Connection, declared: MetaData) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": True, "include_object": _is_ours}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), declared))


def _is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
    return not (kind == "table" and name == "alembic_version")


def _with_mechanism(metadata: MetaData) -> MetaData:
    whole = MetaData(naming_convention=NAMING)
    for table in (*metadata.tables.values(), *mechanism.tables.values()):
        table.to_metadata(whole)
    return whole


def _declared_checks(declared: MetaData) -> set[tuple[str, str]]:
    return {
        (table.name, str(constraint.name))
        for table in declared.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
