"""Types of request bodies that several nouns share."""

import re
from datetime import date
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

# As a system names its officers. It becomes part of an id, so it holds no separator of ours.
OfficerName: TypeAlias = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9._-]+$")]


def _day(value: object) -> object:
    """A number of seconds or an instant would be a day in some zone or other."""
    if isinstance(value, date) or (isinstance(value, str) and _DAY.fullmatch(value)):
        return value
    raise PydanticCustomError("date_parsing", "A day is written as YYYY-MM-DD")


Day: TypeAlias = Annotated[date, BeforeValidator(_day)]
