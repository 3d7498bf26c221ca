"""The load generator counts what was answered, and reports nothing when anything else than the expected came."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Literal

import pytest

from shared.signature import SignedCall, is_signed_by
from tests.load.approvals import Approvals
from tests.load.generator import Plan, generate, plan_from
from tests.load.series import Key, Series
from tests.load.wire import Unexpected

CREATED = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}"
REFUSED = b"HTTP/1.1 422 Unprocessable\r\ncontent-length: 18\r\n\r\nabove-the-ceiling."
KEY = Key(audience="applications", app_key="key-1", secret="an-example", timestamp_s=1_756_688_400)
SERIES = Series(name="test", item_id="2023-15/4a", jurisdiction_id="example-district", filed_on=date(2025, 9, 1))


@dataclass
class Server:
    """Answers 201 to everything but the request number `differs_at`, which gets `difference`, or the end of the connection."""

    port: int = 0
    differs_at: int | None = None
    difference: bytes | None = None
    received: list[bytes] = field(default_factory=list)
    open_at_once_max: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_at_once_max += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: (\d+)", head)
                assert length is not None
                self.received.append(head + await reader.readexactly(int(length[1])))
                if len(self.received) - 1 == self.differs_at:
                    if self.difference is None:
                        return
                    writer.write(self.difference)
                else:
                    writer.write(CREATED)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    listener = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    async with listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


def plan(server: Server, *, loop: Literal["closed", "open"] = "closed", seconds: float = 0.05, rate: int = 200_000, clients: int = 4) -> Plan:
    return Plan(
        host="127.0.0.1", port=server.port, path="/v1/applications", seconds=seconds, series=SERIES, key=KEY, loop=loop, clients=clients, rate=rate
    )


async def test_a_closed_loop_reports_as_many_answers_as_were_received_over_its_clients() -> None:
    async with serving(Server()) as server:
        report = await generate(plan(server, clients=4))

    assert report.answers == len(report.latencies_us) == len(server.received) > 4
    assert server.open_at_once_max == 4
    assert report.seconds >= 0.05
    assert report.cpu_share > 0


async def test_an_open_loop_keeps_to_its_rate() -> None:
    async with serving(Server()) as server:
        started_s = time.perf_counter()
        report = await generate(plan(server, loop="open", seconds=0.2, rate=50))

    assert report.answers == len(server.received) == 10
    assert time.perf_counter() - started_s >= 9 / 50


@pytest.mark.parametrize("loop", ["closed", "open"])
async def test_one_unexpected_status_ends_the_run_without_a_report(loop: Literal["closed", "open"]) -> None:
    async with serving(Server(differs_at=3, difference=REFUSED)) as server:
        with pytest.raises(Unexpected, match="422 instead of 201: above-the-ceiling"):
            await generate(plan(server, loop=loop, rate=200 if loop == "open" else 200_000))


async def test_a_connection_that_ends_ends_the_run_without_a_report() -> None:
    async with serving(Server(differs_at=3)) as server:
        with pytest.raises(Unexpected, match="ended a connection"):
            await generate(plan(server))


async def test_running_out_of_requests_ends_the_run_without_a_report() -> None:
    async with serving(Server()) as server:
        with pytest.raises(Unexpected, match="build more"):
            await generate(plan(server, seconds=0.5, rate=10))


async def test_an_open_loop_that_the_server_does_not_keep_up_with_is_not_reported() -> None:
    async with serving(Server(differs_at=0, difference=b"")) as server:
        with pytest.raises(Unexpected, match="does not keep up"):
            await generate(plan(server, loop="open", rate=200, clients=1))


def test_each_request_is_an_act_of_its_own_and_signed() -> None:
    requests = [SERIES.request(number, host="localhost", path="/v1/applications", key=KEY) for number in range(50)]

    bodies = [request.partition(b"\r\n\r\n")[2] for request in requests]
    headers = [dict(line.split(": ", 1) for line in request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]) for request in requests]
    assert len(set(bodies)) == 50
    assert len({each["idempotency-key"] for each in headers}) == 50
    for body, each in zip(bodies, headers, strict=True):
        call = SignedCall(
            audience="applications",
            method="POST",
            raw_path="/v1/applications",
            raw_query="",
            body=body,
            if_match="",
            timestamp=each["x-timestamp"],
            idempotency_key=each["idempotency-key"],
        )
        assert is_signed_by(call, signature=each["x-signature"], secrets=[KEY.secret])
        assert int(each["content-length"]) == len(body)


@pytest.mark.parametrize("key", [KEY, None])
def test_a_plan_comes_out_of_its_json_as_it_went_in(key: Key | None) -> None:
    given = Plan(host="localhost", port=1, path="/x", seconds=1.5, series=SERIES, key=key, loop="open", clients=2)
    document = {**asdict(given), "series": {**asdict(SERIES), "filed_on": "2025-09-01"}}

    assert plan_from(document) == given


@pytest.mark.parametrize("token", ["a-token", None])
def test_a_plan_of_approvals_comes_out_of_its_json_as_it_went_in(token: str | None) -> None:
    series = Approvals(name="orders-0", first=7, token=token)
    given = Plan(host="localhost", port=1, path="/x/{order_id}", seconds=1.5, series=series, key=None, loop="closed", clients=2, expected_status=200)

    assert plan_from(asdict(given)) == given
    assert "a-token" not in repr(given)
