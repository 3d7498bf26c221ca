"""The whole product on one machine: PostgreSQL, Kafka and the processes of the four services, until the caller is done."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from deploy.kafka.topics import declare_topics
from deploy.local import credentials, folders, kafka, postgres
from deploy.local.callers import callers_in
from deploy.local.folders import ROOT, write_private
from deploy.local.issuer import Issuer, issuer_in
from deploy.local.ports import HOST, choose_port, retry_when_taken
from deploy.local.supervision import Program, Supervisor, end_leftovers, running_supervisor
from deploy.postgres.migrate import migrate, owner_urls
from deploy.postgres.roles import ROLES, SERVICES, create_database, declare_roles, password_variable

DATABASE = "support"
CITY_FILE = ROOT / "deploy" / "city.toml"
READY_LIMIT_S = 60.0
PROBE_LIMIT_S = 2.0
# Longer than the services' own drain of 20 s.
SERVICE_STOP_WAIT_S = 25
HTTP, WORKER = "http", "worker"
# The policy's last year: filing is open, the National Day holiday lies ahead.
BUSINESS_START = datetime.fromisoformat("2025-09-01T09:00:00+08:00")
BUSINESS_END = datetime.fromisoformat("2025-10-01T00:00:00+08:00")


@dataclass
class Stack:
    """A running product. Slots are `registry-http`, `registry-worker`, …, `postgres`, `kafka`."""

    folder: Path
    supervisor: Supervisor
    postgres: postgres.Postgres
    kafka: kafka.Kafka
    passwords: Mapping[str, str]
    callers: Mapping[str, dict[str, Any]]
    issuer: Issuer
    probes: httpx.AsyncClient
    # Address by service, of its HTTP process and of its worker's probes.
    urls: dict[str, str] = field(default_factory=dict)
    worker_urls: dict[str, str] = field(default_factory=dict)
    # PORTAL_URL and PORTAL_TOKEN of notifications.
    portal: Mapping[str, str] = field(default_factory=dict)
    partitions: int | None = None

    @property
    def bootstrap(self) -> str:
        return self.kafka.bootstrap

    @property
    def business_clock_file(self) -> Path:
        return self.folder / "business_clock.json"

    def database_url(self, role: str) -> str:
        """For asyncpg; `postgres` is the superuser."""
        if role == postgres.ADMIN:
            return self.postgres.admin_url(DATABASE)
        return self.postgres.url(role=role, password=self.passwords[password_variable(role)], database=DATABASE)

    def move_business_clock(self, to: datetime) -> None:
        """From now on the services' business clock says `to`, and goes on from there."""
        offset_s = int((to - datetime.now(to.tzinfo)) / timedelta(seconds=1))
        write_private(self.business_clock_file, json.dumps({"offset_seconds": offset_s}))

    def business_now(self) -> datetime:
        offset_s = json.loads(self.business_clock_file.read_text(encoding="utf-8"))["offset_seconds"]
        return datetime.now(BUSINESS_START.tzinfo) + timedelta(seconds=offset_s)

    async def wait_until_ready(self, slot: str) -> None:
        """Wait for a process that was killed or thawed to be ready again."""
        await self.supervisor.wait_until_ready(slot, ready=self._probe(slot), limit_s=READY_LIMIT_S)

    async def stop(self, *slots: str) -> None:
        """Stop processes until they are started again; each drains first."""
        await self.supervisor.stop(*slots)

    async def start_again(self, slot: str) -> None:
        await self.supervisor.start(slot, ready=self._probe(slot), limit_s=READY_LIMIT_S)

    async def kill(self, slot: str) -> None:
        """kill -9; the supervisor starts it again at once, at the same address."""
        await self.supervisor.signal(slot, "KILL")

    async def freeze(self, slot: str) -> None:
        await self.supervisor.signal(slot, "STOP")

    async def thaw(self, slot: str) -> None:
        await self.supervisor.signal(slot, "CONT")

    async def start_process(self, slot: str) -> None:
        """Start a process of a service on a free port and wait until it is ready; its address is in `urls` or `worker_urls` then."""

        async def attempt() -> None:
            service, _, kind = slot.partition("-")
            port = choose_port(f"{service.upper()}_PORT" if kind == HTTP else f"{service.upper()}_WORKER_PORT")
            (self.urls if kind == HTTP else self.worker_urls)[service] = f"http://{HOST}:{port}"
            await self.supervisor.run(self._program(slot, port=port), ready=self._probe(slot), limit_s=READY_LIMIT_S)

        await retry_when_taken(attempt)

    def _probe(self, slot: str) -> Callable[[], Awaitable[bool]]:
        if slot == "postgres":
            return self.postgres.accepts
        if slot == "kafka":
            return self.kafka.answers
        service, _, kind = slot.partition("-")
        return partial(is_ready, self.probes, (self.urls if kind == HTTP else self.worker_urls)[service])

    def _program(self, slot: str, *, port: int) -> Program:
        service, _, kind = slot.partition("-")
        module = f"services.{service}.{'main' if kind == HTTP else 'worker'}"
        environment = {**self._environment(service), "SLOT": slot, "HTTP_PORT" if kind == HTTP else "WORKER_PORT": str(port)}
        return Program(slot=slot, command=[sys.executable, "-m", module], environment=environment, stop_wait_s=SERVICE_STOP_WAIT_S)

    def _environment(self, service: str) -> dict[str, str]:
        url = self.postgres.url(role=service, password=self.passwords[password_variable(service)], database=DATABASE, driver="postgresql+asyncpg")
        return {
            "PROFILE": "local",
            "DATABASE_URL": url,
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "KAFKA_PREFIX": "",
            **({"PARTITIONS": str(self.partitions)} if self.partitions else {}),
            "CITY_FILE": str(CITY_FILE),
            "BUSINESS_CLOCK_FILE": str(self.business_clock_file),
            "CALLERS_FILE": str(self.folder / "callers.json"),
            "STAFF_JWKS": str(self.issuer.jwks_file),
            "STAFF_ISSUER": self.issuer.name,
            **(self.portal if service == "notifications" else {}),
        }


@asynccontextmanager
async def running_stack(
    profile: str,
    *,
    durable: bool = True,
    partitions: int | None = None,
    portal: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Stack]:
    """Everything started and ready, on the data that the profile's last run left; at the end everything is stopped.

    `tell` gets one line a step. A port is a free one unless the environment names it:
    POSTGRES_PORT, KAFKA_PORT, REGISTRY_PORT, REGISTRY_WORKER_PORT, …
    """
    say = timed(tell)
    slots = [f"{service}-{kind}" for service in SERVICES for kind in (HTTP, WORKER)]
    with folders.held(folders.profile_folder(profile)) as folder:
        async with running_supervisor(folder) as supervisor, httpx.AsyncClient(trust_env=False, timeout=PROBE_LIMIT_S) as probes:
            stack = await start_stores(supervisor, probes=probes, durable=durable, partitions=partitions, tell=say)
            stack.portal = portal or {}
            await together(*(start_and_tell(stack, slot, tell=say) for slot in slots))
            yield stack


def forget(profile: str) -> None:
    """Remove what the profile's last run left, so that the next one starts from nothing."""
    with folders.held(folders.profile_folder(profile)) as folder:
        end_leftovers(folder)
        folders.empty_folder(folder)


async def start_stores(
    supervisor: Supervisor, *, probes: httpx.AsyncClient, durable: bool, partitions: int | None, tell: Callable[[str], None]
) -> Stack:
    """PostgreSQL migrated and Kafka with its topics, side by side; and the files that the services read."""
    folder = supervisor.folder
    callers, issuer = callers_in(folder, city_file=CITY_FILE), issuer_in(folder)
    server, broker = await together(
        start_postgres(supervisor, durable=durable, tell=tell),
        start_kafka(supervisor, partitions=partitions, tell=tell),
    )
    stack = Stack(
        folder=folder,
        supervisor=supervisor,
        postgres=server,
        kafka=broker,
        passwords=stored_passwords(folder),
        callers=callers,
        issuer=issuer,
        probes=probes,
        partitions=partitions,
    )
    if not stack.business_clock_file.exists() or not BUSINESS_START <= stack.business_now() < BUSINESS_END:
        stack.move_business_clock(BUSINESS_START)
    return stack


def stored_passwords(folder: Path) -> dict[str, str]:
    return credentials.passwords(folder, names=["POSTGRES_PASSWORD", *(password_variable(role) for role in ROLES)])


async def start_postgres(supervisor: Supervisor, *, durable: bool, tell: Callable[[str], None]) -> postgres.Postgres:
    passwords = stored_passwords(supervisor.folder)
    server = await postgres.start(supervisor, password=passwords["POSTGRES_PASSWORD"], durable=durable)
    tell("PostgreSQL answers")
    await create_database(server.admin_url(), name=DATABASE)
    await declare_roles(server.admin_url(DATABASE), passwords=passwords)
    await migrate(owner_urls(host=HOST, port=server.port, database=DATABASE, passwords=passwords))
    tell("roles and migrations are in place")
    return server


async def start_kafka(supervisor: Supervisor, *, partitions: int | None, tell: Callable[[str], None]) -> kafka.Kafka:
    broker = await kafka.start(supervisor)
    tell("Kafka answers")
    await declare_topics(broker.bootstrap, prefix="", partitions=partitions)
    tell("topics are declared")
    return broker


async def start_and_tell(stack: Stack, slot: str, *, tell: Callable[[str], None]) -> None:
    await stack.start_process(slot)
    tell(f"{slot} is ready")


async def is_ready(probes: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await probes.get(f"{url}/health/ready")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


async def together(*steps: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run steps side by side; the first that fails ends the others and is raised by itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(step) for step in steps]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def timed(tell: Callable[[str], None]) -> Callable[[str], None]:
    started_s = time.monotonic()
    return lambda line: tell(f"{time.monotonic() - started_s:5.1f} s  {line}")
