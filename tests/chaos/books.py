"""What must hold when everything has come to rest, read from the database as nobody but a test may."""

import asyncio
from typing import Any

import asyncpg

from deploy.local.stack import CITY_FILE, Stack
from deploy.postgres.roles import SERVICES
from shared import city
from shared.replay import consumer_of

QUIET_WITHIN_S = 120.0
CONSUMERS = {service: consumer_of(service, here=city.load(CITY_FILE)) for service in ("applications", "budget", "notifications")}

# What the services keep of their own, all but the machinery of delivery and what tells when a row was made.
DOMAIN = {
    "registry": ("organisation", "institution"),
    "applications": ("application", "step", "decision", "known_organisation", "known_permit"),
    "budget": ("journal", "balance", "reservation", "reservation_history"),
    "notifications": ("message", "portal_record"),
}

_STORIES = """
SELECT count(*) FROM applications.outbox_sent
WHERE topic = 'applications.events' AND headers->>'ce_type' <> 'applications.awards_proposed.v1'
    AND headers->>'ce_type' NOT IN (SELECT unnest($1::text[]))
"""


async def rows(stack: Stack, query: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(stack.database_url("postgres"))
    try:
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()


async def value(stack: Stack, query: str, *arguments: object) -> Any:
    return (await rows(stack, query, *arguments))[0][0]


async def unfinished(stack: Stack) -> list[str]:
    """What is still on its way: unsent events, events not yet received, parked ones."""
    found = [f"{service}: outbox" for service in SERVICES if await value(stack, f"SELECT count(*) FROM {service}.outbox")]
    found += [f"{service}: parked" for service in SERVICES if await value(stack, f"SELECT count(*) FROM {service}.parked")]
    for service, consumer in CONSUMERS.items():
        for topic in consumer.topics:
            publisher = topic.partition(".")[0]
            behind = await value(stack, _BEHIND.format(publisher=publisher, service=service), consumer.name, topic)
            if behind:
                found.append(f"{service}: {behind} keys of {topic}")
    return found


_BEHIND = """
SELECT count(*) FROM {publisher}.stream s
LEFT JOIN {service}.consumer_key c ON c.consumer = $1 AND c.topic = s.topic AND c.key = s.key
WHERE s.topic = $2 AND c.last_seq IS DISTINCT FROM s.last_seq
"""


async def come_to_rest(stack: Stack) -> None:
    """Wait, bounded, until nothing is on its way any more."""
    async with asyncio.timeout(QUIET_WITHIN_S):
        while await unfinished(stack):
            await asyncio.sleep(0.25)


async def told_and_due(stack: Stack, *, silent: list[str]) -> tuple[int, int]:
    """How many messages there are, and how many steps of cases have one coming."""
    return await value(stack, "SELECT count(*) FROM notifications.message"), await value(stack, _STORIES, silent)


async def fingerprint(stack: Stack) -> dict[str, str]:
    """A digest of every domain table, row by row and column by column."""
    digests = {}
    for service, tables in DOMAIN.items():
        for table in tables:
            digests[f"{service}.{table}"] = await value(
                stack, f"SELECT coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') FROM {service}.{table} t"
            )
    return digests
