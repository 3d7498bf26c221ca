"""Each event takes effect exactly once, in order per key, under a random schedule of ends and lost connections."""

import gc
import os
import random
from collections import Counter
from typing import ClassVar

import pytest

from shared import outbox, relay
from shared.db import Tx
from shared.events import Event
from shared.events.registry import OrganisationChanged, OrganisationEvent, OrganisationRegistered
from shared.inbox import Handler, consumer
from tests.integration.shared.mechanism import FOUR, MOMENT, ONE, THREE, TWO, Ear, Pair, Supervised, organisation, supervised

KEYS = (ONE, TWO, THREE, FOUR)
STEPS = 40
UNHEARD_MAX = 15
# Another seed: SCHEDULE_SEED=7 pytest …
SEED = int(os.environ.get("SCHEDULE_SEED", "20250901"))
DROP_OF = {
    "relay": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relay registry-worker'",
    "consumer": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'notifications-worker'",
}


class Echoed(Event):
    """What the receiver announces in turn, in the transaction of its effect."""

    type: ClassVar[str] = "notifications.echoed.v1"
    topic: ClassVar[str] = "notifications.events"

    uscc: str

    def key(self) -> str:
        return self.uscc


# A consumer that is ended while it connects leaves the half-made connection to the garbage collector; a process that ends does not mind.
@pytest.mark.filterwarnings("ignore:unclosed connection:ResourceWarning")
async def test_under_a_random_schedule_every_event_takes_effect_once_and_in_order(pair: Pair) -> None:
    print(f"seed {SEED}")
    ear, schedule, versions = Ear(), random.Random(SEED), Counter[str]()

    async def hear_and_echo(tx: Tx, event: OrganisationEvent) -> None:
        await ear.hear(tx, event)
        await outbox.append(tx, Echoed(**MOMENT, uscc=event.uscc))

    handlers = [Handler(event=event, kind="effect", handle=hear_and_echo) for event in (OrganisationRegistered, OrganisationChanged)]
    echoing = consumer("notifications", topics=["registry.events"], handlers=handlers)

    async with (
        supervised(lambda: relay.run(pair.registry.settings)) as sender,
        supervised(lambda: pair.consumer_process(ear, consumer=echoing).run()) as receiver,
    ):
        for _ in range(STEPS):
            await announce_some(pair, schedule=schedule, versions=versions)
            await disturb(pair, schedule=schedule, sender=sender, receiver=receiver)
            await pair.until(f"SELECT count(*) >= {versions.total() - schedule.randint(0, UNHEARD_MAX)} FROM notifications.heard", within_s=40)
        await pair.until("SELECT count(*) = 0 FROM registry.outbox", within_s=40)
        await pair.until(f"SELECT count(*) >= {versions.total()} FROM notifications.heard", within_s=40)

    gc.collect()
    echoes = await pair.rows("SELECT key, count(*) AS count, max(event_seq) AS last FROM notifications.outbox GROUP BY key")
    assert {key: await pair.heard_versions(key) for key in KEYS} == {key: [*range(1, versions[key] + 1)] for key in KEYS}
    assert {row["key"]: (row["count"], row["last"]) for row in echoes} == {key: (versions[key], versions[key]) for key in KEYS if versions[key]}
    assert await pair.reasons() == []


async def announce_some(pair: Pair, *, schedule: random.Random, versions: Counter[str]) -> None:
    """One to five events of any keys in one transaction; one in eight transactions is rolled back."""

    class Undo(Exception):
        pass

    after = versions.copy()
    events = []
    for key in schedule.choices(KEYS, k=schedule.randint(1, 5)):
        after[key] += 1
        events.append(organisation(key, version=after[key]))
    try:
        async with pair.registry.transaction() as tx:
            await outbox.append(tx, *events)
            if schedule.random() < 1 / 8:
                raise Undo
    except Undo:
        return
    versions.update(after - versions)


async def disturb(pair: Pair, *, schedule: random.Random, sender: Supervised, receiver: Supervised) -> None:
    match schedule.randint(1, 8):
        case 1:
            sender.crash()
        case 2:
            receiver.crash()
        case 3:
            await pair.rows(DROP_OF["relay"])
        case 4:
            await pair.rows(DROP_OF["consumer"])
