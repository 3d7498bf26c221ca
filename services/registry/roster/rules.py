"""What a row of a roster says, and what may become of it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from services.registry.institution.rules import Fact
from services.registry.organisation.rules import Particulars
from shared.errors import Conflict, Refusal


class RowStatus(StrEnum):
    """`changed` when anything of the row is new: the organisation's particulars, its permit or filing, or its contact."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class RowRepeated(Conflict):
    code = "row-repeated"
    title_en = "This organisation stands in the same call already"
    title_zh = "同一批次中重复"
    remedy_en = "Send each organisation once a call; a second permit or filing goes with the next call."
    remedy_zh = "每批每个组织只报一行；另一项许可或备案请在下一批报送。"


@dataclass(frozen=True, kw_only=True)
class Contact:
    contact_name: str
    mobile: str


@dataclass(frozen=True, kw_only=True)
class RosterRow:
    """An organisation, and what else is told of it; what is absent is left as it is."""

    uscc: str
    particulars: Particulars
    fact: Fact | None
    contact: Contact | None


@contextlib.contextmanager
def beneath(pointer: str) -> Iterator[None]:
    """A refusal of a part of the row points into the row."""
    try:
        yield
    except Refusal as refusal:
        refusal.problems = tuple(replace(each, pointer=pointer + each.pointer) for each in refusal.problems)
        raise
