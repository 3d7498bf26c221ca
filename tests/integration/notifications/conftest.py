"""Notifications on a real database: events as the broker would hand them over, and a real stand-in portal."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
import uvicorn
from aiokafka.structs import ConsumerRecord

from deploy.demo.portal import Desk, create_portal
from services.notifications import policy, worker
from services.notifications.portal.clients import Portal, open_portal
from services.notifications.settings import NotificationsSettings
from shared import inbox
from shared.events import HEADER_SEQ, Event, encode, envelope
from shared.ids import new_id_text
from shared.live import Live, open_live
from tests.building import client_for, fetch, settings_of
from tests.integration.notifications.callers import SYSTEMS
from tests.runtime import Database

TOKEN = "a token of the tests"


@dataclass
class Service:
    """The consumer of notifications, fed by hand; `seqs` counts per (topic, key) as the outbox does."""

    live: Live
    database: Database
    seqs: Counter[tuple[str, str]] = field(default_factory=Counter)
    offset: int = 0

    def __post_init__(self) -> None:
        self.told = policy.load(self.live.city)
        self.consumer = worker.hearing(self.told, city=self.live.city)

    def record(self, event: Event, **headers: str) -> ConsumerRecord[Any, Any]:
        """The next record of the event's key, with an id of its own."""
        self.seqs[event.topic, event.key()] += 1
        made = envelope(event, event_id=new_id_text(), sent_at=event.happened_at.isoformat(), traceparent=None)
        made |= {HEADER_SEQ: str(self.seqs[event.topic, event.key()]), **headers}
        return self.raw(event.topic, key=event.key(), value=encode(event), headers=made)

    def raw(self, topic: str, *, key: str, value: bytes | None, headers: dict[str, str]) -> ConsumerRecord[Any, Any]:
        self.offset += 1
        return ConsumerRecord(
            topic=topic,
            partition=0,
            offset=self.offset,
            timestamp=0,
            timestamp_type=0,
            key=key.encode(),
            value=value,
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            headers=[(name, text.encode()) for name, text in headers.items()],
        )

    async def receive(self, *records: ConsumerRecord[Any, Any]) -> None:
        """One poll with these records."""
        read = [inbox.read(record, topic=record.topic, consumer=self.consumer) for record in records]
        async with self.live.transaction() as tx:
            await inbox.receive(tx, consumer=self.consumer, records=read)

    async def hear(self, *events: Event) -> list[ConsumerRecord[Any, Any]]:
        records = [self.record(event) for event in events]
        await self.receive(*records)
        return records

    async def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await fetch(self.database, query, *arguments, service="notifications")]

    async def told_steps(self) -> list[str]:
        """What was told, in order, by the short name of the step."""
        return [row["event_type"].split(".")[1] for row in await self.rows("SELECT event_type FROM message ORDER BY id")]

    async def reported(self) -> list[str]:
        """Kind, number and version of each record, in the order of its case."""
        rows = await self.rows("SELECT kind, sn, dataver FROM portal_record ORDER BY application_id, position")
        return [f"{row['kind']} {row['sn']}.{row['dataver']}" for row in rows]

    async def forget(self, *tables: str) -> None:
        """Empty tables of the mechanism, as an operator's mistake would."""
        owner = await asyncpg.connect(self.database.urls["notifications_owner"])
        for table in tables:
            await owner.execute(f"TRUNCATE {table}")
        await owner.close()


@pytest_asyncio.fixture
async def service(database: Database, tmp_path: Path) -> AsyncIterator[Service]:
    live = open_live(settings_of("notifications", database=database, folder=tmp_path, systems=SYSTEMS))
    yield Service(live=live, database=database)
    await live.database.engine.dispose()


@pytest_asyncio.fixture
async def http(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for("notifications", database=database, folder=tmp_path, systems=SYSTEMS) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def refusing_http(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """For calls that write nothing: one database for all of a module's."""
    folder = tmp_path_factory.mktemp("refusing")
    async with client_for("notifications", database=module_database, folder=folder, systems=SYSTEMS) as client:
        yield client


@dataclass
class StandIn:
    """A stand-in portal on a free port, and our connections to it."""

    desk: Desk
    portal: Portal

    def taken(self, projid: str) -> list[str]:
        """Kind, number and version of each record of a case, in the order in which the portal took them."""
        contents = [(each["kind"], each["content"]) for each in self.desk.taken if each["content"]["projid"] == projid]
        return [f"{kind} {content.get('sn', '0')}.{content['dataver']}" for kind, content in contents]


@pytest_asyncio.fixture
async def stand_in(service: Service) -> AsyncIterator[StandIn]:
    desk = Desk(token=TOKEN)
    with listening() as listener:
        server = uvicorn.Server(uvicorn.Config(create_portal(desk), log_level="warning", access_log=False, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        portal = portal_at(f"http://127.0.0.1:{listener.getsockname()[1]}", service=service)
        yield StandIn(desk=desk, portal=portal)
        await portal.http.aclose()
        server.should_exit = True
        await serving


def listening() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    return listener


def portal_at(url: str, *, service: Service) -> Portal:
    values = service.live.settings.model_dump(exclude={"service"}) | {"portal_url": url, "portal_token": TOKEN}
    portal = open_portal(NotificationsSettings.model_validate(values))
    assert portal is not None
    return portal
