"""One span and one log line per request; the trace of a caller goes on into the outbox and beyond."""

import time
from typing import Any

import structlog
from opentelemetry import propagate, trace
from prometheus_client import Histogram

log = structlog.get_logger()
tracer = trace.get_tracer(__name__)

REQUEST_S = Histogram("http_request_seconds", "Time to answer", ["method", "route", "status"], buckets=(0.005, 0.02, 0.05, 0.1, 0.5, 1, 5))
QUIET = frozenset({"/health/live", "/health/ready", "/metrics"})


class TraceMiddleware:
    """Plain ASGI, because BaseHTTPMiddleware costs a task and a queue per request."""

    def __init__(self, app: Any, *, service: str) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"}
        started_s, status = time.perf_counter(), 500

        async def send_traced(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with tracer.start_as_current_span(scope["method"], context=propagate.extract(headers)):
            try:
                await self.app(scope, receive, send_traced)
            finally:
                route = getattr(scope.get("route"), "path", "none")
                taken_s = time.perf_counter() - started_s
                REQUEST_S.labels(scope["method"], route, status).observe(taken_s)
                if route not in QUIET:
                    # The route's pattern, not the path: an address can name a person or an organisation.
                    log.info("request", method=scope["method"], route=route, status=status, ms=round(taken_s * 1000, 1))
