"""The product and the stand-in portal, started for one telling of the story and stopped at its end."""

import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import httpx
from rich.console import Console

from deploy.demo.world import PortalAddress, World, opened
from deploy.local.ports import HOST, choose_port
from deploy.local.stack import Stack, running_stack
from deploy.local.supervision import Program

PORTAL_LIMIT_S = 20.0


@asynccontextmanager
async def running_world(
    profile: str, *, out: Console, tell: Callable[[str], None], durable: bool = True, partitions: int | None = None
) -> AsyncIterator[World]:
    port = choose_port("PORTAL_PORT")
    portal = PortalAddress(url=f"http://{HOST}:{port}", token=secrets.token_urlsafe(24))
    address = {"PORTAL_URL": portal.url, "PORTAL_TOKEN": portal.token}
    async with running_stack(profile, durable=durable, partitions=partitions, portal=address, tell=tell) as stack:
        await start_portal(stack, portal=portal, port=port)
        async with opened(stack, portal=portal, out=out) as world:
            yield world


async def start_portal(stack: Stack, *, portal: PortalAddress, port: int) -> None:
    """A process like the others: it ends with the run, whatever happens. What it takes is kept beside the other data."""
    environment = {
        "PORTAL_TOKEN": portal.token,
        "PORTAL_HOST": HOST,
        "PORTAL_PORT": str(port),
        "PORTAL_FILE": str(stack.folder / "portal.jsonl"),
    }
    program = Program(slot="portal", command=[sys.executable, "-m", "deploy.demo.portal"], environment=environment)
    await stack.supervisor.run(program, ready=partial(answers, stack, portal=portal), limit_s=PORTAL_LIMIT_S)


async def answers(stack: Stack, *, portal: PortalAddress) -> bool:
    try:
        return (await stack.probes.get(f"{portal.url}/health/live")).is_success
    except httpx.TransportError:
        return False
