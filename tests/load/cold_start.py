"""How long `make up` takes from nothing until everything is ready, once it is installed."""

import asyncio
import signal
import sys
import time
from dataclasses import dataclass

from deploy.local.folders import ROOT, profile_folder
from deploy.local.stack import forget
from tests.load.figures import Bar, Figure, NoMeasurement
from tests.load.processes import CORES, busy_cpu_s, memory_mib

# Ends of the lines by which `make up` tells its steps, each with its second.
STORES_READY = ("migrations are in place", "topics are declared")
READY_LINE = "Ctrl-C stops everything."
READY_LIMIT_S = 90.0
STOP_LIMIT_S = 40.0
READY = Bar(value=20, sense="at most")


@dataclass(frozen=True, kw_only=True)
class Start:
    """`busy` is the share of all cores. Memory is that of all processes right after the start; `up_mib` that of the one which `make up` itself is."""

    seconds: float
    steps: list[str]
    busy: float
    resident_mib: float
    up_mib: float

    def figure(self) -> Figure:
        stores_s = max(at_s(step) for step in self.steps if step.endswith(STORES_READY))
        processes_s = max(at_s(step) for step in self.steps if step.endswith("is ready"))
        limited_by = (
            f"by its own clock stores, migrations and topics until {stores_s:.1f} s, then eight Python processes starting side by side until "
            f"{processes_s:.1f} s; {self.busy:.0%} of {CORES} cores busy all along, this machine's other work included"
        )
        return Figure(name="ready_s", value=round(self.seconds, 1), unit="s", bar=READY, limited_by=limited_by)


async def measure(profile: str) -> Start:
    """Start the profile from nothing by the command that `make up` runs, and stop it again."""
    forget(profile)
    started_s, busy_s = time.monotonic(), busy_cpu_s()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deploy.local.up",
        "--profile",
        profile,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        steps = await asyncio.wait_for(read_until_ready(process.stdout), READY_LIMIT_S)
        seconds = time.monotonic() - started_s
        busy = (busy_cpu_s() - busy_s) / seconds / CORES
        sizes = memory_mib(process.pid)
    except TimeoutError as late:
        raise NoMeasurement(f"`make up` is not ready after {READY_LIMIT_S:.0f} s.") from late
    finally:
        await stop(process)
    (up_mib,) = (size_mib for name, size_mib in sizes if name.endswith(f" {process.pid}"))
    return Start(seconds=seconds, steps=steps, busy=busy, resident_mib=sum(size_mib for _, size_mib in sizes), up_mib=up_mib)


def at_s(step: str) -> float:
    return float(step.split()[0])


async def read_until_ready(output: asyncio.StreamReader) -> list[str]:
    lines: list[str] = []
    async for line in output:
        lines.append(line.decode(errors="replace").rstrip())
        if lines[-1] == READY_LINE:
            return lines
    raise NoMeasurement("`make up` ended before everything was ready:\n" + "\n".join(lines[-20:]))


async def stop(process: asyncio.subprocess.Process) -> None:
    """As Ctrl-C does."""
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.communicate(), STOP_LIMIT_S)
        except TimeoutError as late:
            raise NoMeasurement(f"`make up` does not stop within {STOP_LIMIT_S:.0f} s of Ctrl-C.") from late


def keep_commit_times(profile: str) -> None:
    """Have the stopped profile's PostgreSQL keep the time of each commit from its next start on: what effects are timed by."""
    settings = (profile_folder(profile) / "postgres").resolve() / "data" / "postgresql.auto.conf"
    with settings.open("a", encoding="utf-8") as file:
        file.write("track_commit_timestamp = on\n")
