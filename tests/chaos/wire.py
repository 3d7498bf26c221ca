"""A wire between a process and PostgreSQL that knows which statement passes, and can be held or cut at any of them."""

import asyncio
import contextlib
import re
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HOST = "127.0.0.1"
_SSL_WANTED = 80_877_103
# What the driver asks for itself, and the bell: not statements of an operation.
_OF_THE_DRIVER = re.compile(r"pg_catalog|current_schema|standard_conforming_strings|current_setting|^NOTIFY", re.IGNORECASE)
_FUNCTION = re.compile(r"\b(lock_books|append_batch|append_entries|read_picture|read_approvals|append_approvals|touch_books|pg_\w*advisory\w*)\(")
NAME_CHARACTERS_MAX = 70


@dataclass
class Trap:
    """Springs at the first statement that `wanted` picks by its name; what passes then is held until the wire is cut, or it is released.

    Before the statement reaches the server; `answered`: once the server has done it, before its answer is passed on, which then never is.
    """

    wanted: Callable[[str], bool]
    answered: bool = False
    sprung: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = ""
    passed: list[str] = field(default_factory=list)

    def springs(self, statement: str) -> bool:
        if self.sprung.is_set() or self.name or not self.wanted(statement):
            self.passed.append(statement)
            return False
        self.name = statement
        return True


def nth(number: int) -> Callable[[str], bool]:
    """Wants the statement with this number, the first being 0."""
    left = iter(range(number, -1, -1))
    return lambda _: next(left, -1) == 0


def nth_change(number: int) -> Callable[[str], bool]:
    """The same among those that change or lock: between two reads the server stays as it was."""
    is_next = nth(number)
    return lambda statement: not statement.startswith("SELECT ") and is_next(statement)


@dataclass
class Wire:
    """Listens on `port` for what is meant for `server_port`."""

    server_port: int
    port: int = 0
    trap: Trap | None = None
    _ends: set[asyncio.StreamWriter] = field(default_factory=set, init=False)

    def cut(self) -> None:
        """End every session on both sides at once, as a cable that is pulled."""
        self.trap = None
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._carry(reader, writer)
        writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opening = await _opening(reader, writer)
        server_reader, server_writer = await asyncio.open_connection(HOST, self.server_port)
        self._ends.add(server_writer)
        server_writer.write(opening)
        session = _Session(self)
        ways = [asyncio.ensure_future(session.ask(reader, server_writer)), asyncio.ensure_future(session.answer(server_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            server_writer.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


@dataclass
class _Session:
    """One connection: its prepared statements, and the statement under way."""

    wire: Wire
    statements: dict[bytes, str] = field(default_factory=dict)
    under_way: bool = False
    withheld: Trap | None = None

    async def ask(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while True:
            kind, message = await _message(reader)
            query = self._begun(kind, message[5:])
            if query is not None and not _OF_THE_DRIVER.search(query):
                await self._meet(named(query))
            server.write(message)
            await server.drain()

    async def answer(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while True:
            kind, message = await _message(reader)
            if self.withheld is None:
                client.write(message)
                await client.drain()
            elif kind == b"Z":
                self.withheld.sprung.set()
                # Nothing is passed on any more but the end.
                await reader.read()
                return

    def _begun(self, kind: bytes, body: bytes) -> str | None:
        """The query that starts with this message; None while one goes on. Many rows of one statement are bound one after the other."""
        query: str | None = None
        if kind == b"Q":
            query = body[:-1].decode()
        elif kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self.statements[name] = text.decode()
        elif kind == b"B" and not self.under_way:
            query, self.under_way = self.statements[body.split(b"\0", 2)[1]], True
        elif kind == b"S":
            self.under_way = False
        return query

    async def _meet(self, statement: str) -> None:
        trap = self.wire.trap
        if trap is None or not trap.springs(statement):
            return
        if trap.answered:
            self.withheld = trap
            return
        trap.sprung.set()
        await trap.released.wait()


def named(query: str) -> str:
    """A statement's name in reports: the function of the database that it calls, else how it begins."""
    called = _FUNCTION.search(query)
    return called[1] if called else " ".join(query.split()).rstrip(";")[:NAME_CHARACTERS_MAX]


@asynccontextmanager
async def laid_wire(server_port: int) -> AsyncIterator[Wire]:
    wire = Wire(server_port)
    listening = await asyncio.start_server(wire.carry, HOST, 0)
    wire.port = listening.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        wire.cut()
        listening.close()
        await listening.wait_closed()


async def _opening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The first packet that says who wants what; encryption is declined."""
    while True:
        head = await reader.readexactly(8)
        size, code = struct.unpack("!ii", head)
        packet = head + await reader.readexactly(size - 8)
        if code != _SSL_WANTED:
            return packet
        writer.write(b"N")


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    (size,) = struct.unpack("!i", head[1:])
    return head[:1], head + await reader.readexactly(size - 4)
