"""A worker as a real process: it is ready when it hears, ends in order when it is told to, and with a fault when a part of it fails."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from tests.integration.shared.edge import until
from tests.integration.shared.mechanism import CITY_FILE, ONE, Pair, organisation
from tests.integration.shared.test_edge_process import answers, free_port

END_LIMIT_S = 20


@contextlib.asynccontextmanager
async def worker(pair: Pair, *, log: Path) -> AsyncIterator[Process]:
    """The worker of applications, once its consumer has joined the group."""
    port = free_port()
    environment = {
        **os.environ,
        "PROFILE": "test",
        "DATABASE_URL": pair.database.sqlalchemy_url("applications"),
        "KAFKA_BOOTSTRAP": pair.topics.bootstrap,
        "KAFKA_PREFIX": pair.topics.prefix,
        "CITY_FILE": str(CITY_FILE),
        "WORKER_PORT": str(port),
        "SLOT": "applications-worker",
    }
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.applications.worker", env=environment, stdout=out, stderr=out)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await until(lambda: answers(client), within_s=40)
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_worker_hears_and_ends_in_order_when_it_is_told_to(pair: Pair, tmp_path: Path) -> None:
    async with worker(pair, log=tmp_path / "log") as process, pair.relaying():
        await pair.announce(organisation(ONE, version=1))
        await pair.until("SELECT count(*) = 1 FROM applications.known_organisation")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(END_LIMIT_S):
            code = await process.wait()

    assert code == 0
    assert "worker_ends" not in (tmp_path / "log").read_text()


async def test_a_worker_whose_relay_lost_the_lead_ends_with_a_fault_to_be_started_anew(pair: Pair, tmp_path: Path) -> None:
    async with worker(pair, log=tmp_path / "log") as process:
        await pair.until("SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'relay applications-worker'")
        await pair.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relay applications-worker'")
        async with asyncio.timeout(END_LIMIT_S):
            code = await process.wait()

    assert code == 1
    assert "worker_ends" in (tmp_path / "log").read_text()
