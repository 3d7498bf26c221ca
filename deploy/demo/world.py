"""What the acts share: the running product, a client for each who acts, the stand-in portal, and waiting for what comes later."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import httpx
from rich.console import Console

from deploy.clients.client import Client, Refused, SignedClient, StaffClient
from deploy.demo import telling
from deploy.demo.cast import Cast
from deploy.demo.cast import load as load_cast
from deploy.demo.telling import NotAsTold
from deploy.local.stack import CITY_FILE, Stack
from shared.city import City
from shared.city import load as load_city

WAIT_S_MAX = 30.0
POLL_S = 0.005
PAGE_ROWS = 200
PAGES_MAX = 100
EVERYWHERE = ("*",)

Found = TypeVar("Found")


@dataclass(frozen=True)
class PortalAddress:
    url: str
    token: str


@dataclass
class World:
    """Held while the story is told; `as_staff` and `as_system` open a connection once and keep it."""

    stack: Stack
    city: City
    cast: Cast
    portal: PortalAddress
    out: Console
    held: AsyncExitStack
    clients: dict[tuple[str, str], Client] = field(default_factory=dict)

    async def as_staff(self, role: str, *, service: str) -> Client:
        """An officer of the cast, by what the cast calls its part."""
        officer = self.cast.officers[role]
        if (role, service) not in self.clients:
            token = self.stack.issuer.token(officer.subject, name=officer.name, roles=officer.roles, jurisdictions=EVERYWHERE)
            self.clients[role, service] = await self.held.enter_async_context(StaffClient(self.stack.urls[service], token=token))
        return self.clients[role, service]

    async def as_system(self, caller_id: str, *, service: str) -> Client:
        """A calling system, by its id in the stack's callers."""
        if (caller_id, service) not in self.clients:
            caller = self.stack.callers[caller_id]
            opened = SignedClient(self.stack.urls[service], audience=service, app_key=caller["app_key"], secret=caller["secrets"][0])
            self.clients[caller_id, service] = await self.held.enter_async_context(opened)
        return self.clients[caller_id, service]

    async def as_district(self, *, service: str) -> Client:
        return await self.as_system(f"district-{self.cast.district_id}", service=service)

    def jurisdiction_name(self, jurisdiction_id: str) -> str:
        found = self.city.jurisdiction(jurisdiction_id)
        return found.short_name_zh or found.name_zh

    def who(self, by: str) -> str:
        """A caller or officer of the history as people know them."""
        kind, _, name = by.partition(":")
        if kind == "service":
            return self.cast.services[name]
        if kind == "system":
            return f"{self.cast.district_name} {name.partition('#')[2]}"
        subject = name.rpartition("|")[2]
        return next(officer.name for officer in self.cast.officers.values() if officer.subject == subject)

    def move_to(self, moment: str) -> None:
        """Local time of the city; the business clock only goes forward."""
        to = datetime.fromisoformat(moment).replace(tzinfo=self.stack.business_now().tzinfo)
        assert to >= self.stack.business_now(), f"the story goes back to {moment}"
        self.stack.move_business_clock(to)

    def step(self, *, zh: str, en: str, clause: str | None = None) -> None:
        """`clause` is one of the script's."""
        telling.step(self.out, at=self.stack.business_now(), zh=zh, en=en, clause=self.cast.clauses[clause] if clause else "")

    def aside(self, *, zh: str, en: str) -> None:
        telling.aside(self.out, zh=zh, en=en)


@asynccontextmanager
async def opened(stack: Stack, *, portal: PortalAddress, out: Console) -> AsyncIterator[World]:
    city = load_city(CITY_FILE)
    async with AsyncExitStack() as held:
        yield World(stack=stack, city=city, cast=load_cast(city), portal=portal, out=out, held=held)


async def until(what_zh: str, *, what_en: str, ask: Callable[[], Awaitable[Found | None]], wait_s_max: float = WAIT_S_MAX) -> Found:
    """Ask again until there is an answer. NotAsTold names what did not happen in its time."""
    started_s = time.monotonic()
    while (found := await ask()) is None:
        if time.monotonic() - started_s > wait_s_max:
            raise NotAsTold(f"等待{wait_s_max:.0f}秒仍未出现：{what_zh}\nDid not happen within {wait_s_max:.0f} s: {what_en}")
        await asyncio.sleep(POLL_S)
    return found


async def rows_of(client: Client, path: str, **params: Any) -> list[dict[str, Any]]:
    """Every row of a list, page by page."""
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(PAGES_MAX):
        page = (await client.get(path, params={**params, "limit": PAGE_ROWS, **cursor})).json()
        rows += page["rows"]
        if page["next_cursor"] is None:
            return rows
        cursor = {"cursor": page["next_cursor"]}
    raise NotAsTold(f"{path}: more than {PAGES_MAX} pages of {PAGE_ROWS}")


async def refusal_of(call: Awaitable[httpx.Response]) -> Refused:
    """The refusal that a call must get."""
    try:
        answer = await call
    except Refused as refused:
        return refused
    raise NotAsTold(f"本应被拒绝的请求得到{answer.status_code}\nShould have been refused, but got {answer.status_code}: {answer.request.url}")


async def cases_by_id(world: World) -> dict[str, dict[str, Any]]:
    """Every case as it stands now, as the auditor reads it."""
    auditor = await world.as_staff("auditor", service="applications")
    return {row["id"]: row for row in await rows_of(auditor, "/v1/applications")}


async def wait_for_states(world: World, *, wanted: dict[str, str], what_zh: str, what_en: str) -> dict[str, dict[str, Any]]:
    """Wait until each of these cases is in its state; returns all cases."""

    async def ask() -> dict[str, dict[str, Any]] | None:
        cases = await cases_by_id(world)
        return cases if all(cases[each]["state"] == state for each, state in wanted.items()) else None

    try:
        return await until(what_zh, what_en=what_en, ask=ask)
    except NotAsTold as missing:
        cases = await cases_by_id(world)
        others = [f"{cases[each]['case_number']} {cases[each]['state']} ≠ {state}" for each, state in wanted.items() if cases[each]["state"] != state]
        raise NotAsTold(f"{missing}\n{'; '.join(others[:10])}") from missing


def all_in(state: str, *, ids: Sequence[str]) -> dict[str, str]:
    return dict.fromkeys(ids, state)
