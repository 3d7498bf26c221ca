"""What the processes of a run use: CPU time and proportional memory, by the part of the product they are."""

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.local.stack import Stack

CORES = os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Shares:
    """CPU used over a time by each part, 1.0 being one core; `machine` is everything that ran, ours or not."""

    parts: Mapping[str, float]
    machine: float

    def of(self, name: str) -> float:
        return self.parts.get(name, 0.0)

    def sentence(self, *, parts_max: int = 5) -> str:
        top = sorted(self.parts.items(), key=lambda part: part[1], reverse=True)[:parts_max]
        told = ", ".join(f"{name} {share:.0%}" for name, share in top if share >= 0.01)
        # The load generator, this run itself, and whatever else the machine does.
        outside = max(0.0, self.machine * CORES - sum(self.parts.values()))
        return f"{self.machine:.0%} of {CORES} cores busy; of one core: {told}, outside the product {outside:.0%}"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """CPU seconds so far. Take one before and one after, `after.since(before)`."""

    at_s: float
    parts: Mapping[str, float]
    busy_s: float

    def since(self, before: "Usage") -> Shares:
        seconds = self.at_s - before.at_s
        parts = {name: max(0.0, used - before.parts.get(name, 0.0)) / seconds for name, used in self.parts.items()}
        return Shares(parts=parts, machine=(self.busy_s - before.busy_s) / seconds / CORES)


def usage(stack: Stack) -> Usage:
    used: dict[str, float] = defaultdict(float)
    for process in processes_under(supervisor_pid(stack)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            # A backend that ended counts with the server that started it.
            ended = times.children_user + times.children_system if part_of(process) == "postgres" else 0.0
            used[part_of(process)] += times.user + times.system + ended
    return Usage(at_s=time.perf_counter(), parts=used, busy_s=busy_cpu_s())


def busy_cpu_s() -> float:
    """CPU seconds that all cores together have not been idle; a guest's time is counted in the user's already."""
    machine = psutil.cpu_times()
    return sum(machine) - machine.idle - machine.iowait - machine.guest - machine.guest_nice


def supervisor_pid(stack: Stack) -> int:
    return int((stack.folder / "supervisord.pid").read_text(encoding="utf-8"))


def processes_under(pid: int) -> Iterator[psutil.Process]:
    top = psutil.Process(pid)
    yield top
    yield from top.children(recursive=True)


def memory_mib(pid: int) -> list[tuple[str, float]]:
    """Part and proportional set size (PSS) of the process and of each below it, largest first."""
    sizes = []
    for process in processes_under(pid):
        with suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            sizes.append((f"{part_of(process)} {process.pid}", pss_mib(process.pid)))
    return sorted(sizes, key=lambda size: size[1], reverse=True)


def memory_by_part(sizes: list[tuple[str, float]]) -> list[tuple[str, float]]:
    parts: dict[str, float] = defaultdict(float)
    for name, size_mib in sizes:
        parts[name.rpartition(" ")[0]] += size_mib
    return sorted(parts.items(), key=lambda part: part[1], reverse=True)


def pss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    (pss,) = (line for line in lines if line.startswith("Pss:"))
    return int(pss.split()[1]) / 1024


def part_of(process: psutil.Process) -> str:
    """`applications-http`, `postgres`, `kafka`, … by the command line; otherwise the module or program it runs."""
    words = process.cmdline() or [process.name()]
    if process.name() == "postgres":
        return "postgres"
    if "kafka.Kafka" in words:
        return "kafka"
    if "-m" in words:
        return words[words.index("-m") + 1].removeprefix("services.").replace(".main", "-http").replace(".worker", "-worker")
    return process.name()
