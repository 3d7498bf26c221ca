"""Logs as JSON, traces that cross the outbox: set up once per process."""

import logging
import sys
from typing import Any

import structlog
from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from shared.settings import Settings


def set_up(settings: Settings) -> None:
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": settings.service, "service.instance.id": settings.slot})))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_trace,
            # Never with local variables: they hold tokens, bodies and people's names.
            structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
            _hide_rows,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=settings.service, slot=settings.slot)
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format='{"logger": "%(name)s", "level": "%(levelname)s", "event": "%(message)s"}')


def current_trace_id() -> str:
    """32 hex digits, as in traceparent; what a person quotes when asking about an answer."""
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


def current_traceparent() -> str | None:
    """The trace of this call as it is handed on (W3C Trace Context); None outside of any."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


def _add_trace(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
    return event


def _hide_rows(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """PostgreSQL shows the failing row under DETAIL, and a row may be a person's."""
    _cut_details(event.get("exception", []))
    return event


def _cut_details(raised: list[dict[str, Any]]) -> None:
    for each in raised:
        each["exc_value"] = each["exc_value"].partition("\nDETAIL:")[0]
        for inner in each.get("exceptions", []):
            _cut_details(inner)
