"""Two clocks: wall time for machinery, business time for acts; only the second can be moved, and not in production."""

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Moment:
    """One reading of the business clock: the instant, and the date it has in the city."""

    at: datetime
    on: date


def wall() -> datetime:
    """For signatures, tokens, retries and leases; never for a deadline of the law."""
    return datetime.now(UTC)


@dataclass
class BusinessClock:
    """Wall time plus an offset kept in one file, read again when the file changes.

    `file` holds `{"offset_seconds": N}`; without a file the business clock is the wall clock.
    """

    zone: ZoneInfo
    file: Path | None = None
    _seen: tuple[int, int] = field(default=(0, 0), init=False)
    _offset: timedelta = field(default=timedelta(), init=False)

    def now(self) -> Moment:
        at = wall() + self._current_offset()
        return Moment(at=at, on=at.astimezone(self.zone).date())

    def _current_offset(self) -> timedelta:
        if self.file is None:
            return self._offset
        status = os.stat(self.file)
        seen = (status.st_mtime_ns, status.st_ino)
        if seen != self._seen:
            self._offset = timedelta(seconds=json.loads(self.file.read_text())["offset_seconds"])
            self._seen = seen
        return self._offset
