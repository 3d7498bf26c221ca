"""Whether anything is half done in the budget's schema, and gates at which its writes can be stopped."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from services.budget.entry.rules import GENESIS, Entry, leaf_of, link
from tests.integration.budget.acting import assert_books_add_up, assert_journal_readds
from tests.runtime import Database

WAIT_S = 10.0
COMMIT = "commit"
# The advisory locks that a write of a table passes through; the second number is the table's.
_GATES = 4_299
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'budget' AND tablename <> 'alembic_version' ORDER BY tablename"
_GATE = f"""
CREATE FUNCTION public.pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({_GATES}, hashtext(tg_argv[0]));
    RETURN NULL;
END
$$
"""
_AT_GATE = f"""
SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
WHERE datname = current_database() AND locktype = 'advisory' AND classid = {_GATES} AND NOT granted
"""
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"


@asynccontextmanager
async def _superuser(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.urls["postgres"], server_settings={"search_path": "budget", "lock_timeout": "0"})
    try:
        yield connection
    finally:
        connection.terminate()


async def build_gates(database: Database) -> None:
    """One behind the writing of every table, and one at the commit of what wrote the journal."""
    async with _superuser(database) as connection:
        await connection.execute(_GATE)
        for (table,) in await connection.fetch(_TABLES):
            await connection.execute(
                f"CREATE TRIGGER gate AFTER INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION public.pass_gate({table})"
            )
        await connection.execute(
            "CREATE CONSTRAINT TRIGGER gate_at_commit AFTER INSERT ON journal DEFERRABLE INITIALLY DEFERRED"
            f" FOR EACH ROW EXECUTE FUNCTION public.pass_gate({COMMIT})"
        )


@asynccontextmanager
async def shut_gate(database: Database, name: str) -> AsyncIterator[asyncpg.Connection]:
    """Until it is left, whoever writes that table stops right behind it. The holder may be lost with the server."""
    async with _superuser(database) as holder:
        await holder.execute(f"SELECT pg_advisory_lock({_GATES}, hashtext($1))", name)
        yield holder


async def until_at_gate(holder: asyncpg.Connection) -> int:
    """The process id of the session that stands there."""
    async with asyncio.timeout(WAIT_S):
        while (standing := await holder.fetchval(_AT_GATE)) is None:
            await asyncio.sleep(0.002)
    return int(standing)


async def until_alone(database: Database) -> None:
    """Until the server has noticed the end of every other session of this database."""
    async with asyncio.timeout(WAIT_S), _superuser(database) as connection:
        while await connection.fetchval(_OTHERS):
            await asyncio.sleep(0.002)


async def save(database: Database) -> None:
    """Keep what every table has now, for `restore`."""
    async with _superuser(database) as connection:
        await connection.execute("CREATE SCHEMA saved")
        for (table,) in await connection.fetch(_TABLES):
            await connection.execute(f"CREATE TABLE saved.{table} AS TABLE {table}")


async def restore(database: Database) -> None:
    """Everything as it was saved, in one transaction and past all triggers."""
    async with _superuser(database) as connection:
        tables = [table for (table,) in await connection.fetch(_TABLES)]
        back = "".join(f"DELETE FROM {table}; INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM saved.{table};" for table in tables)
        await connection.execute(f"SET session_replication_role = replica; {back}")


async def digests(database: Database) -> dict[str, tuple[int, str]]:
    """Of every table: how many rows it has, and a digest of them."""
    async with _superuser(database) as connection:
        tables = [table for (table,) in await connection.fetch(_TABLES)]
        each = " UNION ALL ".join(
            f"SELECT '{table}', count(*), coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') FROM {table} t" for table in tables
        )
        return {name: (rows, digest) for name, rows, digest in await connection.fetch(each)}


def grown(before: dict[str, tuple[int, str]], after: dict[str, tuple[int, str]]) -> dict[str, int]:
    """How many rows each table has more."""
    return {table: rows - before[table][0] for table, (rows, _) in after.items() if rows != before[table][0]}


async def assert_nothing_half_done(database: Database) -> None:
    """The books are whole, and what they hold is held by cases. For books without recoveries: those are not in the state of a case."""
    await assert_books_add_up(database)
    await _assert_rows_whole(database)
    async with _superuser(database) as connection:
        answered = await connection.fetch("SELECT DISTINCT application_id FROM journal WHERE kind = 'reserve' ORDER BY 1")
        assert await connection.fetch("SELECT DISTINCT application_id FROM reservation WHERE state <> 'released_early' ORDER BY 1") == answered


async def assert_books_whole(database: Database) -> None:
    """The journal re-adds, its chain is whole, cases hold what is reserved, and what was announced is what was booked."""
    await assert_journal_readds(database)
    await _assert_rows_whole(database)


async def _assert_rows_whole(database: Database) -> None:
    async with _superuser(database) as connection:
        journal = await connection.fetch("SELECT * FROM journal ORDER BY seq")
        (head,) = await connection.fetch("SELECT last_seq, chain FROM head")
        outbox = await connection.fetch("SELECT topic, key, event_seq, payload FROM outbox ORDER BY id")
        streams = await connection.fetch("SELECT topic, key, last_seq FROM stream")
        held = await connection.fetchval("SELECT coalesce(sum(amount_fen), 0)::bigint FROM reservation WHERE state = 'reserved'")
        reserved = await connection.fetchval("SELECT coalesce(sum(balance_fen), 0)::bigint FROM balance WHERE name = '指标:已预留'")
    _assert_chained(journal, head=head)
    _assert_announced(journal, outbox=outbox, streams=streams)
    assert held == reserved


def _assert_chained(journal: list[asyncpg.Record], *, head: asyncpg.Record) -> None:
    chain = GENESIS
    for row in journal:
        leaf = leaf_of(Entry(*(row[name] for name in Entry._fields)))
        chain = link(chain, leaf=leaf)
        assert (row["leaf"], row["chain"]) == (leaf, chain), f"seq {row['seq']}"
    assert (head["last_seq"], head["chain"]) == (len(journal), chain)


def _assert_announced(journal: list[asyncpg.Record], *, outbox: list[asyncpg.Record], streams: list[asyncpg.Record]) -> None:
    """Each voucher of what is told outside in one event, each stream as long as its last number."""
    told = Counter(json.loads(row["payload"]).get("voucher") for row in outbox)
    booked = {row["voucher"] for row in journal if row["voucher"] and row["kind"] in ("reserve", "order", "confirm", "return", "release", "clawback")}
    assert {voucher: told[voucher] for voucher in booked} == dict.fromkeys(booked, 1)
    numbers: dict[tuple[str, str], list[int]] = {}
    for row in outbox:
        numbers.setdefault((row["topic"], row["key"]), []).append(row["event_seq"])
    assert {(row["topic"], row["key"]): list(range(1, row["last_seq"] + 1)) for row in streams} == numbers
