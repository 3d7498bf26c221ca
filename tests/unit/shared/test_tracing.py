"""The trace of a request: its caller's or one of its own, handed on while the request lasts, in one log line and one measurement."""

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from shared.observability import current_trace_id, current_traceparent
from shared.tracing import TraceMiddleware

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PATTERN = "/v1/people/{person_name}"


async def seen_by(*traceparents: str, route: str = PATTERN, fails: bool = False) -> list[str | None]:
    """What one request hands on, asked twice while it lasts."""
    seen: list[str | None] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scope["route"] = SimpleNamespace(path=route)
        seen.extend([current_traceparent(), current_traceparent()])
        if fails:
            raise ZeroDivisionError
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": current_trace_id().encode()})

    async def send(_message: Any) -> None: ...

    headers = [(b"traceparent", each.encode("latin-1")) for each in traceparents]
    await TraceMiddleware(app)({"type": "http", "method": "GET", "path": "/v1/people/zhang-san", "headers": headers}, None, send)
    return seen


@pytest.mark.parametrize("flags", ["01", "00"], ids=["sampled", "not sampled"])
async def test_a_call_goes_on_in_the_trace_of_its_caller_with_one_span_of_its_own(flags: str) -> None:
    first, again = await seen_by(f"00-{TRACE}-{SPAN}-{flags}")

    assert first is not None
    version, trace, span, told = first.split("-")
    assert (version, trace, told, first) == ("00", TRACE, flags, again)
    assert len(span) == 16
    assert span not in (SPAN, "0" * 16)


@pytest.mark.parametrize(
    "traceparents",
    [
        (),
        ("",),
        ("nonsense",),
        (f"00-{'0' * 32}-{SPAN}-01",),
        (f"00-{TRACE}-{'0' * 16}-01",),
        (f"ff-{TRACE}-{SPAN}-01",),
        (f"00-{TRACE}\xe9-{SPAN}-01",),
        (f"00-{TRACE.upper()}-{SPAN}-01",),
        (f"00-{TRACE}-{SPAN}-01-more",),
        (f"00-{TRACE}-{SPAN}-01" * 5_000,),
        (f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"),
        (f"00-{TRACE}-{SPAN}-01", ""),
    ],
    ids=[
        *("none", "empty", "nonsense", "no trace", "no span", "a version that cannot be", "a letter beyond ASCII"),
        *("in capitals", "with more behind it", "very long", "two", "one and an empty one"),
    ],
)
async def test_without_a_trace_that_can_be_read_each_call_begins_one(traceparents: tuple[str, ...]) -> None:
    first, second = [(await seen_by(*traceparents))[0] for _ in range(2)]

    assert first is not None
    assert second is not None
    assert {len(part) for part in first.split("-")} == {2, 32, 16}
    assert first.split("-")[1] not in (second.split("-")[1], "0" * 32, TRACE)


@pytest.mark.parametrize("fails", [False, True])
async def test_after_a_call_no_trace_is_left(fails: bool) -> None:
    try:
        await seen_by(fails=fails)
    except ZeroDivisionError:
        assert fails

    assert current_traceparent() is None


async def test_a_call_is_one_line_of_the_log_with_its_trace_and_the_pattern_of_its_route(log: io.StringIO) -> None:
    await seen_by(f"00-{TRACE}-{SPAN}-01")

    (line,) = (json.loads(each) for each in log.getvalue().splitlines())
    told = (line["event"], line["method"], line["route"], line["status"], line["trace_id"], line["service"], line["slot"])
    assert told == ("request", "GET", PATTERN, 201, TRACE, "registry", "worker")
    assert line["ms"] >= 0
    assert "zhang-san" not in log.getvalue()


async def test_a_call_that_fails_is_a_line_too_and_a_look_at_the_health_is_none(log: io.StringIO) -> None:
    with pytest.raises(ZeroDivisionError):
        await seen_by(fails=True)
    await seen_by(route="/health/live")

    assert [json.loads(each)["status"] for each in log.getvalue().splitlines()] == [500]


async def test_every_call_is_measured_under_the_pattern_of_its_route() -> None:
    def counted() -> float:
        labels = {"method": "GET", "route": "/v1/measured/{id}", "status": "201"}
        return REGISTRY.get_sample_value("http_request_seconds_count", labels) or 0

    before = counted()
    for _ in range(3):
        await seen_by(route="/v1/measured/{id}")

    assert counted() == before + 3
