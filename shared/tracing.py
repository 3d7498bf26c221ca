"""One span and one log line per request; the trace of a caller goes on into the outbox and beyond."""

import time
from typing import Any

import structlog
from opentelemetry import context, propagate, trace
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from prometheus_client import Histogram

log = structlog.get_logger()

REQUEST_S = Histogram("http_request_seconds", "Time to answer", ["method", "route", "status"], buckets=(0.005, 0.02, 0.05, 0.1, 0.5, 1, 5))
QUIET = frozenset({"/health/live", "/health/ready", "/metrics"})
IDS = RandomIdGenerator()
SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)


class TraceMiddleware:
    """Plain ASGI, because BaseHTTPMiddleware costs a task and a queue per request."""

    def __init__(self, app: Any) -> None:
        self.app = app
        # By method, route and status: few, because a route is a pattern.
        self._measured: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started_s, status = time.perf_counter(), 500

        async def send_traced(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = context.attach(trace.set_span_in_context(span_of(scope["headers"]), context.Context()))
        try:
            await self.app(scope, receive, send_traced)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            taken_s = time.perf_counter() - started_s
            self._measure(taken_s, method=scope["method"], route=route, status=status)
            if route not in QUIET:
                # The route's pattern, not the path: an address can name a person or an organisation.
                log.info("request", method=scope["method"], route=route, status=status, ms=round(taken_s * 1000, 1))
            context.detach(token)

    def _measure(self, taken_s: float, *, method: str, route: str, status: int) -> None:
        key = method, route, status
        if (measured := self._measured.get(key)) is None:
            measured = self._measured[key] = REQUEST_S.labels(*key)
        measured.observe(taken_s)


def span_of(headers: list[tuple[bytes, bytes]]) -> trace.Span:
    """The span of a request, in the trace of its caller or in one of its own. No service exports spans: all that is used of one are its ids."""
    parent = trace.INVALID_SPAN_CONTEXT
    told = [value for name, value in headers if name == b"traceparent"]
    # Of two nobody can say which is meant: then the trace begins here, as where there is none.
    if len(told) == 1:
        found = propagate.extract({"traceparent": told[0].decode("latin-1")}, context=context.Context())
        parent = trace.get_current_span(found).get_span_context()
    trace_id, flags = (parent.trace_id, parent.trace_flags) if parent.is_valid else (IDS.generate_trace_id(), SAMPLED)
    return trace.NonRecordingSpan(trace.SpanContext(trace_id, IDS.generate_span_id(), is_remote=False, trace_flags=flags))
