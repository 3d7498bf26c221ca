"""Whatever lies in a topic is read as an event or as garbage, and both can be written down."""

import json
from collections.abc import Sequence

from aiokafka.structs import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from shared.events.registry import ContactErased, OrganisationRegistered
from shared.inbox import SEQ_MAX, Garbage, Handler, Received, consumer, copies_only, read

ENVELOPE_NAMES = st.sampled_from(["ce_id", "ce_type", "ce_eventseq", "ce_time", "x"])
ENVELOPE_VALUES = (
    st.none() | st.binary(max_size=20) | st.sampled_from([b"0198f2a0-0000-7000-8000-000000000001", OrganisationRegistered.type.encode(), b"1"])
)


async def nothing(_tx: object, _event: object) -> None:
    return None


HEARS = consumer(
    "a", topics=["registry.events"], handlers=[Handler(OrganisationRegistered, "copy", nothing), Handler(ContactErased, "effect", nothing)]
)


def record(key: bytes | None, headers: Sequence[tuple[str, bytes | None]], value: bytes | None) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord("registry.events", 0, 7, 0, 0, key, value, None, 0, 0, headers)


def envelope(**other: bytes) -> list[tuple[str, bytes | None]]:
    usual = {"ce_id": b"0198f2a0-0000-7000-8000-000000000001", "ce_type": b"registry.contact_erased.v1", "ce_eventseq": b"1"}
    return list((usual | {"ce_time": b"2025-09-01T00:00:00+00:00"} | other).items())


@given(
    key=st.none() | st.binary(max_size=20),
    headers=st.lists(st.tuples(ENVELOPE_NAMES, ENVELOPE_VALUES), max_size=6),
    value=st.none() | st.binary(max_size=50),
)
def test_any_record_is_read_and_fits_the_database(key: bytes | None, headers: list[tuple[str, bytes | None]], value: bytes | None) -> None:
    found = read(record(key, headers, value), topic="registry.events", consumer=HEARS)

    assert (found.offset, found.payload) == (7, value)
    for text in (found.key or "", *found.headers.values()):
        text.encode("utf-8")
        assert "\0" not in text
    assert "\\u0000" not in json.dumps(found.headers)


def test_a_sequence_may_have_any_value_that_its_column_holds() -> None:
    kinds = [
        type(read(record(b"k", envelope(ce_eventseq=str(seq).encode()), None), topic="t", consumer=HEARS)) for seq in (0, 1, SEQ_MAX, SEQ_MAX + 1)
    ]

    assert kinds == [Garbage, Received, Received, Garbage]


def test_a_tombstone_names_what_it_erases_by_its_key() -> None:
    found = read(record(b"91990000MA0000001B", envelope(), None), topic="registry.contacts", consumer=HEARS)

    assert isinstance(found, Received)
    assert isinstance(found.event, ContactErased)
    assert found.event.uscc == "91990000MA0000001B"


def test_a_rebuild_has_another_name_and_no_handler_that_tells_anybody() -> None:
    rebuild = copies_only(HEARS, name="b")

    assert (rebuild.name, set(rebuild.handlers), rebuild.topics) == ("b", {OrganisationRegistered.type}, HEARS.topics)
