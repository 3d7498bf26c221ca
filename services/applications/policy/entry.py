"""A dated entry of policy data: its days, its clause, and what of it the law leaves open."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, TypeVar

from pydantic import Field

from shared.dated import Dated, Text


class Entry(Dated):
    """A dated entry. `fingerprint` is the SHA-256 of what the file says, all but `last_day`: a successor may end it, nothing may change it."""

    policy_id: str
    section: str
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    id: Annotated[str, Field(min_length=1, max_length=40)]
    title_zh: Text
    title_en: Text
    last_day: date
    # Document number, place in the document, and the words relied on.
    source: Annotated[str, Field(pattern=r"^\S+ \S+: .+$")]

    @property
    def version(self) -> str:
        """For instance 2023-15/items/4b@2023-06-12: what a case is pinned to."""
        return f"{self.policy_id}/{self.section}/{self.id.removeprefix(self.policy_id + '/')}@{self.first_day.isoformat()}"


EntryT = TypeVar("EntryT", bound=Entry)


def all_in_force(entries: Iterable[EntryT], *, on: date) -> tuple[EntryT, ...]:
    return tuple(entry for entry in entries if entry.is_in_force(on))
