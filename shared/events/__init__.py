"""The event envelope: CloudEvents 1.0 in binary mode on Kafka, and the base of every event body."""

from datetime import date
from functools import lru_cache
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic_core import to_json

# Headers of the envelope; `ce_eventseq` counts per (topic, key) and is what the inbox checks for gaps.
HEADER_ID = "ce_id"
HEADER_TYPE = "ce_type"
HEADER_SEQ = "ce_eventseq"
HEADER_TIME = "ce_time"
HEADER_TRACE = "ce_traceparent"

PAYLOAD_BYTES_MAX = 256 * 1024


class Event(BaseModel):
    """A fact that happened. Bodies only ever gain optional fields; anything else is a new major version of `type`.

    `happened_at` and `happened_on` are business time: consumers take the date and the fiscal year from here, never from a clock.
    No event carries personal data or a bank account; of a person's number there is at most a mark that none of its readers has the key of.
    """

    # Unknown fields are ignored on reading, so that a producer may add an optional one before its consumers know it.
    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    topic: ClassVar[str]
    # On a compacted topic an empty body under the key erases what was said before.
    tombstone: ClassVar[bool] = False

    happened_at: AwareDatetime
    happened_on: date

    def key(self) -> str:
        """The Kafka key: everything about one key keeps its order."""
        raise NotImplementedError

    def subject(self) -> str:
        return self.key()


def encode(event: Event) -> bytes | None:
    """The body as sent (None for a tombstone); raises ValueError above PAYLOAD_BYTES_MAX."""
    if event.tombstone:
        return None
    payload = to_json(event, exclude_none=True)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"{event.type} has {len(payload)} bytes, at most {PAYLOAD_BYTES_MAX} fit")
    return payload


def envelope(event: Event, *, event_id: str, sent_at: str, traceparent: str | None) -> dict[str, str]:
    """CloudEvents 1.0 binary-mode headers (Kafka protocol binding: every attribute prefixed with `ce_`), all but the sequence."""
    headers = _headers_of_type(event.type) | {HEADER_ID: event_id, HEADER_TIME: sent_at, "ce_subject": event.subject()}
    if traceparent is not None:
        headers[HEADER_TRACE] = traceparent
    return headers


@lru_cache(maxsize=1_000)
def _headers_of_type(event_type: str) -> dict[str, str]:
    return {
        "ce_specversion": "1.0",
        "ce_source": f"/{event_type.partition('.')[0]}",
        HEADER_TYPE: event_type,
        "ce_dataschema": f"urn:event:{event_type}",
        "content-type": "application/json",
    }
