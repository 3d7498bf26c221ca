"""JSON as the edge reads it: what is right comes through unchanged, what RFC 8259 leaves open is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.body import BodyUnreadable, TextUnstorable, read_json

# Surrogates cannot be drawn by st.text(); U+0000 is left out here.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(st.none() | st.booleans() | NUMBERS | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner))


@given(value=VALUES, escaped=st.booleans())
def test_every_value_comes_through_unchanged(value: Any, escaped: bool) -> None:
    assert read_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        read_json(body)
    except (BodyUnreadable, TextUnstorable):
        return
    assert json.loads(body) is not Ellipsis


@given(name=TEXTS, others=st.dictionaries(TEXTS, st.integers()), depth=st.integers(0, 5))
def test_a_name_given_twice_is_refused_at_any_depth(name: str, others: dict[str, int], depth: int) -> None:
    members = [*others.items(), (name, 1), (name, 2)]
    twice = "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in members) + "}"

    with pytest.raises(BodyUnreadable, match="twice"):
        read_json(("[" * depth + twice + "]" * depth).encode())
