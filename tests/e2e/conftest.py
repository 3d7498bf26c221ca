"""The story, told once for all tests of this folder on a product of its own; it still runs while they look at what it left."""

import io
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from rich.console import Console

from deploy.demo import closing, story
from deploy.demo.stage import running_world
from deploy.demo.story import Story
from deploy.demo.telling import PLAIN_WIDTH
from deploy.demo.world import World
from deploy.local.folders import AlreadyRunning, profile_folder
from deploy.local.stack import forget
from tests.runtime import remove_abandoned_folders

PARTITIONS = 2


@dataclass(frozen=True)
class Told:
    world: World
    story: Story
    # What a person saw, and the file of final facts.
    shown: str
    facts_file: Path


@pytest_asyncio.fixture(scope="session")
async def told() -> AsyncIterator[Told]:
    remove_abandoned_folders()
    profile, screen = f"test-story-{os.getpid()}", io.StringIO()
    out = Console(file=screen, width=PLAIN_WIDTH, highlight=False)
    async with running_world(profile, out=out, tell=lambda _: None, durable=False, partitions=PARTITIONS) as world:
        played = await story.play(world)
        facts_file = world.stack.folder / "demo.json"
        closing.write(played.facts, file=facts_file)
        yield Told(world=world, story=played, shown=screen.getvalue(), facts_file=facts_file)
    # Another test process may be clearing what it takes for abandoned at the same moment.
    with suppress(AlreadyRunning):
        forget(profile)
    shutil.rmtree(profile_folder(profile), ignore_errors=True)
