"""Days and instants on the wire: a day is YYYY-MM-DD and nothing else, an instant has its zone; a number is neither."""

import re
from datetime import date, datetime
from typing import Annotated, TypeAlias

from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY_AND_TIME = re.compile(rf"{_WRITTEN.pattern}[Tt]")


def _written(value: object) -> object:
    """A number of seconds or an instant would be a day in some zone or other."""
    if isinstance(value, date) or (isinstance(value, str) and _WRITTEN.fullmatch(value)):
        return value
    raise PydanticCustomError("date_parsing", "A day is written as YYYY-MM-DD")


def _written_instant(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _DAY_AND_TIME.match(value)):
        return value
    raise PydanticCustomError("datetime_parsing", "An instant is written as YYYY-MM-DDThh:mm:ss+08:00")


Day: TypeAlias = Annotated[date, BeforeValidator(_written)]
Instant: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_written_instant)]
