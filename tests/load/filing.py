"""Filing under load: ours and the yardstick in turn, each round counted against the rows that it made."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from deploy.clients.client import StaffClient
from deploy.local.folders import ROOT
from deploy.local.ports import HOST, choose_port, retry_when_taken
from deploy.local.stack import READY_LIMIT_S, Stack, is_ready
from deploy.local.supervision import Program
from deploy.postgres.roles import SERVICES
from tests.load import rows
from tests.load.figures import Bar, Figure, NoMeasurement, percentile
from tests.load.generator import STARTED, Plan, Report
from tests.load.processes import Shares, usage
from tests.load.series import APPLICANTS, Key, Series

SERVICE = "applications"
CLIENTS = 32
WARM_UP_S = 1.5
WITH_WORKERS_S = 3.0
WORKERS = tuple(f"{service}-worker" for service in SERVICES)
GENERATOR_CPU_SHARE_MAX = 0.6
# A generator's own time besides its plan: interpreter, building and signing the requests, the last answers.
GENERATOR_LIMIT_S = 60.0
ITEM = "2023-15/4a"
RATIO = Bar(value=1.5, sense="at least")


@dataclass(frozen=True, kw_only=True)
class Target:
    """`path` takes the filing; with a key it is signed."""

    name: str
    url: str
    path: str
    is_signed: bool


@dataclass(frozen=True, kw_only=True)
class Round:
    target: Target
    report: Report
    shares: Shares


async def measure(stack: Stack, *, connection: asyncpg.Connection, seconds: float, rounds: int) -> list[Figure]:
    """One HTTP process against the other, interleaved, so that whatever else the machine does meets both.

    The workers rest meanwhile, because the yardstick has none; a first round of ours has them at work beside it on the same cores.
    """
    ours = Target(name="filing", url=stack.urls[SERVICE], path="/v1/applications", is_signed=True)
    yardstick = await start_yardstick(stack)
    whole = await one_round(stack, connection=connection, target=ours, seconds=min(WITH_WORKERS_S, seconds), name="filing-with-workers")
    await rows.wait_until_quiet(connection)
    await stack.stop(*WORKERS)
    for target in (ours, yardstick):
        await one_round(stack, connection=connection, target=target, seconds=min(WARM_UP_S, seconds), name=f"{target.name}-warm")
    measured = [
        await one_round(stack, connection=connection, target=target, seconds=seconds, name=f"{target.name}-{number}")
        for number in range(rounds)
        for target in (ours, yardstick)
    ]
    await stack.supervisor.remove("yardstick")
    await asyncio.gather(*(stack.start_again(slot) for slot in WORKERS))
    of_ours, of_yardstick = ([each for each in measured if each.target is target] for target in (ours, yardstick))
    return [*figures_of(of_ours), *figures_of(of_yardstick), ratio(of_ours, of_yardstick), with_workers(whole)]


async def one_round(stack: Stack, *, connection: asyncpg.Connection, target: Target, seconds: float, name: str) -> Round:
    address = urlsplit(target.url)
    assert address.hostname is not None
    assert address.port is not None
    plan = Plan(
        host=address.hostname,
        port=address.port,
        path=target.path,
        seconds=seconds,
        series=series(stack, name=name),
        key=key(stack) if target.is_signed else None,
        loop="closed",
        clients=CLIENTS,
    )
    report, shares = await generate(plan, stack=stack)
    made = await rows.filed(connection, series=name, is_yardstick=not target.is_signed)
    check(report, made=made, name=name)
    return Round(target=target, report=report, shares=shares)


def check(report: Report, *, made: int, name: str, what: str = "filings were answered with 201") -> None:
    if made != report.answers:
        raise NoMeasurement(f"{name}: {report.answers} {what}, but the database has {made}.")
    if report.cpu_share > GENERATOR_CPU_SHARE_MAX:
        raise NoMeasurement(f"{name}: the generator used {report.cpu_share:.0%} of a core, so it may have measured itself.")


async def generate(plan: Plan, *, stack: Stack) -> tuple[Report, Shares]:
    """Run a plan in a process of its own, and watch what the stack uses from its first filing to its last; secrets go by its standard input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.load.generator",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(plan.seconds + GENERATOR_LIMIT_S):
            report, shares = await watch(process, plan=plan, stack=stack)
    except TimeoutError as late:
        raise NoMeasurement(f"{plan.series.name}: the generator did not end by itself.") from late
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return report, shares


async def watch(process: asyncio.subprocess.Process, *, plan: Plan, stack: Stack) -> tuple[Report, Shares]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(asdict(plan), default=str).encode())
    process.stdin.write_eof()
    started = await process.stdout.readline()
    before = usage(stack)
    out, err = await process.communicate()
    shares = usage(stack).since(before)
    if started.decode().strip() != STARTED or process.returncode != 0:
        raise NoMeasurement(f"{plan.series.name}: {err.decode(errors='replace').strip()[-1_000:]}")
    return Report(**json.loads(out)), shares


def series(stack: Stack, *, name: str) -> Series:
    return Series(name=name, item_id=ITEM, jurisdiction_id=district(stack)["jurisdictions"][0], filed_on=stack.business_now().date())


def key(stack: Stack) -> Key:
    caller = district(stack)
    return Key(audience=SERVICE, app_key=caller["app_key"], secret=caller["secrets"][0], timestamp_s=int(time.time()))


def district(stack: Stack) -> dict[str, Any]:
    return next(caller for caller in stack.callers.values() if caller["kind"] == "district")


async def start_yardstick(stack: Stack) -> Target:
    """Under the same supervisor, on the same PostgreSQL."""

    async def attempt() -> Target:
        port = choose_port("YARDSTICK_PORT")
        url = f"http://{HOST}:{port}"
        environment = {
            "YARDSTICK_DATABASE_URL": stack.database_url("postgres").replace("postgresql://", "postgresql+asyncpg://", 1),
            "YARDSTICK_PORT": str(port),
        }
        program = Program(slot="yardstick", command=[sys.executable, "-m", "tests.load.yardstick"], environment=environment)
        await stack.supervisor.run(program, ready=partial(is_ready, stack.probes, url), limit_s=READY_LIMIT_S)
        return Target(name="yardstick", url=url, path="/applications", is_signed=False)

    return await retry_when_taken(attempt)


async def register_applicants(stack: Stack) -> None:
    """As a registrar does, so that filing finds them; one at a time, because nothing is measured yet."""
    token = stack.issuer.token("bench-registrar", name="bench", roles=["registrar"], jurisdictions=["*"])
    async with StaffClient(stack.urls["registry"], token=token) as registrar:
        for uscc in APPLICANTS:
            particulars = {"kind": "enterprise", "name": f"示例机构{uscc}", "jurisdiction_id": district(stack)["jurisdictions"][0]}
            await registrar.post("/v1/organisations", json={"uscc": uscc, **particulars})


def rate(rounds: Sequence[Round]) -> float:
    return sum(each.report.answers for each in rounds) / sum(each.report.seconds for each in rounds)


def figures_of(rounds: Sequence[Round]) -> list[Figure]:
    name = rounds[0].target.name
    latencies_ms = [microseconds / 1_000 for each in rounds for microseconds in each.report.latencies_us]
    limit = limited_by(rounds)
    return [
        Figure(name=f"{name}_requests_per_s", value=round(rate(rounds), 1), unit="/s", bar=None, limited_by=limit),
        Figure(name=f"{name}_p50_ms", value=round(percentile(latencies_ms, 0.5), 1), unit="ms", bar=None, limited_by=f"{CLIENTS} clients in line"),
        Figure(name=f"{name}_p99_ms", value=round(percentile(latencies_ms, 0.99), 1), unit="ms", bar=None, limited_by=f"{CLIENTS} clients in line"),
    ]


def with_workers(whole: Round) -> Figure:
    """The same route while relay, consumers and the told messages take their share of the machine."""
    value = round(rate([whole]), 1)
    return Figure(name="filing_with_workers_requests_per_s", value=value, unit="/s", bar=None, limited_by=limited_by([whole]))


def ratio(ours: Sequence[Round], yardstick: Sequence[Round]) -> Figure:
    each_round = ", ".join(f"{rate([one]) / rate([other]):.2f}" for one, other in zip(ours, yardstick, strict=True))
    value = rate(ours) / rate(yardstick)
    return Figure(
        name="filing_ratio_to_yardstick", value=round(value, 2), unit="×", bar=RATIO, limited_by=f"by round {each_round}; ours: {limited_by(ours)}"
    )


def limited_by(rounds: Sequence[Round]) -> str:
    """The last round's CPU: a Python process near a whole core is the limit itself, otherwise the machine is."""
    last = rounds[-1]
    part = f"{SERVICE}-http" if last.target.is_signed else "tests.load.yardstick"
    full = f"the one HTTP process has {last.shares.of(part):.0%} of a core"
    return f"{full}; {last.shares.sentence()}, generator {last.report.cpu_share:.0%}"
