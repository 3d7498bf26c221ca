"""`make up`: the whole product on this machine, until Ctrl-C."""

import asyncio
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.local.folders import AlreadyRunning
from deploy.local.ports import PortTaken
from deploy.local.stack import Stack, running_stack
from deploy.local.supervision import ProcessFailed

STOPPED_BY_SIGNAL = 130

console = Console(soft_wrap=True)


def main(profile: Annotated[str, typer.Option(help="Name of the folder under .local/ that keeps the data.")] = "up") -> None:
    """Start PostgreSQL, Kafka and the four services, and stay until Ctrl-C."""
    try:
        asyncio.run(stay(profile))
    except (AlreadyRunning, PortTaken, ProcessFailed) as refused:
        console.print(str(refused), style="red", markup=False)
        sys.exit(1)
    except asyncio.CancelledError:
        console.print("Stopped before everything was ready.")
        sys.exit(STOPPED_BY_SIGNAL)


async def stay(profile: str) -> None:
    task, stop = asyncio.current_task(), asyncio.Event()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    async with running_stack(profile, tell=console.print) as stack:
        # From here on a signal is the wished end, not an interruption.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        show(stack)
        await stop.wait()
        console.print("Stopping …")
    console.print(f"Everything is stopped. The data stays in {stack.folder}; `make clean` removes it.")


def show(stack: Stack) -> None:
    addresses = Table("service", "documentation", "metrics of its worker")
    for service, url in stack.urls.items():
        addresses.add_row(service, f"{url}/docs", f"{stack.worker_urls[service]}/metrics")
    console.print(addresses)
    console.print(f"Business clock: [bold]{stack.business_now():%Y-%m-%d %H:%M}[/] (moved, local only); the wall clock is untouched.")
    district = next(iter(stack.callers.values()))
    console.print(
        f"Signed calls, for instance as {district['id']}: app key {district['app_key']}; secrets and the others: {stack.folder}/callers.json"
    )
    token = stack.issuer.token("officer-1", name="示例经办", roles=["city-officer"], jurisdictions=["*"])
    console.print("Staff token of a sample officer, for 12 hours:")
    console.print(token, soft_wrap=True, markup=False, highlight=False)
    console.print("Ctrl-C stops everything.")


if __name__ == "__main__":
    typer.run(main)
