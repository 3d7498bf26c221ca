"""`make bench`: starts the product from nothing, measures it for four minutes, prints a table and writes .local/bench.json."""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated

import asyncpg
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.local.folders import STATE, AlreadyRunning
from deploy.local.ports import PortTaken
from deploy.local.stack import Stack, running_stack
from deploy.local.supervision import ProcessFailed
from tests.load import cold_start, effect, filing, ledger, ledger_growth, ledger_orders, processes, rows
from tests.load.figures import Bar, Figure, NoMeasurement, table_of, write_figures

PROFILE = "bench"
LIMIT_S = 300.0
# Short and in turn: a machine that has others on it changes its speed from one second to the next.
LEDGER_S, LEDGER_ROUNDS = 1.5, 2
ORDERS_S = 2.5
GROWTH_S, GROWTH_ROUNDS = 1.2, 3
RESIDENT = Bar(value=1229, sense="at most")

console = Console(soft_wrap=True)


def main(
    seconds: Annotated[float, typer.Option(help="Length of one filing round.")] = 15.0,
    rounds: Annotated[int, typer.Option(help="Rounds of ours and of the yardstick, in turn.")] = 2,
    effect_seconds: Annotated[float, typer.Option(help="How long cases are filed one by one to time their effects.")] = 15.0,
) -> None:
    """Measure filing and the books against their yardsticks, the way from commit to effect, the start and the memory."""
    file = STATE / "bench.json"
    # What an earlier run measured must not be taken for this one's.
    file.unlink(missing_ok=True)
    try:
        figures = asyncio.run(measure(seconds=seconds, rounds=rounds, effect_seconds=effect_seconds))
    except (AlreadyRunning, PortTaken, ProcessFailed, NoMeasurement) as refused:
        console.print(str(refused), style="red", markup=False)
        sys.exit(1)
    except TimeoutError:
        console.print(f"Not done within {LIMIT_S:.0f} s; nothing is reported.", style="red")
        sys.exit(1)
    write_figures(figures, file=file)
    console.print(table_of(figures))
    for figure in figures:
        console.print(f"{figure.name}: {figure.limited_by}", style="dim", markup=False, highlight=False)


async def measure(*, seconds: float, rounds: int, effect_seconds: float) -> list[Figure]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    async with asyncio.timeout(LIMIT_S):
        with Progress(*columns, console=console, transient=True) as progress:
            tell = partial(progress.update, progress.add_task("cold start of `make up`"))
            start = await cold_start.measure(PROFILE)
            cold_start.keep_commit_times(PROFILE)
            tell(description="starting again, for the load")
            async with running_stack(PROFILE) as stack:
                connection = await rows.connect(stack)
                try:
                    figures = await under_load(stack, connection=connection, tell=tell, seconds=seconds, rounds=rounds, effect_seconds=effect_seconds)
                finally:
                    await connection.close()
                figures += [start.figure(), resident(stack, start=start)]
                figures += await books(stack, tell=tell, rounds=rounds)
    return figures


async def books(stack: Stack, *, tell: Callable[..., None], rounds: int) -> list[Figure]:
    """The workers are done with what they were measured at; what the filings left for them would be in the way here."""
    await stack.stop(*filing.WORKERS)
    tell(description="the books: the writer beside pgbench and beside one function call a request")
    written = await ledger.measure(stack, seconds=LEDGER_S, rounds=LEDGER_ROUNDS * rounds)
    tell(description="the books: payment orders over HTTP beside the yardstick")
    ordered = await ledger_orders.measure(stack, seconds=ORDERS_S, rounds=rounds)
    tell(description="the books: a million entries made and exported, then reservations beside them, then the verifier")
    # Last, because the verifier runs alone.
    grown = await ledger_growth.measure(stack, seconds=GROWTH_S, rounds=GROWTH_ROUNDS)
    return [*written, *ordered, *grown]


async def under_load(
    stack: Stack, *, connection: asyncpg.Connection, tell: Callable[..., None], seconds: float, rounds: int, effect_seconds: float
) -> list[Figure]:
    tell(description="registering applicants")
    trip = effect.round_trip(stack)
    await trip.declare_topic()
    await filing.register_applicants(stack)
    await rows.wait_until_applicants_are_known(connection)
    tell(description=f"from commit to effect, {effect.RATE} cases a second for {effect_seconds:g} s")
    timed = await effect.measure(stack, connection=connection, trip=trip, seconds=effect_seconds)
    tell(description=f"filing, {rounds} rounds of {seconds:g} s beside the yardstick")
    # Last, because what it leaves for the workers would be in the way of everything else.
    filed = await filing.measure(stack, connection=connection, seconds=seconds, rounds=rounds)
    return [*filed, *timed]


def resident(stack: Stack, *, start: cold_start.Start) -> Figure:
    """The stack as it is after the load, and the `make up` process itself, which this run stands in for."""
    sizes = [*processes.memory_mib(processes.supervisor_pid(stack)), ("make up itself", start.up_mib)]
    for name, size_mib in sorted(sizes, key=lambda size: size[1], reverse=True):
        console.print(f"{size_mib:8.1f} MiB  {name}", highlight=False)
    total_mib = sum(size_mib for _, size_mib in sizes)
    parts = processes.memory_by_part(sizes)
    largest = ", ".join(f"{name} {size_mib:.0f}" for name, size_mib in parts[:4])
    return Figure(
        name="resident_mib",
        value=round(total_mib, 1),
        unit="MiB",
        bar=RESIDENT,
        limited_by=f"{len(sizes)} processes after the load, {start.resident_mib:.0f} MiB before it; most is {largest} MiB",
    )


if __name__ == "__main__":
    typer.run(main)
