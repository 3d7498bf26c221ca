"""The canonical text of a call: every part of it counts, and no part can be taken for another."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.signature import SignedCall, is_signed_by, sign

CALL = SignedCall(
    audience="applications",
    method="POST",
    raw_path="/v1/applications",
    raw_query="b=2&a=1",
    body=b'{"a":1}',
    if_match='"3"',
    timestamp="1756684800",
    idempotency_key="k1",
)
OTHERS = {
    "audience": "budget",
    "method": "PUT",
    "raw_path": "/v1/applications/",
    "raw_query": "b=2&a=2",
    "body": b'{"a":2}',
    "if_match": '"4"',
    "timestamp": "1756684801",
    "idempotency_key": "k2",
}


@pytest.mark.parametrize("part", OTHERS)
def test_a_change_of_any_part_breaks_the_signature(part: str) -> None:
    signature = sign(CALL, secret="secret")
    changed = replace(CALL, **{part: OTHERS[part]})  # type: ignore[arg-type]

    assert is_signed_by(CALL, signature=signature, secrets=["secret"])
    assert not is_signed_by(changed, signature=signature, secrets=["secret"])


def test_the_query_may_come_in_any_order() -> None:
    assert CALL.canonical() == replace(CALL, raw_query="a=1&b=2").canonical()


def test_the_method_may_come_in_small_letters() -> None:
    assert CALL.canonical() == replace(CALL, method="post").canonical()


@given(st.lists(st.text("ab=%&", max_size=4), max_size=4))
def test_the_pairs_of_a_query_are_neither_decoded_nor_dropped(pairs: list[str]) -> None:
    written = "&".join(pairs)
    line = replace(CALL, raw_query=written).canonical().decode().split("\n")[3]

    assert sorted(filter(None, line.split("&"))) == sorted(filter(None, written.split("&")))


@pytest.mark.parametrize(("secrets", "accepted"), [(["old", "new"], True), (["new"], True), (["old"], False), ([], False)])
def test_any_live_key_will_do(secrets: list[str], accepted: bool) -> None:
    assert is_signed_by(CALL, signature=sign(CALL, secret="new"), secrets=secrets) is accepted


@pytest.mark.parametrize("signature", ["", "é", "0" * 64, sign(CALL, secret="new").upper(), sign(CALL, secret="new") + " "])
def test_a_signature_that_is_none_is_refused(signature: str) -> None:
    assert not is_signed_by(CALL, signature=signature, secrets=["new"])
