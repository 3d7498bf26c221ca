"""The whole product on one machine: PostgreSQL, Kafka and the processes of the four services, until the caller is done."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from deploy.kafka.topics import declare_topics
from deploy.local import credentials, folders, kafka, postgres
from deploy.local.callers import callers_in
from deploy.local.folders import ROOT, write_private
from deploy.local.issuer import Issuer, issuer_in
from deploy.local.ports import HOST, choose_port, retry_when_taken
from deploy.local.supervision import Program, Supervisor, running_supervisor
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
    # Address by service, of its HTTP process and of its worker's probes.
    urls: dict[str, str] = field(default_factory=dict)
    worker_urls: dict[str, str] = field(default_factory=dict)
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
        """Wait for a process that was stopped or killed to be ready again."""
        await self.supervisor.wait_until_ready(slot, ready=self._probe(slot), limit_s=READY_LIMIT_S)

    async def start_process(self, slot: str) -> None:
        """Start a process of a service on a free port and wait until it is ready; its address is in `urls` or `worker_urls` then."""

        async def attempt() -> None:
            service, _, kind = slot.partition("-")
            port = choose_port(f"{service.upper()}_PORT" if kind == HTTP else f"{service.upper()}_WORKER_PORT")
            (self.urls if kind == HTTP else self.worker_urls)[service] = f"http://{HOST}:{port}"
            await self.supervisor.run(self._program(slot, port=port), ready=self._probe(slot), limit_s=READY_LIMIT_S)

        await retry_when_taken(attempt)

    def _probe(self, slot: str) -> "ReadyProbe":
        if slot == "postgres":
            return self.postgres.accepts
        if slot == "kafka":
            return self.kafka.answers
        service, _, kind = slot.partition("-")
        return partial(is_ready, (self.urls if kind == HTTP else self.worker_urls)[service])

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
