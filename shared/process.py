"""The two kinds of process that a service is: an HTTP server, and a worker (relay, consumer, due jobs)."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Sequence

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared import relay
from shared.consumer import Consuming
from shared.inbox import Consumer
from shared.jobs import PRUNE, Job, run_jobs
from shared.live import Live
from shared.settings import Settings

log = structlog.get_logger()

DRAIN_S = 20


def serve(app: FastAPI, settings: Settings) -> None:
    """Answer until SIGTERM, then finish what was accepted and leave."""
    _set_apart_what_stays()
    uvicorn.run(
        app,
        host=settings.http_host,
        port=settings.http_port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
        backlog=2048,
    )


def work(live: Live, *, consumer: Consumer | None, jobs: Sequence[Job] = ()) -> None:
    """Run the worker until SIGTERM. Any fault of a part ends the process; the supervisor starts it anew."""
    _set_apart_what_stays()
    uvloop.run(_work(live, consumer=consumer, jobs=jobs))


def _set_apart_what_stays() -> None:
    """Modules, models and routes stay for good: a full collection went over all of them and stopped everything for 100 ms, twice a second."""
    gc.collect()
    gc.freeze()


async def _work(live: Live, *, consumer: Consumer | None, jobs: Sequence[Job]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    consuming = Consuming(settings=live.settings, database=live.database, consumer=consumer) if consumer else None
    async with live.running(), _probes(live.settings, consuming):
        tasks = [asyncio.create_task(relay.run(live.settings)), asyncio.create_task(run_jobs(live, (*jobs, PRUNE)))]
        if consuming is not None:
            tasks.append(asyncio.create_task(consuming.run()))
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    if stopped not in done:
        faults = [end for end in ended if isinstance(end, Exception)]
        log.error("worker_ends", exc_info=faults[0] if faults else None)
        raise SystemExit(1)


@contextlib.asynccontextmanager
async def _probes(settings: Settings, consuming: Consuming | None) -> AsyncIterator[None]:
    """/health/live, /health/ready and /metrics of the worker. Ready: the consumer has joined its group."""

    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(_request: Request) -> Response:
        joined = consuming is None or consuming.started.is_set()
        return JSONResponse({"status": "ready" if joined else "starting"}, status_code=200 if joined else 503)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    probes = Starlette(routes=[Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", metrics)])
    server = uvicorn.Server(
        uvicorn.Config(probes, host=settings.http_host, port=settings.worker_port, log_level="warning", access_log=False, lifespan="off")
    )
    # uvicorn's own signal handling would take SIGTERM away from the worker.
    task = asyncio.create_task(server._serve())
    try:
        yield
    finally:
        server.should_exit = True
        await task
