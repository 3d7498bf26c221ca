"""The published vectors and the worked example are what the services check."""

import json
import re
from typing import Any

import pytest

from deploy.clients import make_vectors
from shared.signature import SignedCall, is_signed_by, sign

VECTORS = json.loads(make_vectors.VECTORS.read_text(encoding="utf-8"))
RULE = make_vectors.VECTORS.with_name("SIGNATURE.md")


def signed_call(vector: dict[str, Any]) -> SignedCall:
    return SignedCall(**{**vector["call"], "body": vector["call"]["body"].encode()})


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_service_writes_the_canonical_text_and_the_signature_of_each_vector(vector: dict[str, Any]) -> None:
    call = signed_call(vector)

    assert call.canonical().decode() == vector["canonical_text"]
    assert sign(call, secret=vector["secret"]) == vector["signature"]


def test_the_published_file_is_what_the_script_writes() -> None:
    assert make_vectors.VECTORS.read_text(encoding="utf-8") == make_vectors.rendered()


@pytest.mark.parametrize("field", ["raw_query", "body", "if_match", "idempotency_key"])
def test_each_optional_part_is_empty_in_one_vector_and_filled_in_another(field: str) -> None:
    values = {bool(vector["call"][field]) for vector in VECTORS}

    assert values == {True, False}


def test_no_two_calls_that_differ_share_a_signature() -> None:
    calls = {json.dumps({**vector["call"], "method": vector["call"]["method"].upper()}, sort_keys=True): vector["signature"] for vector in VECTORS}

    assert len(calls) >= 12
    assert len(set(calls.values())) == len(calls)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_signature_made_with_another_secret_is_refused(vector: dict[str, Any]) -> None:
    assert is_signed_by(signed_call(vector), signature=vector["signature"], secrets=["old", vector["secret"]])
    assert not is_signed_by(signed_call(vector), signature=vector["signature"], secrets=["old", "new"])


def test_the_worked_example_of_the_rule_is_right() -> None:
    rule = RULE.read_text(encoding="utf-8")
    request, text = re.findall(r"```\n(.*?)\n```", rule, re.DOTALL)
    head, _, body = request.partition("\n\n")
    (method, target, _), *headers = [line.split() for line in head.splitlines()]
    sent = {name.rstrip(":"): value for name, value in headers}
    raw_path, _, raw_query = target.partition("?")

    call = SignedCall(
        audience="applications",
        method=method,
        raw_path=raw_path,
        raw_query=raw_query,
        body=body.encode(),
        if_match=sent["If-Match"],
        timestamp=sent["X-Timestamp"],
        idempotency_key=sent["Idempotency-Key"],
    )

    assert call.canonical().decode() == text
    assert f"`X-Signature: {sign(call, secret=make_vectors.SECRET)}`" in rule
