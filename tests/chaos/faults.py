"""Faults on a seeded schedule: processes killed and frozen, database sessions ended, while the work goes on."""

import asyncio
import contextlib
import random
import xmlrpc.client
from dataclasses import dataclass, field

import asyncpg

from deploy.local.stack import Stack

# Longer than the consumers' session timeout of 6 s: the group gives the frozen one up.
FREEZE_S = 12.0
GAP_S = (0.4, 1.2)
FAULTS_MAX = 40

HTTP = ("applications-http", "budget-http", "registry-http")
WORKERS = ("applications-worker", "budget-worker", "notifications-worker", "registry-worker")
_END_RELAYS = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'relay %'"


@dataclass
class Faults:
    """Draws one fault after the other from `seed` until it is stopped; `done` tells what happened, in order."""

    stack: Stack
    seed: int
    done: list[str] = field(default_factory=list)
    _frozen: set[str] = field(default_factory=set)

    async def run(self) -> None:
        draw = random.Random(self.seed)
        async with asyncio.TaskGroup() as thawing:
            while len(self.done) < FAULTS_MAX:
                await asyncio.sleep(draw.uniform(*GAP_S))
                kind = draw.choices(("kill_worker", "kill_http", "end_relays", "freeze", "kill_broker"), weights=(5, 4, 4, 2, 1))[0]
                slot = draw.choice(HTTP if kind == "kill_http" else WORKERS)
                if slot not in self._frozen:
                    # One that is down at this moment, because it was killed a moment ago, can be neither killed nor frozen.
                    with contextlib.suppress(xmlrpc.client.Fault):
                        await self._do(kind, slot=slot, thawing=thawing)

    async def reached(self, count: int) -> None:
        """Wait until so many faults have happened."""
        while len(self.done) < count:
            await asyncio.sleep(0.1)

    async def _do(self, kind: str, *, slot: str, thawing: asyncio.TaskGroup) -> None:
        match kind:
            case "end_relays":
                await self._end_relays()
                slot = "database"
            case "freeze":
                await self.stack.freeze(slot)
                self._frozen.add(slot)
                thawing.create_task(self._thaw_later(slot))
            case "kill_broker":
                slot = "kafka"
                await self.stack.kill(slot)
            case _:
                await self.stack.kill(slot)
        self.done.append(f"{kind} {slot}")

    async def _thaw_later(self, slot: str) -> None:
        try:
            await asyncio.sleep(FREEZE_S)
        finally:
            # It may have been killed the moment before, and be between two starts now: then nothing is frozen.
            with contextlib.suppress(xmlrpc.client.Fault):
                await self.stack.thaw(slot)
            self._frozen.discard(slot)

    async def _end_relays(self) -> None:
        connection = await asyncpg.connect(self.stack.database_url("postgres"))
        try:
            await connection.fetchval(_END_RELAYS)
        finally:
            await connection.close()
