"""What a request says where nobody reads it, and what is answered where there is no such method: told, never passed over."""

import httpx
import pytest

from tests.integration.shared.edge import READER, Call, Edge, note, write_call

SAYS_SOMETHING = {
    "a field": b'{"title": "a"}',
    "a dry_run": b'{"dry_run": true}',
    "null": b"null",
    "a list": b"[]",
    "no JSON": b"dry_run=true",
    "bytes that are not UTF-8": b"\xff\xfe",
    "an empty object twice": b"{}{}",
}


@pytest.mark.parametrize("body", SAYS_SOMETHING.values(), ids=SAYS_SOMETHING.keys())
async def test_a_body_that_nobody_reads_is_refused(edge: Edge, body: bytes) -> None:
    answer = await edge.send(Call("GET", "/v1/notes?limit=1", body))

    problem = answer.json()
    assert (answer.status_code, problem["code"], answer.headers["content-type"]) == (400, "body-unread", "application/problem+json")
    assert problem["title_zh"]
    assert problem["detail_zh"]


@pytest.mark.parametrize("body", [b"", b"{}", b" {}\n"], ids=["none", "an empty object", "one with white space"])
async def test_a_body_that_says_nothing_is_no_matter(edge: Edge, body: bytes) -> None:
    answer = await edge.send(Call("GET", "/v1/notes?limit=1", body))

    assert answer.status_code == 200


async def test_who_may_not_is_told_so_before_the_body_is_looked_at(edge: Edge) -> None:
    unsigned = await edge.client.request("GET", "/v1/notes", content=b'{"title": "a"}')
    without_scope = await edge.send(Call("POST", "/v1/notes:batch", b"{}", signer=READER, key="k"))

    assert (unsigned.status_code, without_scope.status_code) == (401, 403)


ADDRESSES = {
    "GET /v1/notes/": 404,
    "GET /v1/notes//": 404,
    "GET //v1/notes": 404,
    "GET /v1//notes": 404,
    "GET /V1/notes": 404,
    "GET /v1/Notes": 404,
    "GET /v1/notes.": 404,
    "GET /v1/notes;a=1": 404,
    "GET /v1/notes%20": 404,
    "GET /v1/notes%3Abatch": 405,
    "GET /": 404,
    "GET /v1": 404,
    "HEAD /v1/notes": 405,
    "OPTIONS /v1/notes": 405,
    "TRACE /v1/notes": 405,
    "get /v1/notes": 405,
    "PATCH /v1/notes:batch": 405,
}


@pytest.mark.parametrize(("address", "status"), ADDRESSES.items(), ids=ADDRESSES.keys())
async def test_another_spelling_of_an_address_is_another_address_and_told_so(edge: Edge, address: str, status: int) -> None:
    method, _, path = address.partition(" ")
    request = edge.client.build_request("GET", "/", headers=Call(method, path).signed_headers())
    request.method, request.url = method, httpx.URL("http://edge").copy_with(raw_path=path.encode())

    answer = await edge.client.send(request)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert method == "HEAD" or {"title_zh", "detail_zh"} <= answer.json().keys()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", "/v1/notes", "GET, POST"), ("GET", "/v1/notes:batch", "POST"), ("POST", "/v1/bugs", "GET"), ("POST", "/health/live", "GET")],
)
async def test_all_methods_of_an_address_are_told_where_another_was_sent(edge: Edge, method: str, path: str, allowed: str) -> None:
    answer = await edge.send(Call(method, path, key="k"))

    problem = answer.json()
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert allowed in problem["detail"]
    assert allowed in problem["detail_zh"]


async def test_the_same_key_under_another_spelling_of_the_address_is_another_request(edge: Edge) -> None:
    first = await edge.send(write_call())
    plain = Call("POST", f"/v1/notes/{first.json()['id']}:change", note("second"), key="spelt", if_match='"1"')
    encoded = Call("POST", f"/v1/notes/{first.json()['id']}%3Achange", note("second"), key="spelt", if_match='"1"')

    answers = [await edge.send(each) for each in (plain, encoded, plain)]

    assert [answer.status_code for answer in answers] == [200, 422, 200]
    assert answers[1].json()["code"] == "idempotency-key-reused"
    assert answers[2].content == answers[0].content


TWICE = {
    "another key": ("idempotency-key", "other", 400, "idempotency-key-missing"),
    "the same key again": ("idempotency-key", "said", 400, "idempotency-key-missing"),
    "another version": ("if-match", '"2"', 428, "if-match-missing"),
    "the same version again": ("if-match", '"1"', 428, "if-match-missing"),
}


@pytest.mark.parametrize(("name", "value", "status", "code"), TWICE.values(), ids=TWICE.keys())
async def test_of_two_keys_or_versions_none_is_taken_for_the_one_that_is_meant(edge: Edge, name: str, value: str, status: int, code: str) -> None:
    written = (await edge.send(write_call())).json()
    call = Call("POST", f"/v1/notes/{written['id']}:change", note("second"), key="said", if_match='"1"')
    before = await edge.written()

    answer = await edge.client.post(call.url, content=call.body, headers=[*call.signed_headers().items(), (name, value)])

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await edge.written() == before
