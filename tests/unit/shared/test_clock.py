"""The business clock: an offset in a file, read again when it changes; the day is the city's."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from shared import clock
from shared.clock import BusinessClock

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture(params=["UTC", "America/New_York"])
def server_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with monkeypatch.context() as environment:
        environment.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def set_to(file: Path, at: datetime) -> None:
    """Written beside and renamed, as the demo does."""
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps({"offset_seconds": (at - clock.wall()).total_seconds()}))
    draft.replace(file)


def test_without_a_file_business_time_is_wall_time() -> None:
    moment = BusinessClock(zone=SHANGHAI).now()

    assert abs(moment.at - clock.wall()) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("at", "on"),
    [
        (datetime(2025, 12, 31, 15, 59, 30, tzinfo=UTC), "2025-12-31"),
        (datetime(2025, 12, 31, 16, 0, 30, tzinfo=UTC), "2026-01-01"),
        (datetime(2023, 6, 11, 15, 59, 30, tzinfo=UTC), "2023-06-11"),
        (datetime(2023, 6, 11, 16, 0, 30, tzinfo=UTC), "2023-06-12"),
    ],
    ids=str,
)
def test_the_day_is_the_citys_wherever_the_server_runs(tmp_path: Path, server_zone: str, at: datetime, on: str) -> None:
    set_to(tmp_path / "clock.json", at)

    moment = BusinessClock(zone=SHANGHAI, file=tmp_path / "clock.json").now()

    assert moment.on.isoformat() == on
    assert abs(moment.at - at) < timedelta(seconds=5)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    set_to(file, datetime(2025, 9, 1, 4, tzinfo=UTC))
    business = BusinessClock(zone=SHANGHAI, file=file)
    first = business.now()

    set_to(file, datetime(2025, 9, 2, 4, tzinfo=UTC))

    assert (first.on.day, business.now().on.day) == (1, 2)
