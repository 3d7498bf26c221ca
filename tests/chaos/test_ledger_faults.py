"""kill -9 of the process that writes and of PostgreSQL at every point of a reservation batch, a payment approval and a year close."""

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg
import psutil
import pytest
import pytest_asyncio

from deploy.local import folders, postgres
from deploy.local.stack import stored_passwords, together
from deploy.local.supervision import Supervisor, running_supervisor
from deploy.postgres.migrate import migrate
from deploy.postgres.roles import create_database, declare_roles
from tests.chaos.lanes import MIGRATED, Lane, Round, opened_lanes
from tests.chaos.wholeness import COMMIT, shut_gate, until_alone, until_at_gate
from tests.chaos.wire import Trap, nth_change
from tests.runtime import TemplateDatabase

PROFILE = f"test-{os.getpid()}-ledger-faults"
RESTART_WITHIN_S = 30.0
OPERATIONS = ("reserve", "approve", "close")
# What a caller waits for last.
COMMITS = {"reserve": "append_batch", "approve": "append_approvals", "close": "COMMIT"}
# The first statement of an approval only reads, which has no transaction of its own.
FIRST = {"reserve": "BEGIN", "approve": "read_approvals", "close": "BEGIN"}
# Where the three operations are stopped: before a statement, before its answer is passed on, or in one behind its writing of a table.
_IN_BOOKS = ("in journal", "in voucher_counter", "in balance", "in head")
_IN_MONEY = (*_IN_BOOKS, "in reservation", "in reservation_history", "in stream", "in outbox", "in answer", f"in {COMMIT}")
POINTS = {
    "reserve": (
        *("before append_batch", "in reservation", "in stream", "in outbox", *_IN_BOOKS, f"in {COMMIT}", "after append_batch"),
        # The others have more points: some of these once more.
        *("before append_batch", "in journal", "in head", "after append_batch"),
    ),
    "approve": ("before read_approvals", "after read_approvals", *_IN_MONEY, "in payment_order", "after append_approvals"),
    "close": ("before BEGIN", "after lock_books", *_IN_MONEY, "before COMMIT", "after COMMIT"),
}


@dataclass
class Ledger:
    supervisor: Supervisor
    server: postgres.Postgres
    lanes: dict[str, Lane]

    async def kill_postgres(self) -> None:
        """kill -9 of every process of the server, which is started again; the main one is stopped first, so that it cannot tidy up."""
        main = psutil.Process(await self.supervisor.pid("postgres"))
        main.suspend()
        # The supervisor is to know that it ends, or it would start it by itself, and later each time.
        ending = asyncio.create_task(self.supervisor.stop("postgres"))
        while (await self.supervisor.state("postgres"))["statename"] != "STOPPING":
            assert not ending.done()
        family = [*main.children(recursive=True), main]
        for process in family:
            process.kill()
        await ending
        async with asyncio.timeout(RESTART_WITHIN_S):
            while any(map(has_memory, family)):
                await asyncio.sleep(0.01)
        await self.supervisor.start("postgres", ready=self.server.accepts, limit_s=RESTART_WITHIN_S)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ledger(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ledger]:
    """A server of its own that keeps what it acknowledges, and the three operations."""
    with folders.held(folders.profile_folder(PROFILE)) as folder:
        async with running_supervisor(folder) as supervisor:
            passwords = stored_passwords(folder)
            server = await postgres.start(supervisor, password=passwords["POSTGRES_PASSWORD"], durable=True)
            await spare_the_disk(server)
            await create_database(server.admin_url(), name=MIGRATED)
            await declare_roles(server.admin_url(MIGRATED), passwords=passwords)
            template = TemplateDatabase(server=server, passwords=passwords)
            await migrate({"budget": template.database(MIGRATED).sqlalchemy_url("budget_owner")})
            async with opened_lanes(template, folder=tmp_path_factory.mktemp("lanes")) as lanes:
                yield Ledger(supervisor, server, lanes)
        folders.empty_folder(folder)
    shutil.rmtree(folder)


async def test_a_process_killed_before_any_statement_that_changes_or_locks_leaves_all_or_nothing(ledger: Ledger) -> None:
    async def kill_before_each(operation: str) -> None:
        lane, points = ledger.lanes[operation], list[str]()
        for number in itertools.count():
            trap = Trap(nth_change(number))
            disturbed = await begun(lane, trap=trap)
            if not await disturbed.until(trap.sprung.wait()):
                assert await disturbed.judge() == len(disturbed.calls)
                break
            await restart(lane)
            await disturbed.judge()
            points.append(trap.name)
        print(f"{operation}: killed before each of {len(points)} statements that change or lock: {', '.join(points)}")
        assert points[0].startswith(FIRST[operation])
        # The two calls of a reservation take turns differently each time; POINTS has what they end in.
        assert operation == "reserve" or COMMITS[operation] in points

    await together(*map(kill_before_each, OPERATIONS))


async def test_a_process_killed_in_the_middle_of_a_statement_leaves_all_or_nothing_and_behind_the_commit_all(ledger: Ledger) -> None:
    async def kill_in_each(operation: str) -> None:
        lane = ledger.lanes[operation]
        for point in POINTS[operation]:
            async with AsyncExitStack() as gates:
                disturbed = await stopped(lane, point=point, gates=gates)
                await lane.process.kill()
            await until_alone(lane.database)
            await lane.process.start()
            done = await disturbed.judge()
            assert done or point != f"after {COMMITS[operation]}"

    await together(*map(kill_in_each, OPERATIONS))


async def test_postgres_killed_at_every_point_leaves_all_or_nothing(ledger: Ledger) -> None:
    """One kill meets the three operations at once, each in its own books; their processes live on."""
    for points in zip(*POINTS.values(), strict=True):
        async with AsyncExitStack() as gates:
            at_points = [stopped(ledger.lanes[operation], point=point, gates=gates) for operation, point in zip(POINTS, points, strict=True)]
            reached = await together(*at_points)
            await ledger.kill_postgres()
        done = await together(*(disturbed.judge() for disturbed in reached))
        print(f"PostgreSQL killed {dict(zip(POINTS, points, strict=True))}: {done} done")

        # Of the two calls of the batch that is reserved for, one may have got through before the other stood at its point.
        assert [bool(each) for each in done[1:]] == [points[-1] == "after COMMIT"] * 2
        assert done[0] > 0 or points[-1] != "after COMMIT"


async def stopped(lane: Lane, *, point: str, gates: AsyncExitStack) -> Round:
    """An operation that stands at this point."""
    where, _, name = point.partition(" ")
    if where == "in":
        disturbed = await lane.begin()
        gate = await gates.enter_async_context(shut_gate(lane.database, name))
        disturbed.start()
        assert await disturbed.until(until_at_gate(gate)), point
        return disturbed
    trap = Trap(lambda statement: statement.startswith(name), answered=where == "after")
    disturbed = await begun(lane, trap=trap)
    assert await disturbed.until(trap.sprung.wait()), point
    return disturbed


def has_memory(process: psutil.Process) -> bool:
    """Whether it still lives; one that is dead and only not yet buried does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def spare_the_disk(server: postgres.Postgres) -> None:
    """What a killed process wrote the kernel has; that it reaches the disk guards against the end of the machine, which nobody stages here."""
    connection = await asyncpg.connect(server.admin_url())
    await connection.execute("ALTER SYSTEM SET fsync = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


async def begun(lane: Lane, *, trap: Trap) -> Round:
    disturbed = await lane.begin()
    lane.process.wire.trap = trap
    disturbed.start()
    return disturbed


async def restart(lane: Lane) -> None:
    await lane.process.kill()
    await until_alone(lane.database)
    await lane.process.start()
