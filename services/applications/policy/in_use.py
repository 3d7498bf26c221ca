"""The catalogue that this process works by: read once, at the first use or at start, whichever comes first."""

from functools import cache

from services.applications.policy import load
from services.applications.policy.catalogue import Catalogue


@cache
def catalogue() -> Catalogue:
    return load()
