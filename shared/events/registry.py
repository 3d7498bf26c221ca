"""What the registry announces: organisations, their permits and filings, and parks."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from shared.events import Event


class OrganisationEvent(Event):
    """Carries the whole state of the organisation after the change, so that a copy needs no history."""

    topic: ClassVar[str] = "registry.events"

    uscc: str
    kind: str
    name: str
    jurisdiction_id: str
    status: str
    version: int

    def key(self) -> str:
        return self.uscc


class OrganisationRegistered(OrganisationEvent):
    type: ClassVar[str] = "registry.organisation_registered.v1"


class OrganisationChanged(OrganisationEvent):
    type: ClassVar[str] = "registry.organisation_changed.v1"


class OrganisationEnded(OrganisationEvent):
    """`ended_on` is the first day on which it is no more."""

    type: ClassVar[str] = "registry.organisation_ended.v1"

    cause: str
    # Not in events of the first days.
    ended_on: date | None = None
    cause_title_zh: str | None = None


class InstitutionEvent(Event):
    """An HR institution's permit or filing as one recorded fact (人力资源市场暂行条例 18)."""

    topic: ClassVar[str] = "registry.events"

    institution_id: UUID
    uscc: str
    basis: str
    number: str
    scope: tuple[str, ...]
    first_day: date
    last_day: date | None = None

    def key(self) -> str:
        return self.uscc


class InstitutionRecorded(InstitutionEvent):
    type: ClassVar[str] = "registry.institution_recorded.v1"


class InstitutionChanged(InstitutionEvent):
    type: ClassVar[str] = "registry.institution_changed.v1"


class InstitutionEnded(InstitutionEvent):
    type: ClassVar[str] = "registry.institution_ended.v1"

    ended_on: date
    cause: str
    # Not in events of the first days.
    cause_title_zh: str | None = None


class ParkEvent(Event):
    """Keyed by the operator, so that a park's facts keep their order with the operator's own.

    When the operator changes so does the key: a copy takes the park's own fields only from a `version` above the one it has.
    """

    topic: ClassVar[str] = "registry.events"

    park_code: str
    name: str
    operator_uscc: str
    jurisdiction_id: str
    version: int | None = None

    def key(self) -> str:
        return self.operator_uscc


class ParkRegistered(ParkEvent):
    type: ClassVar[str] = "registry.park_registered.v1"


class ParkChanged(ParkEvent):
    type: ClassVar[str] = "registry.park_changed.v1"


class ParkRecognised(ParkEvent):
    type: ClassVar[str] = "registry.park_recognised.v1"

    level: str
    approved_on: date
    document: str


class ParkAssessed(ParkEvent):
    type: ClassVar[str] = "registry.park_assessed.v1"

    year: int
    result: str
    document: str


class ContactRecorded(Event):
    """On the compacted topic, read by notifications alone; a tombstone (empty body) under the same key erases."""

    type: ClassVar[str] = "registry.contact_recorded.v1"
    topic: ClassVar[str] = "registry.contacts"

    uscc: str
    contact_name: str
    mobile: str

    def key(self) -> str:
        return self.uscc


class ContactErased(Event):
    type: ClassVar[str] = "registry.contact_erased.v1"
    topic: ClassVar[str] = "registry.contacts"
    tombstone: ClassVar[bool] = True

    uscc: str

    def key(self) -> str:
        return self.uscc


EVENTS: tuple[type[Event], ...] = (
    OrganisationRegistered,
    OrganisationChanged,
    OrganisationEnded,
    InstitutionRecorded,
    InstitutionChanged,
    InstitutionEnded,
    ParkRegistered,
    ParkChanged,
    ParkRecognised,
    ParkAssessed,
    ContactRecorded,
    ContactErased,
)
