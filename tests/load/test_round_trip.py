"""The raw broker round trip is measured on the real broker: every record once, within the time it took."""

import time
from pathlib import Path

from pydantic import SecretStr

from shared.settings import Profile, Settings
from tests.load.round_trip import RoundTrip


async def test_every_record_sent_is_timed_once(bootstrap: str, tmp_path: Path) -> None:
    settings = Settings(
        service="bench",
        profile=Profile.TEST,
        database_url=SecretStr("postgresql+asyncpg://nobody@127.0.0.1/nothing"),
        kafka_bootstrap=bootstrap,
        city_file=tmp_path,
    )
    trip = RoundTrip(settings=settings, partitions=2)
    await trip.declare_topic()
    started_s = time.perf_counter()

    milliseconds = await trip.measure(rate=50, seconds=0.2)

    assert len(milliseconds) == 10
    assert all(0 < each < (time.perf_counter() - started_s) * 1_000 for each in milliseconds)
