"""What tests build a service from: callers with their keys, staff tokens, the business day, and a client of the app in this process."""

import asyncio
import functools
import importlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from asyncpg.transaction import Transaction
from joserfc.jwk import ECKey

from deploy.local.folders import ROOT, write_private
from deploy.local.issuer import ALGORITHM, ISSUER, Issuer
from shared.events import HEADER_TYPE
from shared.settings import Profile, Settings
from shared.signature import SignedCall, sign
from tests.runtime import Database

# A Monday in the policy's last year, at ten in the morning.
BUSINESS_NOW = datetime.fromisoformat("2025-09-15T10:00:00+08:00")
CITY_FILE = ROOT / "deploy" / "city.toml"
# HTTP never talks to Kafka; nobody listens on the discard port.
NO_KAFKA = "127.0.0.1:9"
EVERYWHERE = ("*",)


@dataclass(frozen=True, kw_only=True)
class System:
    """A calling system with its key, as CALLERS_FILE has it."""

    id: str
    kind: str = "district"
    jurisdictions: Sequence[str] = EVERYWHERE
    scopes: Sequence[str]
    app_key: str = field(default_factory=lambda: uuid.uuid4().hex)
    secret: str = field(default_factory=lambda: uuid.uuid4().hex)

    def entry(self) -> dict[str, object]:
        return {
            "id": self.id,
            "kind": self.kind,
            "app_key": self.app_key,
            "secrets": [self.secret],
            "jurisdictions": list(self.jurisdictions),
            "scopes": list(self.scopes),
        }


@functools.cache
def _staff_key() -> ECKey:
    return ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM, "kid": "tests"}, private=True)


def staff_token(subject: str = "officer-1", *, roles: Sequence[str], jurisdictions: Sequence[str] = EVERYWHERE, valid_s: int = 600) -> str:
    """For every service that `client_for` builds; a negative `valid_s` has run out."""
    issuer = Issuer(key=_staff_key(), jwks_file=Path())
    return issuer.token(subject, name=subject, roles=roles, jurisdictions=jurisdictions, valid_s=valid_s)


def signed_headers(
    *, service: str, method: str, target: str, body: bytes, system: System, key: str = "", if_match: str = "", at_s: int | None = None
) -> dict[str, str]:
    """The three headers of a signed call. `target` is raw path and query; `at_s` is in seconds since 1970, now if absent."""
    raw_path, _, raw_query = target.partition("?")
    timestamp = str(int(time.time()) if at_s is None else at_s)
    call = SignedCall(
        audience=service,
        method=method,
        raw_path=raw_path,
        raw_query=raw_query,
        body=body,
        if_match=if_match,
        timestamp=timestamp,
        idempotency_key=key,
    )
    return {"X-App-Key": system.app_key, "X-Timestamp": timestamp, "X-Signature": sign(call, secret=system.secret)}


class SignedBy(httpx.Auth):
    """Signs each call of the client as `system`; a POST without an Idempotency-Key gets a new one."""

    requires_request_body = True

    def __init__(self, system: System, *, service: str) -> None:
        self.system = system
        self.service = service

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        give_key(request)
        request.headers.update(
            signed_headers(
                service=self.service,
                method=request.method,
                target=request.url.raw_path.decode("ascii"),
                body=request.content,
                system=self.system,
                key=request.headers.get("Idempotency-Key", ""),
                if_match=request.headers.get("If-Match", ""),
            )
        )
        yield request


class Staff(httpx.Auth):
    """Sends the token with each call of the client; a POST without an Idempotency-Key gets a new one."""

    def __init__(self, token: str) -> None:
        self.token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        give_key(request)
        request.headers["Authorization"] = f"Bearer {self.token}"
        yield request


def give_key(request: httpx.Request) -> None:
    if request.method == "POST":
        request.headers.setdefault("Idempotency-Key", uuid.uuid4().hex)


def settings_of(service: str, *, database: Database, folder: Path, systems: Sequence[System] = (), now: datetime = BUSINESS_NOW) -> Settings:
    """Settings of one service, with its files (callers, staff keys, business clock) in `folder`."""
    write_private(folder / "callers.json", json.dumps([system.entry() for system in systems]))
    write_private(folder / "jwks.json", json.dumps({"keys": [_staff_key().as_dict(private=False)]}))
    move_business_clock(folder, now)
    settings: type[Settings] = getattr(importlib.import_module(f"services.{service}.settings"), f"{service.title()}Settings")
    return settings.model_validate(
        {
            "profile": Profile.TEST,
            "database_url": database.sqlalchemy_url(service),
            "kafka_bootstrap": NO_KAFKA,
            "city_file": CITY_FILE,
            "callers_file": folder / "callers.json",
            "staff_jwks": str(folder / "jwks.json"),
            "staff_issuer": ISSUER,
            "business_clock_file": folder / "clock.json",
        }
    )


def move_business_clock(folder: Path, now: datetime) -> None:
    """From now on the business clock of the services built in `folder` says `now`, and goes on from there."""
    write_private(folder / "clock.json", json.dumps({"offset_seconds": int((now - datetime.now(now.tzinfo)).total_seconds())}))


@asynccontextmanager
async def client_for(
    service: str,
    *,
    database: Database,
    folder: Path,
    systems: Sequence[System] = (),
    now: datetime = BUSINESS_NOW,
    given: Mapping[Callable[..., Any], Callable[..., Any]] | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """The service's app in this process on a real database; each call says who it is: `auth=Staff(...)` or `auth=SignedBy(...)`.

    `given` are dependencies of its routes that it gets instead of its own.
    """
    settings = settings_of(service, database=database, folder=folder, systems=systems, now=now)
    app = importlib.import_module(f"services.{service}.main").build(settings)
    app.dependency_overrides.update(given or {})
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{service}.test") as client,
    ):
        yield client


@dataclass(frozen=True)
class Announced:
    """A row of the outbox."""

    type: str
    topic: str
    key: str
    seq: int
    # None for a tombstone.
    body: dict[str, Any] | None


async def announced(database: Database, *, service: str) -> list[Announced]:
    """What waits in the service's outbox, in order."""
    rows = await fetch(database, "SELECT topic, key, event_seq, headers, payload FROM outbox ORDER BY id", service=service)
    return [
        Announced(
            type=json.loads(row["headers"])[HEADER_TYPE],
            topic=row["topic"],
            key=row["key"],
            seq=row["event_seq"],
            body=json.loads(row["payload"]) if row["payload"] is not None else None,
        )
        for row in rows
    ]


async def fetch(database: Database, query: str, *arguments: object, service: str) -> list[asyncpg.Record]:
    """Rows as the service's own role sees them."""
    connection = await asyncpg.connect(database.urls[service])
    try:
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()


async def empty(database: Database, *, service: str) -> None:
    """Take every row out of the service's schema: a shared database for the next test, in a tenth of the time of a new one."""
    owner = await asyncpg.connect(database.urls[f"{service}_owner"])
    try:
        tables = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tablename <> 'alembic_version'", service)
        await owner.execute(f"TRUNCATE {', '.join(table['tablename'] for table in tables)} RESTART IDENTITY")
    finally:
        await owner.close()


@asynccontextmanager
async def holding(database: Database, statement: str, *arguments: object, service: str) -> AsyncIterator[Transaction]:
    """Another transaction that has run `statement` and stays open, so that a race is won on purpose; leaving rolls back what was not committed."""
    connection = await asyncpg.connect(database.urls[service])
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(statement, *arguments)
        yield transaction
    finally:
        await connection.close()


async def until_waiting(database: Database, *, sessions: int, within_s: float = 10.0) -> None:
    """Return when that many sessions of the database wait for a lock."""
    connection = await asyncpg.connect(database.urls["postgres"])
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'"
    try:
        async with asyncio.timeout(within_s):
            while await connection.fetchval(waiting, database.name) < sessions:
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
