"""The Python client: signs what it sends, keeps the key of an act over its tries, and says readably what was refused."""

import asyncio
import contextlib
import json
import urllib.parse
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.clients import client
from deploy.clients.client import Refused, SignedClient, StaffClient
from shared.signature import SignedCall, sign

URL = "http://service.test"
SECRET = "s3cret-密"
NOW_S = 1_756_688_400.9
IN_FLIGHT = {"code": "request-in-flight", "title": "The same request is being handled at this moment"}

ascii_line = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40)
query = st.lists(st.tuples(ascii_line, ascii_line), max_size=6).map(lambda pairs: urllib.parse.urlencode(pairs))


class Service:
    """Answers from a list, the last one for ever; keeps what came in. An exception in the list is raised."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.received: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.received.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def pause(self, wait_s: float) -> None:
        self.pauses.append(wait_s)

    def client(self, *, now_s: Callable[[], float] = lambda: NOW_S, tries_max: int = 3) -> SignedClient:
        return SignedClient(
            URL,
            audience="applications",
            app_key="key-1",
            secret=SECRET,
            now_s=now_s,
            tries_max=tries_max,
            transport=httpx.MockTransport(self),
            pause=self.pause,
        )

    def keys(self) -> list[str]:
        return [request.headers["idempotency-key"] for request in self.received]


def expected_signature(request: httpx.Request, *, raw_path: str, raw_query: str) -> str:
    call = SignedCall(
        audience="applications",
        method=request.method,
        raw_path=raw_path,
        raw_query=raw_query,
        body=request.content,
        if_match=request.headers.get("if-match", ""),
        timestamp=request.headers["x-timestamp"],
        idempotency_key=request.headers.get("idempotency-key", ""),
    )
    return sign(call, secret=SECRET)


@given(
    audience=ascii_line,
    method=st.sampled_from(["GET", "POST", "post", "Patch"]),
    raw_path=ascii_line,
    raw_query=ascii_line | query,
    body=st.binary(max_size=200),
    if_match=ascii_line,
    timestamp=st.integers(min_value=0, max_value=10**12).map(str),
    idempotency_key=ascii_line,
    secret=st.text(min_size=1, max_size=40),
)
def test_the_client_signs_as_the_services_check(secret: str, **call: Any) -> None:
    text = client.canonical_text(**call)

    assert text.encode() == SignedCall(**call).canonical()
    assert client.signature(text, secret=secret) == sign(SignedCall(**call), secret=secret)


@pytest.mark.parametrize(
    ("target", "params"),
    [
        ("/v1/items", None),
        ("/v1/applications:batch", None),
        ("/v1/parks/%E7%BB%8F%e5%8c%ba%2F01%3a", None),
        ("/v1/organisations?text=a+b%20c&kind=b&kind=a&&", None),
        ("/v1/园区?名=海 边", None),
        ("/v1/organisations", {"text": "劳动 & 人才+", "limit": 50}),
        ("/v1/organisations", [("kind", "b"), ("kind", "a"), ("cursor", "")]),
    ],
)
async def test_path_and_query_are_signed_as_they_arrive(target: str, params: client.Pairs | None) -> None:
    async with recording_server() as (url, arrived), SignedClient(url, audience="applications", app_key="key-1", secret=SECRET) as system:
        answer = await system.get(target, params=params)

    request_line = arrived[0].split(b"\r\n")[0].decode("ascii")
    raw_path, _, raw_query = request_line.split(" ")[1].partition("?")
    assert answer.request.headers["x-signature"] == expected_signature(answer.request, raw_path=raw_path, raw_query=raw_query)


async def test_body_if_match_and_key_are_signed_as_they_are_sent() -> None:
    service = Service(httpx.Response(200))

    await service.client().post("/v1/applications/1:withdraw", json={"reason": "单位撤回"}, if_match='"3"')

    (request,) = service.received
    assert request.headers["if-match"] == '"3"'
    assert request.headers["x-app-key"] == "key-1"
    assert request.headers["x-timestamp"] == "1756688400"
    assert json.loads(request.content) == {"reason": "单位撤回"}
    assert request.headers["x-signature"] == expected_signature(request, raw_path="/v1/applications/1:withdraw", raw_query="")


async def test_a_read_carries_no_key_and_each_act_a_new_one() -> None:
    service = Service(httpx.Response(200))
    system = service.client()

    await system.get("/v1/items")
    await system.post("/v1/applications", json={})
    await system.post("/v1/applications", json={})

    assert "idempotency-key" not in service.received[0].headers
    first, second = (request.headers["idempotency-key"] for request in service.received[1:])
    assert first != second


async def test_an_act_of_before_is_gone_on_with_under_its_key() -> None:
    service = Service(httpx.Response(200))

    await service.client().post("/v1/applications", json={}, idempotency_key="act-7")

    assert service.keys() == ["act-7"]


@pytest.mark.parametrize(
    ("first", "pause_s"),
    [
        (httpx.ConnectError("refused"), 0.5),
        (httpx.ReadTimeout("no answer"), 0.5),
        (httpx.Response(409, json=IN_FLIGHT), 1.0),
        (httpx.Response(503, headers={"retry-after": "2"}), 2.0),
        (httpx.Response(429, headers={"retry-after": "3"}), 3.0),
        (httpx.Response(503, headers={"retry-after": "3600"}), client.WAIT_S_MAX),
    ],
)
async def test_an_act_not_known_to_be_done_is_repeated_with_its_key(first: httpx.Response | Exception, pause_s: float) -> None:
    service = Service(first, httpx.Response(201, json={"case_number": "1"}))

    answer = await service.client().post("/v1/applications", json={"a": 1})

    assert answer.json() == {"case_number": "1"}
    assert service.pauses == [pause_s]
    once, again = service.received
    assert once.headers["idempotency-key"] == again.headers["idempotency-key"]
    assert once.content == again.content


async def test_a_repeat_is_signed_anew_for_its_own_time() -> None:
    times = iter([1_756_688_400.0, 1_756_688_402.0])
    service = Service(httpx.ReadError("gone"), httpx.Response(200))

    await service.client(now_s=lambda: next(times)).post("/v1/applications", json={})

    assert [request.headers["x-timestamp"] for request in service.received] == ["1756688400", "1756688402"]
    last = service.received[-1]
    assert last.headers["x-signature"] == expected_signature(last, raw_path="/v1/applications", raw_query="")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(409, json={"code": "state-refuses"}),
        httpx.Response(422, json={"code": "above-ceiling"}),
        httpx.Response(503, text="a gateway that does not say when"),
        httpx.Response(401, json={"code": "signature-late"}),
        httpx.Response(500, json={"code": "fault"}),
    ],
)
async def test_an_answer_that_a_repeat_cannot_change_is_raised_at_once(answer: httpx.Response) -> None:
    service = Service(answer)

    with pytest.raises(Refused) as refused:
        await service.client().post("/v1/applications", json={})

    assert refused.value.status == answer.status_code
    assert len(service.received) == 1
    assert service.pauses == []


async def test_the_last_try_is_the_last() -> None:
    busy, gone = Service(httpx.Response(409, json=IN_FLIGHT)), Service(httpx.ConnectError("refused"))

    with pytest.raises(Refused):
        await busy.client(tries_max=3).post("/v1/applications", json={})
    with pytest.raises(httpx.ConnectError):
        await gone.client(tries_max=3).post("/v1/applications", json={})

    assert len(busy.received) == len(gone.received) == 3
    assert gone.pauses == [0.5, 1.0]


async def test_a_refusal_reads_as_a_sentence_and_keeps_the_problem() -> None:
    problem = {
        "code": "invalid",
        "title": "Some fields are not valid",
        "title_zh": "部分字段填写有误",
        "detail": "1 field(s) must be corrected.",
        "errors": [{"pointer": "/requested_fen", "detail": "must be above 0", "detail_zh": "必须大于0"}],
        "remedy_zh": "请更正",
        "trace_id": "abc",
    }
    service = Service(httpx.Response(422, json=problem))

    with pytest.raises(Refused) as refused:
        await service.client().post("/v1/applications", json={})

    assert refused.value.problem == problem
    assert refused.value.code == "invalid"
    assert str(refused.value).splitlines() == [
        "422 invalid: Some fields are not valid 部分字段填写有误",
        "1 field(s) must be corrected.",
        "请更正",
        "  /requested_fen: must be above 0 必须大于0",
        "trace abc",
    ]


async def test_an_answer_that_is_no_problem_json_is_shown_as_it_is() -> None:
    service = Service(httpx.Response(502, text="<html>bad gateway</html>"))

    with pytest.raises(Refused, match=r"502 for POST .*/v1/applications: <html>bad gateway</html>"):
        await service.client().post("/v1/applications", json={})


async def test_a_member_of_staff_sends_the_token_and_a_key() -> None:
    service = Service(httpx.Response(200))
    staff = StaffClient(URL, token="a.b.c", transport=httpx.MockTransport(service))

    await staff.post("/v1/reviews", json={})

    (request,) = service.received
    assert request.headers["authorization"] == "Bearer a.b.c"
    assert request.headers["idempotency-key"]
    assert "x-signature" not in request.headers


def test_a_caller_without_asyncio_signs_the_same_way() -> None:
    service = Service(httpx.Response(200))
    auth = client.Signature(audience="applications", app_key="key-1", secret=SECRET, now_s=lambda: NOW_S)

    with httpx.Client(auth=auth, transport=httpx.MockTransport(service)) as system:
        system.post(f"{URL}/v1/applications", json={}, headers={"idempotency-key": "act-1"})

    (request,) = service.received
    assert request.headers["x-signature"] == expected_signature(request, raw_path="/v1/applications", raw_query="")


@contextlib.asynccontextmanager
async def recording_server() -> AsyncIterator[tuple[str, Sequence[bytes]]]:
    """A server that answers 200 to everything; the second value holds the heads of the requests as they came over the wire."""
    arrived: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", arrived
