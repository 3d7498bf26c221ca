"""From the commit of a filing to the commit of its effect next door, beside the raw round trip to the broker in the same seconds."""

from urllib.parse import urlsplit

import asyncpg
from pydantic import SecretStr

from deploy.local.stack import CITY_FILE, Stack, together
from shared.settings import Profile, Settings
from tests.load import rows
from tests.load.figures import Bar, Figure, NoMeasurement, percentile
from tests.load.filing import SERVICE, generate, key, series
from tests.load.generator import Plan
from tests.load.processes import Shares
from tests.load.round_trip import RoundTrip
from tests.load.rows import Hops

RATE = 20
CONNECTIONS_MAX = 16
NAME = "effect"
PARTITIONS = 12
P50 = Bar(value=20, sense="at most")
P99 = Bar(value=100, sense="at most")
RATIO = Bar(value=5, sense="at most")


def round_trip(stack: Stack) -> RoundTrip:
    return RoundTrip(settings=broker_settings(stack), partitions=PARTITIONS)


async def measure(stack: Stack, *, connection: asyncpg.Connection, trip: RoundTrip, seconds: float) -> list[Figure]:
    (report, shares), round_trips_ms = await together(generate(plan(stack, seconds=seconds), stack=stack), trip.measure(rate=RATE, seconds=seconds))
    await rows.wait_until_quiet(connection)
    hops = await rows.hops(connection, series=NAME)
    if len(hops.to_effect_ms) != report.answers:
        raise NoMeasurement(f"{report.answers} filings were answered with 201, but {len(hops.to_effect_ms)} have a message with a commit time.")
    return figures_of(hops, round_trips_ms=round_trips_ms, shares=shares)


def plan(stack: Stack, *, seconds: float) -> Plan:
    address = urlsplit(stack.urls[SERVICE])
    assert address.hostname is not None
    assert address.port is not None
    return Plan(
        host=address.hostname,
        port=address.port,
        path="/v1/applications",
        seconds=seconds,
        series=series(stack, name=NAME),
        key=key(stack),
        loop="open",
        clients=CONNECTIONS_MAX,
        rate=RATE,
    )


def broker_settings(stack: Stack) -> Settings:
    """What the relay's producer is made from; the database is named because settings must have one, and is not used."""
    return Settings(
        service=NAME,
        profile=Profile.LOCAL,
        database_url=SecretStr(stack.database_url(SERVICE)),
        kafka_bootstrap=stack.bootstrap,
        slot="bench",
        city_file=CITY_FILE,
    )


def figures_of(hops: Hops, *, round_trips_ms: list[float], shares: Shares) -> list[Figure]:
    p50_ms, p99_ms = percentile(hops.to_effect_ms, 0.5), percentile(hops.to_effect_ms, 0.99)
    trip_ms = percentile(round_trips_ms, 0.5)
    trips = f"{len(round_trips_ms)} round trips at {RATE}/s beside the cases, p99 {percentile(round_trips_ms, 0.99):.1f} ms"
    return [
        Figure(name="commit_to_effect_p50_ms", value=round(p50_ms, 1), unit="ms", bar=P50, limited_by=hops.sentence()),
        Figure(name="commit_to_effect_p99_ms", value=round(p99_ms, 1), unit="ms", bar=P99, limited_by=f"{shares.sentence()}"),
        Figure(name="broker_round_trip_p50_ms", value=round(trip_ms, 2), unit="ms", bar=None, limited_by=trips),
        Figure(
            name="commit_to_effect_ratio",
            value=round(p50_ms / trip_ms, 2),
            unit="×",
            bar=RATIO,
            limited_by=f"two commits and a bell: {hops.sentence()}",
        ),
    ]
