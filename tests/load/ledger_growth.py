"""What a million entries cost: a reservation beside a journal of ten thousand, and how long an outsider takes to verify them all."""

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from deploy.local.folders import ROOT
from deploy.local.stack import Stack, together
from tests.load import ledger_fill, ledger_verify
from tests.load.figures import Bar, Figure, NoMeasurement
from tests.load.ledger import Bench, counted, fresh_books
from tests.load.ledger_client import Report

SMALL_ROWS, BIG_ROWS = 10_000, 1_000_000
GROWTH = Bar(value=1.2, sense="at most")
VERIFY = Bar(value=10, sense="at most")


@dataclass(frozen=True)
class Verified:
    seconds: float
    cpu_share: float
    size_mib: int


async def measure(stack: Stack, *, seconds: float, rounds: int, small_rows: int = SMALL_ROWS, big_rows: int = BIG_ROWS) -> list[Figure]:
    """The export is written while the books are filled, each on a core of its own; then small and big in turn; the verifier last and alone."""
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as databases:
            books = [await databases.enter_async_context(fresh_books(stack, name=name)) for name in ("ledger_small", "ledger_big")]
            _, (small, big) = await together(write_export(Path(folder), rows=big_rows), filled(books, rows=(small_rows, big_rows)))
            of_small, of_big = [], []
            for _ in range(rounds):
                of_small.append(await counted(small, "writer", seconds=seconds))
                of_big.append(await counted(big, "writer", seconds=seconds))
        verified = await verify(ledger_verify.journal_in(Path(folder)), rows=big_rows)
    return [growth_of(of_small, of_big, small_rows=small_rows, big_rows=big_rows), verify_figure(verified)]


async def filled(books: Sequence[Bench], *, rows: Sequence[int]) -> list[Bench]:
    return [await ledger_fill.filled(bench, rows=each) for bench, each in zip(books, rows, strict=True)]


def growth_of(of_small: Sequence[Report], of_big: Sequence[Report], *, small_rows: int, big_rows: int) -> Figure:
    """How many times as long a reservation takes."""
    by_round = ", ".join(
        f"{big.done / big.seconds:.0f} against {small.done / small.seconds:.0f}" for small, big in zip(of_small, of_big, strict=True)
    )
    shares = (
        f"the writer's process used {of_big[-1].cpu_share:.0%} of a core beside {big_rows} entries, {of_small[-1].cpu_share:.0%} beside {small_rows}"
    )
    value = round(each_s(of_big) / each_s(of_small), 2)
    return Figure(name="ledger_growth", value=value, unit="ratio", bar=GROWTH, limited_by=f"{by_round} reservations a second; {shares}")


def each_s(reports: Sequence[Report]) -> float:
    return sum(each.seconds for each in reports) / sum(each.done for each in reports)


def verify_figure(verified: Verified) -> Figure:
    limit = f"two processes of Python alone, {verified.cpu_share:.0%} of a core, over {verified.size_mib} MiB of NDJSON: each parses every row"
    return Figure(name="verify_1m_s", value=round(verified.seconds, 1), unit="s", bar=VERIFY, limited_by=limit)


async def write_export(folder: Path, *, rows: int) -> None:
    await said([sys.executable, "-m", "tests.load.ledger_verify", str(rows), str(folder)], name="the export")


async def verify(journal: Path, *, rows: int) -> Verified:
    """Raises NoMeasurement unless the verifier found every row and nothing wrong."""
    cpu_before_s, began_s = children_cpu_s(), time.perf_counter()
    told = await said(ledger_verify.command(journal), name="verify.py")
    seconds = time.perf_counter() - began_s
    if not told.startswith("GOOD") or f" {rows} rows" not in told:
        raise NoMeasurement(f"verify.py was given {rows} rows and says: {told.strip()}")
    return Verified(seconds=seconds, cpu_share=(children_cpu_s() - cpu_before_s) / seconds, size_mib=size_mib(journal))


def size_mib(file: Path) -> int:
    return file.stat().st_size >> 20


def children_cpu_s() -> float:
    """Of the processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def said(command: list[str], *, name: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise NoMeasurement(f"{name} ended with {process.returncode}: {out.decode(errors='replace').strip()[-1_000:]}")
    return out.decode()
