"""A load generator in a process of its own: reads its plan from standard input, acts, prints what it measured.

An act is one request of the plan's series: a filing, or the approval of a payment order.
Closed loop: `clients` connections, each with one act under way at any time. Open loop: an act every 1/rate seconds, whether or not
those before are answered. Anything but the expected status ends the run without a report: a server that refuses everything looks fast.
"""

import asyncio
import gc
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Literal

import uvloop

from tests.load.approvals import Approvals
from tests.load.series import Key, Series
from tests.load.wire import Answer, Connection, Unexpected, connect, require_status

# Far above what one process answers; building them takes a few seconds before the clock starts.
CLOSED_RATE_MAX = 3_500
# The first line of the output; the second is the report.
STARTED = "started"
# The rest of the answers after the time is over.
LAST_ANSWERS_LIMIT_S = 15.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    host: str
    port: int
    path: str
    seconds: float
    series: Series | Approvals
    key: Key | None
    loop: Literal["closed", "open"]
    # Connections of a closed loop; the most that an open loop may need.
    clients: int
    # Acts per second of an open loop; as many requests are built for a closed one.
    rate: int = CLOSED_RATE_MAX
    expected_status: int = 201

    def requests(self) -> list[bytes]:
        count = int(self.seconds * self.rate)
        return [self.series.request(number, host=f"{self.host}:{self.port}", path=self.path, key=self.key) for number in range(count)]


@dataclass(frozen=True, kw_only=True)
class Report:
    """`cpu_share` is the generator's own, of one core: near 1 it measured itself. `late_us_max`: the worst start behind an open loop's plan."""

    answers: int
    seconds: float
    latencies_us: list[int]
    cpu_share: float
    late_us_max: int = 0


@dataclass
class Run:
    """What is under way: the requests left, the answers so far, and how it ends."""

    plan: Plan
    requests: Iterator[bytes]
    latencies_us: list[int] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    idle: deque[Connection] = field(default_factory=deque)
    busy: int = 0
    over: bool = False
    ended: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def open(self) -> None:
        for _ in range(self.plan.clients):
            self.connections.append(await connect(self.plan.host, self.plan.port, answered=self.answered, lost=self.lost))
        self.idle.extend(self.connections)

    def send(self, connection: Connection) -> None:
        request = next(self.requests, None)
        if request is None:
            return self.fail(Unexpected("All requests that were built are used up before the time: build more."))
        self.busy += 1
        connection.send(request)

    def answered(self, connection: Connection, answer: Answer) -> None:
        self.busy -= 1
        try:
            require_status(answer, status=self.plan.expected_status)
        except Unexpected as unexpected:
            return self.fail(unexpected)
        self.latencies_us.append(int(answer.seconds * 1e6))
        if self.plan.loop == "closed" and not self.over:
            return self.send(connection)
        self.idle.append(connection)
        self.end_if_done()

    def lost(self) -> None:
        self.fail(Unexpected("The server ended a connection."))

    def fail(self, reason: Unexpected) -> None:
        self.over = True
        if not self.ended.done():
            self.ended.set_exception(reason)

    def stop(self) -> None:
        self.over = True
        self.end_if_done()

    def end_if_done(self) -> None:
        if self.over and self.busy == 0 and not self.ended.done():
            self.ended.set_result(None)

    def close(self) -> None:
        for connection in self.connections:
            connection.transport.abort()


async def generate(plan: Plan, *, on_start: Callable[[], None] = lambda: None) -> Report:
    """`on_start` is called when everything is built and connected, just before the first act."""
    run = Run(plan=plan, requests=iter(plan.requests()))
    await run.open()
    on_start()
    cpu_s, started_s = sum(os.times()[:2]), time.perf_counter()
    try:
        if plan.loop == "closed":
            late_us_max = 0
            await run_closed(run)
        else:
            late_us_max = await run_open(run, started_s=started_s)
        run.stop()
        await asyncio.wait_for(run.ended, LAST_ANSWERS_LIMIT_S)
        seconds = time.perf_counter() - started_s
    finally:
        run.close()
    return Report(
        answers=len(run.latencies_us),
        seconds=seconds,
        latencies_us=run.latencies_us,
        cpu_share=(sum(os.times()[:2]) - cpu_s) / seconds,
        late_us_max=late_us_max,
    )


async def run_closed(run: Run) -> None:
    while run.idle:
        run.send(run.idle.popleft())
    await asyncio.wait([run.ended], timeout=run.plan.seconds)


async def run_open(run: Run, *, started_s: float) -> int:
    """Returns by how much the worst filing started behind its time, in microseconds."""
    late_s_max = 0.0
    for number in range(int(run.plan.seconds * run.plan.rate)):
        due_s = started_s + number / run.plan.rate
        await asyncio.wait([run.ended], timeout=max(0.0, due_s - time.perf_counter()))
        if run.over:
            break
        if not run.idle:
            run.fail(Unexpected(f"All {run.plan.clients} connections wait for answers: the service does not keep up with {run.plan.rate} a second."))
            break
        late_s_max = max(late_s_max, time.perf_counter() - due_s)
        run.send(run.idle.popleft())
    return int(late_s_max * 1e6)


def plan_from(document: dict[str, Any]) -> Plan:
    key = Key(**document["key"]) if document["key"] else None
    return Plan(**{**document, "series": series_from(document["series"]), "key": key})


def series_from(document: dict[str, Any]) -> Series | Approvals:
    if "filed_on" in document:
        return Series(**{**document, "filed_on": date.fromisoformat(document["filed_on"])})
    return Approvals(**document)


def main() -> None:
    plan = plan_from(json.load(sys.stdin))
    gc.disable()
    try:
        report = uvloop.run(generate(plan, on_start=lambda: print(STARTED, flush=True)))
    except (Unexpected, OSError, TimeoutError) as fault:
        sys.exit(f"No report: {fault or type(fault).__name__}")
    json.dump(asdict(report), sys.stdout)


if __name__ == "__main__":
    main()
