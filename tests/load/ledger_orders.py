"""Payment orders over HTTP: approvals one by one by the product's own process, and by a plain one that calls one function a request, in turn."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from deploy.local.ports import HOST, choose_port, retry_when_taken
from deploy.local.stack import DATABASE, READY_LIMIT_S, Stack, is_ready
from deploy.local.supervision import Program
from deploy.postgres.roles import password_variable
from tests.load import yardstick_orders
from tests.load.approvals import Approvals
from tests.load.figures import Bar, Figure, percentile
from tests.load.filing import CLIENTS, WORKERS, check, generate
from tests.load.generator import CLOSED_RATE_MAX, Plan, Report
from tests.load.ledger import Bench, appropriate_plenty, check_chain, fresh_books, readd, value
from tests.load.ledger_fill import filled
from tests.load.processes import Shares

SERVICE = "budget"
WARM_UP_S = 1.0
RATIO = Bar(value=1.3, sense="at least")
YARDSTICK = "yardstick-orders"
_APPROVED = """
SELECT count(*) FROM budget.journal j JOIN budget.payment_order o ON o.bank_reference = j.voucher
JOIN budget.outbox e ON e.key = o.application_id::text
WHERE j.kind = 'order' AND j.outcome = 'posted' AND o.state = 'in_transit' AND e.headers ->> 'ce_type' = 'budget.payment_ordered.v1'
"""


@dataclass
class Target:
    """One of the two services, its books, and how many of the orders in them are approved."""

    name: str
    url: str
    path: str
    bench: Bench
    token: str | None
    approved: int = 0


@dataclass(frozen=True, kw_only=True)
class Round:
    report: Report
    shares: Shares


async def measure(stack: Stack, *, seconds: float, rounds: int) -> list[Figure]:
    """The workers rest meanwhile, and are not needed any more: what is announced here is about cases that nobody else knows."""
    await stack.stop(*WORKERS)
    orders = int(CLOSED_RATE_MAX * (WARM_UP_S + rounds * seconds))
    async with fresh_books(stack, name="ledger_orders") as books:
        ours = await our_target(stack, orders=orders)
        yardstick = await start_yardstick(stack, bench=await filled(books, rows=orders, with_orders=True))
        try:
            for target in (ours, yardstick):
                await one_round(stack, target=target, seconds=min(WARM_UP_S, seconds), name=f"{target.name}-warm")
            of_ours, of_yardstick = [], []
            for number in range(rounds):
                of_ours.append(await one_round(stack, target=ours, seconds=seconds, name=f"{ours.name}-{number}"))
                of_yardstick.append(await one_round(stack, target=yardstick, seconds=seconds, name=f"{yardstick.name}-{number}"))
        finally:
            await stack.supervisor.remove(YARDSTICK)
    return figures_of(of_ours, of_yardstick)


async def our_target(stack: Stack, *, orders: int) -> Target:
    """The running product itself."""
    password = stack.passwords[password_variable(SERVICE)]
    url = stack.postgres.url(role=SERVICE, password=password, database=DATABASE, driver="postgresql+asyncpg")
    books = Bench(admin_url=stack.postgres.admin_url(DATABASE), budget_url=url)
    await appropriate_plenty(books)
    return Target(
        name="orders",
        url=stack.urls[SERVICE],
        path="/v1/payment-orders/{order_id}:approve",
        bench=await filled(books, rows=orders, with_orders=True),
        token=stack.issuer.token("load-approver", name="load", roles=["money-approver"], jurisdictions=["*"]),
    )


async def start_yardstick(stack: Stack, *, bench: Bench) -> Target:
    """Under the same supervisor, on the same PostgreSQL, as the same role."""

    async def attempt() -> Target:
        port = choose_port("YARDSTICK_PORT")
        url = f"http://{HOST}:{port}"
        environment = {"YARDSTICK_DATABASE_URL": bench.budget_url.replace("+asyncpg", ""), "YARDSTICK_PORT": str(port)}
        module = yardstick_orders.__name__
        program = Program(slot=YARDSTICK, command=[sys.executable, "-m", module], environment=environment)
        await stack.supervisor.run(program, ready=partial(is_ready, stack.probes, url), limit_s=READY_LIMIT_S)
        return Target(name="yardstick-orders", url=url, path=yardstick_orders.PATH, bench=bench, token=None)

    return await retry_when_taken(attempt)


async def one_round(stack: Stack, *, target: Target, seconds: float, name: str) -> Round:
    """Approve the next orders. Raises NoMeasurement when they are not all there, or the books do not re-add."""
    address = urlsplit(target.url)
    assert address.hostname is not None
    assert address.port is not None
    plan = Plan(
        host=address.hostname,
        port=address.port,
        path=target.path,
        seconds=seconds,
        series=Approvals(name=name, first=target.approved + 1, token=target.token),
        key=None,
        loop="closed",
        clients=CLIENTS,
        expected_status=200,
    )
    report, shares = await generate(plan, stack=stack)
    made = await approved(target.bench) - target.approved
    check(report, made=made, name=name, what="approvals were answered with 200")
    target.approved += made
    await readd(target.bench, name=name)
    await check_chain(target.bench, name=name)
    return Round(report=report, shares=shares)


async def approved(bench: Bench) -> int:
    """Entries of orders that are on their way and announced."""
    return await value(bench, _APPROVED)


def figures_of(ours: Sequence[Round], yardstick: Sequence[Round]) -> list[Figure]:
    each_round = ", ".join(f"{rate([one]):.0f} against {rate([other]):.0f}" for one, other in zip(ours, yardstick, strict=True))
    latencies_ms = [microseconds / 1_000 for each in ours for microseconds in each.report.latencies_us]
    limit = limited_by(ours[-1], part=f"{SERVICE}-http")
    return [
        Figure(
            name="ledger_http_ratio",
            value=round(rate(ours) / rate(yardstick), 2),
            unit="ratio",
            bar=RATIO,
            limited_by=f"{each_round} a second; ours: {limit}; yardstick: {limited_by(yardstick[-1], part=yardstick_orders.__name__)}",
        ),
        Figure(name="ledger_http_orders_per_s", value=round(rate(ours), 1), unit="1/s", bar=None, limited_by=limit),
        Figure(
            name="ledger_http_p99_ms", value=round(percentile(latencies_ms, 0.99), 1), unit="ms", bar=None, limited_by=f"{CLIENTS} clients in line"
        ),
    ]


def rate(rounds: Sequence[Round]) -> float:
    return sum(each.report.answers for each in rounds) / sum(each.report.seconds for each in rounds)


def limited_by(last: Round, *, part: str) -> str:
    return f"the one HTTP process has {last.shares.of(part):.0%} of a core; {last.shares.sentence()}, generator {last.report.cpu_share:.0%}"
