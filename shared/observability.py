"""Logs as JSON, traces that cross the outbox: set up once per process."""

import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from shared.settings import Settings

# A row under DETAIL; an argument up to the reason in the last brackets; an input up to its type or the line's end.
_SHOWN = re.compile(r"(?s:\nDETAIL:.*)|(invalid input for query argument \$\d+)(?s:.*)(?= \()|(input_value=).*(?=, input_type=)|('input': ).*")
# Made once: json.dumps makes one for each line that is not written in ASCII.
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=repr)


def set_up(settings: Settings) -> None:
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": settings.service, "service.instance.id": settings.slot})))
    structlog.configure(
        processors=[
            _place_of(settings),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_trace,
            # Never with local variables: they hold tokens, bodies and people's names.
            structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
            _hide_rows,
            structlog.processors.JSONRenderer(serializer=_as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format='{"logger": "%(name)s", "level": "%(levelname)s", "event": "%(message)s"}')


def current_trace_id() -> str:
    """32 hex digits, as in traceparent; what a person quotes when asking about an answer."""
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


def current_traceparent() -> str | None:
    """The trace of this call as it is handed on (W3C Trace Context); None outside of any."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _place_of(settings: Settings) -> structlog.typing.Processor:
    place = {"service": settings.service, "slot": settings.slot}

    def add_place(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        for name, value in place.items():
            event.setdefault(name, value)
        return event

    return add_place


def _as_json(event: Mapping[str, Any], **_: object) -> str:
    return _ENCODER.encode(event)


def _add_trace(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
    return event


def _hide_rows(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """PostgreSQL shows the failing row, its driver and pydantic the value that did not fit, and each of them may be a person's."""
    _cut_details(event.get("exception", []))
    return event


def _cut_details(raised: list[dict[str, Any]]) -> None:
    for each in raised:
        each["exc_value"] = _SHOWN.sub(r"\1\2\3", each["exc_value"])
        for inner in each.get("exceptions", []):
            _cut_details(inner)
