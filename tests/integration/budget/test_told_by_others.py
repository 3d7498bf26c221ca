"""What the registry and applications tell, over the real broker: nothing but events lies between their HTTP and the budget's evidence."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.applications.worker import consumer as applications_consumer
from services.budget.worker import consumer as budget_consumer
from shared import city, relay
from shared.consumer import Consuming
from shared.inbox import Consumer
from shared.live import Live, open_live
from shared.settings import Settings
from tests.building import CITY_FILE, client_for, fetch, move_business_clock, settings_of
from tests.integration.applications.callers import CITY_REVIEWER, FINANCE, HUANCUI, JOINT_REVIEWER, SYSTEMS, filing
from tests.integration.applications.desk import AMOUNT_FEN, Desk
from tests.integration.budget.acting import Case, appropriate, approved_order, bank_says, enter_account, paid_row
from tests.integration.budget.test_evidence import pack, rows_of
from tests.integration.budget.test_suspicions import ENDED, SAME_INVOICE
from tests.integration.registry.callers import DISTRICT, HUANCUI_USCC, PLAIN, REGISTRAR, permit, register, registration
from tests.integration.shared.edge import until
from tests.integration.shared.mechanism import running
from tests.runtime import Database, Topics

SERVICES = ("registry", "applications", "budget")
INVOICES = [{"number": "25379900000000000017"}]
MINUTES = "联审纪要〔2025〕9号"


@dataclass(frozen=True)
class Service:
    """One service in this process: its HTTP, and what its worker has."""

    client: httpx.AsyncClient
    live: Live
    folder: Path


@contextlib.asynccontextmanager
async def service(name: str, *, database: Database, topics: Topics, folder: Path, consumes: Consumer | None) -> AsyncIterator[Service]:
    systems = {"registry": (DISTRICT, PLAIN), "applications": SYSTEMS}.get(name, ())
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(client_for(name, database=database, folder=folder, systems=systems))
        settings = worker_settings(name, database=database, topics=topics, folder=folder, systems=systems)
        live = open_live(settings)
        await stack.enter_async_context(live.running())
        await stack.enter_async_context(running(relay.run(settings)))
        if consumes is not None:
            await stack.enter_async_context(running(Consuming(settings=settings, database=live.database, consumer=consumes).run()))
        yield Service(client, live, folder)


def worker_settings(name: str, *, database: Database, topics: Topics, folder: Path, systems: Any = ()) -> Settings:
    broker = {"kafka_bootstrap": topics.bootstrap, "kafka_prefix": topics.prefix, "slot": f"{name}-worker"}
    return settings_of(name, database=database, folder=folder, systems=systems).model_copy(update=broker)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A folder a service: each has its callers and its clock there."""
    for name in SERVICES:
        (tmp_path / name).mkdir()
    return tmp_path


@dataclass(frozen=True)
class Three:
    registry: Service
    applications: Service
    budget: Service
    database: Database

    def move_clocks(self, moment: str) -> None:
        for each in (self.registry, self.applications, self.budget):
            move_business_clock(each.folder, datetime.fromisoformat(moment))

    async def wait(self, service: str, query: str, *arguments: object) -> None:
        """Until `query` answers true."""

        async def answered() -> bool:
            return bool((await fetch(self.database, query, *arguments, service=service))[0][0])

        await until(answered, within_s=30)


@pytest.fixture
async def three(database: Database, topics: Topics, folders: Path) -> AsyncIterator[Three]:
    async with contextlib.AsyncExitStack() as stack:
        opened = {}
        here = city.load(CITY_FILE)
        for name, consumes in zip(SERVICES, (None, applications_consumer(here), budget_consumer(here)), strict=True):
            opened[name] = await stack.enter_async_context(service(name, database=database, topics=topics, folder=folders / name, consumes=consumes))
        yield Three(**opened, database=database)


async def confirmed_cases(three: Three, *, count: int) -> list[Case]:
    """Filed, reviewed with minutes, funded by the budget, announced and confirmed; known to the budget as payable."""
    desk = Desk(client=three.applications.client, database=three.database, folder=three.applications.folder, live=three.applications.live)
    await three.wait("applications", "SELECT count(*) = 1 FROM known_permit")
    ids = [(await desk.file(filing(f"row-{n}", invoices=INVOICES)))["application_id"] for n in range(count)]
    await desk.approve(ids, "acceptance", auth=HUANCUI, officer="hc-0001")
    await desk.approve(ids, "district", auth=HUANCUI, officer="hc-0002")
    await desk.approve(ids, "city", auth=CITY_REVIEWER)
    for side in (FINANCE, JOINT_REVIEWER):
        await desk.approve(ids, "joint", auth=side, amount_fen=AMOUNT_FEN, minutes_number=MINUTES)
    await three.wait("applications", "SELECT count(*) = $1 FROM application WHERE state = 'funded'", count)
    opened = await desk.open_notice(*ids)
    three.move_clocks(f"{opened['closes_on']}T12:00:00+08:00")
    await desk.close_notices()
    await three.wait("budget", "SELECT count(*) = $1 FROM payable", count)
    rows = await fetch(three.database, "SELECT application_id, proposal_id, amount_fen FROM payable ORDER BY application_id", service="budget")
    return [Case(**row) for row in rows]


async def test_an_end_an_invoice_and_minutes_reach_the_evidence_by_events_alone(three: Three, tmp_path: Path) -> None:
    registry, budget = three.registry.client, three.budget.client
    await registry.post("/v1/organisations:import", json={"rows": [registration(institution=permit())]}, auth=REGISTRAR)
    await appropriate(budget, 100_000_000)
    cases = await confirmed_cases(three, count=2)
    for case in cases:
        await enter_account(budget, case)
        await bank_says(budget, paid_row(await approved_order(budget, case), settled_on=three.budget.live.now().on.isoformat()))
    ended_on = three.registry.live.now().on.isoformat()

    ended = await registry.post(
        f"/v1/organisations/{HUANCUI_USCC}:end", json={"cause": "dissolved", "ended_on": ended_on}, headers={"If-Match": '"1"'}, auth=REGISTRAR
    )
    await three.wait("budget", "SELECT count(ended_on) = 1 FROM known_organisation")

    assert ended.status_code == 200, ended.text
    folder = await pack(budget, folder=tmp_path)
    awards = {row["application_id"]: row for row in rows_of(folder, "awards.csv")}
    found = [(row["疑点"], row["对象"], row["情况"]) for row in rows_of(folder, "suspicions.csv")]
    numbers = sorted(row["case_number"] for row in awards.values())
    assert {row["minutes_number"] for row in awards.values()} == {MINUTES}
    assert {UUID(each) for each in awards} == {case.application_id for case in cases}
    assert sorted(subject for rule, subject, _ in found if rule == ENDED) == numbers
    assert {finding for rule, _, finding in found if rule == ENDED} == {f"{ended_on}付款，单位于{ended_on}终止（解散）"}
    assert [finding for rule, _, finding in found if rule == SAME_INVOICE] == ["、".join(numbers)]
    assert await fetch(three.database, "SELECT reason, detail FROM parked", service="budget") == []


async def test_a_budget_that_read_no_registry_before_begins_with_its_first_event(database: Database, topics: Topics, folders: Path) -> None:
    async with service("registry", database=database, topics=topics, folder=folders / "registry", consumes=None) as registry:
        await register(registry.client)
        await until(lambda: nothing_waits(database), within_s=30)
    settings = worker_settings("budget", database=database, topics=topics, folder=folders / "budget")
    live = open_live(settings)
    now = budget_consumer(live.city)
    of_applications = {name: each for name, each in now.handlers.items() if name.startswith("applications.")}
    before = replace(now, topics=("applications.events",), handlers=of_applications)
    async with live.running():
        stopped = Consuming(settings=settings, database=live.database, consumer=before)
        async with running(stopped.run()):
            await until(lambda: holds(stopped, partitions=topics.partitions), within_s=30)

        started = Consuming(settings=settings, database=live.database, consumer=now)
        async with running(started.run()):
            await until(lambda: holds(started, partitions=2 * topics.partitions), within_s=30)
            await until(lambda: knows_one(database), within_s=30)


async def nothing_waits(database: Database) -> bool:
    return bool((await fetch(database, "SELECT count(*) = 0 FROM outbox", service="registry"))[0][0])


async def holds(consuming: Consuming, *, partitions: int) -> bool:
    return consuming.started.is_set() and len(consuming.client.assignment()) == partitions


async def knows_one(database: Database) -> bool:
    return bool((await fetch(database, "SELECT count(*) = 1 FROM known_organisation", service="budget"))[0][0])
