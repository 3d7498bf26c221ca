"""One connection of a load generator: sends requests that were built before, reads the answers, measures the time between."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

import httptools


class Unexpected(Exception):
    """Something came that is no measurement: another status, or a connection that ended."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    seconds: float


Answered: TypeAlias = Callable[["Connection", Answer], None]


class Connection(asyncio.Protocol):
    """Calls `answered` with each answer and `lost` when the other side ends; one request at a time."""

    def __init__(self, *, answered: Answered, lost: Callable[[], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._sent_s = 0.0
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)

    def send(self, request: bytes) -> None:
        self._sent_s = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        answer = Answer(status=self._parser.get_status_code(), body=b"".join(self._body), seconds=time.perf_counter() - self._sent_s)
        self._body = []
        self._answered(self, answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()


async def connect(host: str, port: int, *, answered: Answered, lost: Callable[[], None]) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(answered=answered, lost=lost), host, port)
    return connection


def require_status(answer: Answer, *, status: int) -> None:
    if answer.status != status:
        raise Unexpected(f"{answer.status} instead of {status}: {answer.body[:500].decode(errors='replace')}")
