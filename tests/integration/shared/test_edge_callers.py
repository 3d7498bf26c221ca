"""Who is calling, and may they? The answer comes before anything of the content is looked at."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from starlette.requests import Request

from shared.auth import KEYS_KEPT_S, SUBJECT_CHARACTERS_MAX, Authenticator, TokenRefused
from shared.signature import EARLY_S_MAX, LATE_S_MAX
from tests.integration.shared.edge import (
    DISTRICT,
    OTHER_DISTRICT,
    READER,
    ROTATING,
    SERVICE,
    Call,
    Edge,
    changed,
    edge_app,
    edge_settings,
    note,
    running_edge,
    write_call,
)
from tests.runtime import Database

ISSUER = "https://staff.example.invalid"
KEY = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": "one"}, private=True)
SECOND_KEY = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": "two"}, private=True)
STRANGE_KEY = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": "one"}, private=True)
# Far enough inside or outside a window that a slow second of this machine does not matter.
SLACK_S = 5


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keys: Path = tmp_path_factory.mktemp("issuer") / "jwks.json"
    keys.write_text(json.dumps(KeySet([KEY, SECOND_KEY]).as_dict(private=False)))
    return keys


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def staffed(note_database: Database, key_file: Path) -> AsyncIterator[Edge]:
    """The edge with an issuer of staff tokens that has two keys."""
    async with running_edge(note_database, staff_jwks=str(key_file), staff_issuer=ISSUER) as running:
        yield running


def claims(**other: Any) -> dict[str, Any]:
    now_s = int(time.time())
    usual = {"iss": ISSUER, "sub": "officer-1", "aud": [SERVICE], "exp": now_s + 600, "roles": ["registrar"], "jurisdictions": ["huancui"]}
    return {name: value for name, value in (usual | other).items() if value is not None}


def token(key: Any = KEY, *, header: Mapping[str, Any] | None = None, **other: Any) -> str:
    head = {"alg": "ES256", "kid": "one"} if header is None else dict(header)
    return jwt.encode(head, claims(**other), key, algorithms=[head["alg"]])


def signed(content: bytes) -> str:
    """A token of the issuer with these bytes for its claims."""
    return jws.serialize_compact({"alg": "ES256", "kid": "one"}, content, KEY)


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def unsigned(header: object, payload: object) -> str:
    return ".".join([base64url(json.dumps(part).encode()) for part in (header, payload)] + [""])


def signed_with_the_public_key() -> str:
    """Made by hand, because a library of good will refuses to."""
    start = unsigned({"alg": "HS256", "kid": "one"}, claims()).rstrip(".")
    return f"{start}.{base64url(hmac.digest(KEY.as_pem(private=False), start.encode(), 'sha256'))}"


async def write_as_staff(edge: Edge, bearer: str, *, body: bytes | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {bearer}", "idempotency-key": f"k{time.monotonic_ns()}", "content-type": "application/json"}
    return await edge.client.post("/v1/notes", content=note() if body is None else body, headers=headers)


async def test_a_signed_call_is_taken(edge: Edge) -> None:
    answer = await edge.send(write_call())

    assert answer.status_code == 201
    (row,) = await edge.rows(f"SELECT written_by FROM {SERVICE}.note WHERE id = $1", answer.json()["id"])
    assert row["written_by"] == f"system:{DISTRICT.id}"


async def test_an_unsigned_call_is_asked_to_sign(edge: Edge) -> None:
    before = await edge.written()

    answer = await edge.client.post("/v1/notes", content=note(), headers={"content-type": "application/json"})

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (401, "not-signed")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Bearer" in answer.headers["www-authenticate"]
    assert problem["title_zh"]
    assert len(problem["trace_id"]) == 32
    assert problem["trace_id"] != "0" * 32
    assert await edge.written() == before


STRANGER = DISTRICT.model_copy(update={"app_key": "key-of-nobody"})
WRONGLY_SIGNED = {
    "an unknown key": write_call(signer=STRANGER),
    "an unknown key with the stand-in secret": write_call(signer=STRANGER, secret="unknown"),
    "a wrong secret": write_call(secret="another"),
    "another's secret": write_call(secret=OTHER_DISTRICT.secrets[0].get_secret_value()),
    "an empty signature": changed(write_call(), **{"x-signature": ""}),
    "a signature in capitals": changed(write_call(), **{"x-signature": "AB" * 32}),
    "no time stamp": changed(write_call(), **{"x-timestamp": ""}),
    "another time stamp": changed(write_call(), **{"x-timestamp": "1"}),
    "another key of idempotency": changed(write_call(), **{"idempotency-key": "another"}),
    "an If-Match that was not signed": changed(write_call(), **{"if-match": '"3"'}),
}


@pytest.mark.parametrize("call", WRONGLY_SIGNED.values(), ids=WRONGLY_SIGNED.keys())
async def test_a_wrong_signature_is_refused_and_says_nothing_of_why(edge: Edge, call: Call) -> None:
    before = await edge.written()

    answer = await edge.send(call)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (401, "signature-wrong")
    assert problem["detail"] == "The app key is unknown or the signature does not match the call."
    assert await edge.written() == before


@pytest.mark.parametrize(
    "sent", [{"body": note(amount_fen=101)}, {"url": "/v1/notes?a=1"}, {"method": "PUT"}], ids=["another body", "another query", "another method"]
)
async def test_what_is_signed_cannot_be_changed_on_the_way(edge: Edge, sent: dict[str, Any]) -> None:
    call = write_call()
    headers = call.signed_headers()
    on_the_way = replace(call, **sent)

    answer = await edge.client.request(on_the_way.method, on_the_way.url, content=on_the_way.body, headers=headers)

    assert answer.status_code in (401, 405)


@pytest.mark.parametrize("age_s", [LATE_S_MAX - SLACK_S, -(EARLY_S_MAX - SLACK_S)], ids=["late", "early"])
async def test_a_time_stamp_inside_the_window_is_taken(edge: Edge, age_s: int) -> None:
    answer = await edge.send(write_call(age_s=age_s))

    assert answer.status_code == 201


@pytest.mark.parametrize("age_s", [LATE_S_MAX + SLACK_S, -(EARLY_S_MAX + SLACK_S)], ids=["late", "early"])
async def test_a_time_stamp_outside_the_window_is_told_the_servers_time(edge: Edge, age_s: int) -> None:
    before = await edge.written()

    answer = await edge.send(write_call(age_s=age_s))

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (401, "signature-late")
    assert abs(problem["server_time"] - time.time()) < SLACK_S
    assert await edge.written() == before


@pytest.mark.parametrize("secret", ["the-old-secret-of-a-rotating-system", "the-new-secret-of-a-rotating-system"])
async def test_while_a_key_is_changed_both_are_live(edge: Edge, secret: str) -> None:
    answer = await edge.send(write_call(signer=ROTATING, secret=secret))

    assert answer.status_code == 201


async def test_a_read_may_be_repeated_inside_the_window(edge: Edge) -> None:
    headers = Call("GET", "/v1/notes?title=nothing").signed_headers()

    answers = [await edge.client.get("/v1/notes?title=nothing", headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_the_order_of_the_query_does_not_matter_but_its_spelling_does(edge: Edge) -> None:
    headers = Call("GET", "/v1/notes?limit=2&title=%61").signed_headers()

    reordered = await edge.client.get("/v1/notes?title=%61&limit=2", headers=headers)
    respelled = await edge.client.get("/v1/notes?limit=2&title=a", headers=headers)

    assert (reordered.status_code, respelled.status_code) == (200, 401)


@pytest.mark.parametrize("body", [note(), b"not json", b'{"amount_fen": 1.5}'], ids=["right", "malformed", "wrong content"])
async def test_a_missing_scope_is_refused_before_the_content_is_looked_at(edge: Edge, body: bytes) -> None:
    before = await edge.written()

    answer = await edge.send(write_call(body, signer=READER))

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (403, "scope-missing")
    assert "notes:write" in problem["detail"]
    assert await edge.written() == before


@pytest.mark.parametrize("body", [b"not json", b'{"amount_fen": 1.5}'], ids=["malformed", "wrong content"])
async def test_an_unknown_caller_is_refused_before_the_content_is_looked_at(edge: Edge, body: bytes) -> None:
    answer = await edge.send(write_call(body, secret="another", key=""))

    assert answer.status_code == 401


MISSING: dict[str, tuple[Call, tuple[int, str]]] = {
    "the key": (write_call(b'{"amount_fen": 1.5}', key=""), (400, "idempotency-key-missing")),
    "the version": (Call("POST", "/v1/notes/no-id:change", b'{"amount_fen": 1.5}', key="k"), (428, "if-match-missing")),
    "nothing": (Call("POST", "/v1/notes/no-id:change", b'{"amount_fen": 1.5}', key="k", if_match='"1"'), (422, "invalid")),
}


@pytest.mark.parametrize(("call", "told"), MISSING.values(), ids=MISSING.keys())
async def test_a_header_that_is_missing_is_asked_for_before_the_content_is_judged(edge: Edge, call: Call, told: tuple[int, str]) -> None:
    before = await edge.written()

    answer = await edge.send(call)

    assert (answer.status_code, answer.json()["code"]) == told
    assert await edge.written() == before


async def test_a_token_of_the_issuer_is_taken_with_the_scopes_of_its_roles(staffed: Edge) -> None:
    written = await write_as_staff(staffed, token())
    by_the_second_key = await write_as_staff(staffed, token(SECOND_KEY, header={"alg": "ES256", "kid": "two"}))
    without_the_scope = await write_as_staff(staffed, token(roles=["reader"]))
    without_a_role = await write_as_staff(staffed, token(roles=None))

    assert [each.status_code for each in (written, by_the_second_key, without_the_scope, without_a_role)] == [201, 201, 403, 403]
    (row,) = await staffed.rows(f"SELECT written_by FROM {SERVICE}.note WHERE id = $1", written.json()["id"])
    assert row["written_by"] == f"staff:{ISSUER}|officer-1"


RSA = RSAKey.generate_key(2048, private=True)
BAD_TOKENS: dict[str, str] = {
    "for another service": token(aud=["budget"]),
    "without a service": token(aud=None),
    "expired": token(exp=int(time.time()) - 60),
    "without an end": token(exp=None),
    "with an end that is no number": token(exp="tomorrow"),
    "not valid yet": token(nbf=int(time.time()) + 600),
    "of another issuer": token(iss="https://other.example.invalid"),
    "without an issuer": token(iss=None),
    "without a subject": token(sub=None),
    "with an empty subject": token(sub=""),
    "with a subject that is no text": token(sub={"a": 1}),
    "with alg none": unsigned({"alg": "none", "kid": "one"}, claims()),
    "with alg none in capitals": unsigned({"alg": "NONE"}, claims()),
    "signed with the public key as a secret": signed_with_the_public_key(),
    "signed by a key of the same name": token(STRANGE_KEY),
    "signed by a key with an unknown name": token(header={"alg": "ES256", "kid": "three"}),
    "without a key's name": token(header={"alg": "ES256"}),
    "with another kind of key": token(RSA, header={"alg": "RS256", "kid": "one"}),
    "with a list for an algorithm": unsigned({"alg": ["ES256"], "kid": "one"}, claims()),
    "with a list for a header": unsigned([], claims()),
    "with a number for a key's name": unsigned({"alg": "ES256", "kid": {"a": 1}}, claims()),
    "with a list for its claims": unsigned({"alg": "ES256"}, [1, 2]),
    "with a text for a header": unsigned("alg", claims()),
    "with a list that names an algorithm for a header": unsigned(["alg"], claims()),
    "with a number for its critical headers": unsigned({"alg": "ES256", "kid": "one", "crit": 5}, claims()),
    "with critical headers that are no texts": unsigned({"alg": "ES256", "kid": "one", "crit": [{}, 1]}, claims()),
    "with a critical header nobody knows": unsigned({"alg": "ES256", "kid": "one", "crit": ["x"], "x": 1}, claims()),
    "with a subject that no database holds": token(sub="a\0b"),
    "with half of a surrogate pair for a subject": signed(json.dumps(claims(sub="a\ud800b")).encode()),
    "with a subject longer than any may be": token(sub="a" * (SUBJECT_CHARACTERS_MAX + 1)),
    "with claims nested 3,000 deep": signed(json.dumps(claims()).encode()[:-1] + b', "a": ' + b"[" * 3_000 + b"]" * 3_000 + b"}"),
    "with a jurisdiction that no database holds": token(jurisdictions=["a\0b"]),
    "with half of a surrogate pair for a jurisdiction": signed(json.dumps(claims(jurisdictions=["\ud800"])).encode()),
    "with roles that are no list": token(roles=7),
    "with a role that is no text": token(roles=[{"a": 1}]),
    "with jurisdictions that are no list": token(jurisdictions=7),
    "with a jurisdiction that is no text": token(jurisdictions=[{"a": 1}]),
    "of one part": "abc",
    "of five parts": "a.b.c.d.e",
    "of empty parts": "..",
    "of no base64": "!!.??.**",
}


@pytest.mark.parametrize("bearer", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
async def test_a_token_is_refused(staffed: Edge, bearer: str) -> None:
    before = await staffed.written()

    answer = await write_as_staff(staffed, bearer, body=b"not json")

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (401, "token-refused")
    assert bearer not in answer.text
    assert await staffed.written() == before


async def test_the_longest_subject_is_taken(staffed: Edge) -> None:
    answer = await write_as_staff(staffed, token(sub="a" * SUBJECT_CHARACTERS_MAX))

    assert answer.status_code == 201


async def test_a_header_that_is_no_bearer_token_is_asked_to_sign(staffed: Edge) -> None:
    answers = [await staffed.client.get("/v1/notes", headers={"authorization": value}) for value in ("Basic YTpi", "Bearer", "Bearer ", "")]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(401, "not-signed")] * 4


async def test_without_an_issuer_no_token_is_taken(edge: Edge) -> None:
    answer = await write_as_staff(edge, token())

    assert (answer.status_code, answer.json()["code"]) == (401, "token-refused")


async def test_a_token_that_was_taken_is_refused_once_its_key_is_taken_back(note_database: Database, tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(KeySet([KEY, SECOND_KEY]).as_dict(private=False)))
    app = edge_app(edge_settings(database_url=note_database.sqlalchemy_url(SERVICE), staff_jwks=str(keys), staff_issuer=ISSUER))
    authenticator: Authenticator = app.state.authenticator
    request = Request({"type": "http", "headers": [(b"authorization", f"Bearer {token()}".encode())]})

    callers = [await authenticator.authenticate(request, body=b"") for _ in range(2)]
    keys.write_text(json.dumps(KeySet([SECOND_KEY]).as_dict(private=False)))
    authenticator._keys_read_s -= KEYS_KEPT_S

    assert callers[0] == callers[1]
    with pytest.raises(TokenRefused):
        await authenticator.authenticate(request, body=b"")


async def test_while_the_issuer_cannot_be_reached_staff_are_asked_to_come_back(note_database: Database) -> None:
    async with running_edge(note_database, staff_jwks="https://127.0.0.1:1/jwks", staff_issuer=ISSUER) as edge:
        as_staff = await write_as_staff(edge, token())
        as_system = await edge.send(write_call())

    assert (as_staff.status_code, as_staff.json()["code"]) == (503, "issuer-away")
    assert int(as_staff.headers["retry-after"]) >= 1
    assert as_system.status_code == 201
