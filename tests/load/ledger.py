"""The books under load: the writer beside pgbench and beside one function call a request, in turn, on one server and one database each."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import asyncpg

from deploy.local.ports import HOST
from deploy.local.stack import CITY_FILE, Stack
from deploy.postgres.migrate import migrate, owner_urls
from deploy.postgres.roles import SERVICES, allow_connections, create_database, declare_roles, password_variable
from services.budget import policy
from services.budget.entry.commands import lock_books
from services.budget.ledger.commands import post_entries
from services.budget.ledger.rules import Act, appropriate
from services.budget.settings import BudgetSettings
from shared.db import open_database
from tests.load.figures import Bar, Figure, NoMeasurement, percentile
from tests.load.ledger_client import AT, Report

PLENTY_FEN = 10**14
WAL_MESSAGES = 112
WAL_MESSAGE_BYTES = 8 << 20
# Of what is measured once; the rest is measured in rounds.
ONCE_S = 3.0
RATIO = Bar(value=3, sense="at least")
P99 = Bar(value=10, sense="at most")
PER_REQUEST = Bar(value=8, sense="at least")
EVENTS = Bar(value=5_000, sense="at least")
TWO_WRITERS = Bar(value=0.4, sense="at least")
YARDSTICK = Path(__file__).with_name("yardstick_ledger.sql")


@dataclass(frozen=True)
class Bench:
    """A database of its own on the server of the run; its rows up to `filled_seq` were filled in and are not chained to each other."""

    admin_url: str
    budget_url: str
    filled_seq: int = 0


async def measure(stack: Stack, *, seconds: float, rounds: int) -> list[Figure]:
    """Writer and pgbench in turn; then the yardstick, events, and two writers at once. Every run counts its rows and re-adds the books."""
    await let_wal_grow(stack)
    async with fresh_books(stack, name="ledger_bench") as bench:
        writer, pgbench = [], []
        for _ in range(rounds):
            writer.append(await counted(bench, "writer", seconds=seconds))
            pgbench.append(await simple_update(stack, bench, seconds=seconds))
        one_call = await counted(bench, "per_request", seconds=min(ONCE_S, seconds * rounds), chained=False)
    async with fresh_books(stack, name="ledger_events") as bench:
        events = await counted(bench, "events", seconds=min(ONCE_S, seconds * rounds))
        two = await two_writers(bench, seconds=min(ONCE_S, seconds * rounds))
    ours, theirs = sum(each.done / each.seconds for each in writer) / rounds, sum(pgbench) / rounds
    by_round = ", ".join(f"{mine.done / mine.seconds:.0f} against {bar:.0f}" for mine, bar in zip(writer, pgbench, strict=True))
    busy = f"the writer's process used {writer[-1].cpu_share:.0%} of a core, the database the other"
    return [
        Figure(name="ledger_ratio_to_pgbench", value=round(ours / theirs, 2), unit="ratio", bar=RATIO, limited_by=f"{by_round} a second; {busy}"),
        Figure(name="ledger_p99_ms", value=round(percentile([each.p99_ms for each in writer], 0.5), 1), unit="ms", bar=P99, limited_by=busy),
        Figure(
            name="ledger_ratio_to_per_request",
            value=round(ours / (one_call.done / one_call.seconds), 2),
            unit="ratio",
            bar=PER_REQUEST,
            limited_by=f"one function call a request does {one_call.done / one_call.seconds:.0f} a second: each waits for the commit before it",
        ),
        Figure(
            name="ledger_from_events_per_s",
            value=round(events.done / events.seconds),
            unit="1/s",
            bar=EVENTS,
            limited_by=f"polls of 500 events, one transaction each; the consumer's process used {events.cpu_share:.0%} of a core",
        ),
        Figure(
            name="ledger_two_writers_ratio",
            value=round(two / ours, 2),
            unit="ratio",
            bar=TWO_WRITERS,
            limited_by="each finds that the other has moved the books on, and decides again behind the lock",
        ),
    ]


async def let_wal_grow(stack: Stack) -> None:
    """As on a server that has run for a day: its WAL files are there to be used again. Good for both sides of every comparison."""
    connection = await asyncpg.connect(stack.postgres.admin_url())
    try:
        for _ in range(WAL_MESSAGES):
            await connection.execute("SELECT pg_logical_emit_message(false, 'load', repeat('x', $1))", WAL_MESSAGE_BYTES)
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


@asynccontextmanager
async def fresh_books(stack: Stack, *, name: str) -> AsyncIterator[Bench]:
    """A migrated database with more money than any run can spend; dropped at the end."""
    admin = stack.postgres.admin_url()
    passwords = stack.passwords
    await drop(admin, name=name)
    await create_database(admin, name=name)
    await declare_roles(stack.postgres.admin_url(name), passwords=passwords)
    await allow_connections(stack.postgres.admin_url(name), database=name)
    owners = owner_urls(host=HOST, port=stack.postgres.port, database=name, passwords=passwords)
    await migrate({service: url for service, url in owners.items() if service in SERVICES})
    url = stack.postgres.url(role="budget", password=passwords[password_variable("budget")], database=name, driver="postgresql+asyncpg")
    bench = Bench(admin_url=stack.postgres.admin_url(name), budget_url=url)
    connection = await asyncpg.connect(bench.admin_url)
    await connection.execute(YARDSTICK.read_text(encoding="utf-8"))
    await connection.close()
    await appropriate_plenty(bench)
    try:
        yield bench
    finally:
        await drop(admin, name=name)


async def appropriate_plenty(bench: Bench) -> None:
    settings = BudgetSettings.model_validate(
        {"profile": "local", "database_url": bench.budget_url, "kafka_bootstrap": "none", "city_file": CITY_FILE}
    )
    database = open_database(settings)
    (fund,) = policy.current().funds
    postings = appropriate(fund, fiscal_year=2025, amount_fen=PLENTY_FEN, document="LD", effective_on=date(2025, 1, 20), maker="load")
    async with database.transaction() as tx:
        await lock_books(tx)
        await post_entries(tx, postings, act=Act(caller="load", key="appropriation", fingerprint=b"\0" * 32, at=AT, on=AT.date()))
    await database.engine.dispose()


async def counted(bench: Bench, kind: str, *, seconds: float, chained: bool = True) -> Report:
    """One run. Raises NoMeasurement when rows are missing or the books do not re-add."""
    before = await reserved(bench)
    report = await client(bench, kind, seconds=seconds)
    made = await reserved(bench) - before
    if made != report.done or report.done == 0:
        raise NoMeasurement(f"{kind}: {report.done} were answered as reserved, the journal has {made}.")
    await readd(bench, name=kind)
    if chained:
        await check_chain(bench, name=kind)
    return report


async def two_writers(bench: Bench, *, seconds: float) -> float:
    """Both together, per second."""
    before = await reserved(bench)
    reports = await asyncio.gather(*(client(bench, "writer", seconds=seconds) for _ in range(2)))
    done = sum(each.done for each in reports)
    if await reserved(bench) - before != done:
        raise NoMeasurement(f"two writers: {done} were answered as reserved, the journal has another number.")
    await readd(bench, name="two writers")
    await check_chain(bench, name="two writers")
    return sum(each.done / each.seconds for each in reports)


async def client(bench: Bench, kind: str, *, seconds: float) -> Report:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.load.ledger_client", kind, str(seconds)),
        env={**os.environ, "DATABASE_URL": bench.budget_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode != 0:
        raise NoMeasurement(f"{kind} ended with {process.returncode}: {err.decode()[-2_000:]}")
    return Report(**json.loads(out.decode().splitlines()[-1]))


async def simple_update(stack: Stack, bench: Bench, *, seconds: float) -> float:
    """Transactions a second of pgbench's simple-update with 64 clients, on the same server and database."""
    binary = str(stack.postgres.binaries / "pgbench")
    await run([binary, "--initialize", "--quiet", bench.admin_url])
    out = await run([binary, "--skip-some-updates", "--client=64", "--jobs=1", f"--time={max(1, round(seconds))}", bench.admin_url])
    found = re.search(r"tps = ([\d.]+)", out)
    if found is None:
        raise NoMeasurement(f"pgbench said nothing of its rate:\n{out}")
    return float(found[1])


async def run(command: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise NoMeasurement(f"{Path(command[0]).name} ended with {process.returncode}:\n{out.decode()[-2_000:]}")
    return out.decode()


async def reserved(bench: Bench) -> int:
    return int(await value(bench, "SELECT count(*) FROM budget.journal WHERE kind = 'reserve' AND outcome = 'posted'"))


async def readd(bench: Bench, *, name: str) -> None:
    """The journal re-adds to every balance, and to what each case holds."""
    wrong = await value(bench, _READD)
    if wrong:
        raise NoMeasurement(f"{name}: {wrong} balances are not what the journal adds up to.")


async def check_chain(bench: Bench, *, name: str) -> None:
    """Each row is chained to the one before it, as the database itself computes it."""
    broken = await value(bench, _CHAIN, bench.filled_seq)
    if broken:
        raise NoMeasurement(f"{name}: {broken} rows are not chained to the row before them.")


async def value(bench: Bench, query: str, *arguments: int) -> int:
    connection = await asyncpg.connect(bench.admin_url, server_settings={"work_mem": "256MB"})
    try:
        return int(await connection.fetchval(query, *arguments))
    finally:
        await connection.close()


async def drop(admin_url: str, *, name: str) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await connection.close()


_READD = """
WITH posted AS (
    SELECT dr, cr, sum(amount_fen) AS fen FROM budget.journal WHERE outcome = 'posted' GROUP BY dr, cr
), moved AS (
    SELECT account, sum(fen) AS fen FROM (SELECT cr AS account, fen FROM posted UNION ALL SELECT dr, -fen FROM posted) AS m GROUP BY account
)
SELECT (SELECT count(*) FROM budget.balance b JOIN budget.account_name n USING (name) JOIN moved USING (account)
        WHERE b.balance_fen <> CASE n.side WHEN 'cr' THEN moved.fen ELSE -moved.fen END)
    + abs((SELECT count(*) FROM moved) - (SELECT count(*) FROM budget.balance))
    + (SELECT count(*) FROM (SELECT application_id, amount_fen AS fen FROM budget.reservation WHERE state = 'reserved') h
        FULL JOIN (SELECT application_id, sum(CASE kind WHEN 'reserve' THEN amount_fen ELSE -amount_fen END) AS fen FROM budget.journal
            WHERE kind IN ('reserve', 'order') AND outcome = 'posted' GROUP BY 1) j
        USING (application_id) WHERE coalesce(h.fen, 0) <> coalesce(j.fen, 0))
"""
# Rows that the yardstick wrote have no hashes.
_CHAIN = """
SELECT count(*) FROM (
    SELECT seq, chain, leaf, lag(chain, 1, decode(repeat('00', 32), 'hex')) OVER (ORDER BY seq) AS before, caller
    FROM budget.journal WHERE seq >= $1
) AS j WHERE seq > $1 AND chain <> sha256('\\x02'::bytea || before || leaf) AND caller <> 'yardstick'
"""
