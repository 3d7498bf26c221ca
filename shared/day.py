"""A day on the wire: YYYY-MM-DD and nothing else."""

import re
from datetime import date
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _written(value: object) -> object:
    """A number of seconds or an instant would be a day in some zone or other."""
    if isinstance(value, date) or (isinstance(value, str) and _WRITTEN.fullmatch(value)):
        return value
    raise PydanticCustomError("date_parsing", "A day is written as YYYY-MM-DD")


Day: TypeAlias = Annotated[date, BeforeValidator(_written)]
