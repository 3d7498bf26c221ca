"""A budget HTTP process of its own behind a wire, which a test may kill -9 and start again within half a second."""

import asyncio
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx

from deploy.local.ports import HOST, choose_port
from services.budget import main as budget
from shared.settings import Settings
from tests.building import settings_of
from tests.chaos.wire import Wire, laid_wire
from tests.runtime import Database

READY_WITHIN_S = 20.0
CALL_LIMIT_S = 30.0
# One process that has imported everything is copied for each start: importing takes a second of a core.
_COPIES = multiprocessing.get_context("forkserver")


@dataclass
class Served:
    """The process, its wire to the database, and a client of it."""

    environment: Mapping[str, str]
    log: Path
    wire: Wire
    client: httpx.AsyncClient
    _process: BaseProcess | None = None

    async def start(self) -> None:
        """A new process at the same address."""
        self.log.touch()
        self._process = _COPIES.Process(target=_serve, args=(dict(self.environment), str(self.log)), daemon=True)
        self._process.start()
        async with asyncio.timeout(READY_WITHIN_S):
            while not await self._is_alive():
                assert self._process.is_alive(), f"the process ended: {self.log.read_text()[-2_000:]}"
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """kill -9; its sessions end with it."""
        assert self._process is not None
        self._process.kill()
        await asyncio.to_thread(self._process.join)
        self.wire.cut()

    async def _is_alive(self) -> bool:
        try:
            return (await self.client.get("/health/live")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


@asynccontextmanager
async def served(database: Database, *, server_port: int, folder: Path, now: datetime) -> AsyncIterator[Served]:
    """Not started yet; at the end nothing of it is left."""
    settings = settings_of("budget", database=database, folder=folder, now=now)
    async with laid_wire(server_port) as wire:
        port = choose_port("BUDGET_PORT")
        # Without kept connections: those of a killed process would fail the next call.
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False, timeout=CALL_LIMIT_S, limits=limits) as client:
            running = Served(_environment(settings, port=port, wire=wire), folder / "log", wire, client)
            try:
                yield running
            finally:
                if running._process is not None:
                    await running.kill()


def _environment(settings: Settings, *, port: int, wire: Wire) -> dict[str, str]:
    who, _, where = settings.database_url.get_secret_value().rpartition("@")
    return {
        "PROFILE": settings.profile.value,
        "DATABASE_URL": f"{who}@{HOST}:{wire.port}/{where.rpartition('/')[2]}",
        "KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "CITY_FILE": str(settings.city_file),
        "CALLERS_FILE": str(settings.callers_file),
        "STAFF_JWKS": str(settings.staff_jwks),
        "STAFF_ISSUER": str(settings.staff_issuer),
        "BUSINESS_CLOCK_FILE": str(settings.business_clock_file),
        "HTTP_PORT": str(port),
    }


def _serve(environment: Mapping[str, str], log: str) -> None:
    """In the new process: what `python -m services.budget.main` does."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ.update(environment)
    with contextlib.suppress(KeyboardInterrupt):
        budget.main()


def _end_with(sentinel: int) -> None:
    """Nothing outlives a test run that was killed."""
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


_COPIES.set_forkserver_preload(["tests.chaos.nursery"])
