"""A client for systems and for staff, in one file: needs Python 3.11 and httpx, copy it as it is. The signature rule is in SIGNATURE.md."""

import asyncio
import hashlib
import hmac
import time
import uuid
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Self, TypeAlias, TypedDict, Unpack

import httpx

TIMEOUT_S = 30.0
TRIES_MAX = 6
FIRST_WAIT_S = 0.5
WAIT_S_MAX = 10.0

Pairs: TypeAlias = dict[str, Any] | list[tuple[str, Any]]


class Tuning(TypedDict, total=False):
    """`pause` waits between tries; `transport` is where a proxy or a certificate of one's own is set."""

    timeout_s: float
    tries_max: int
    transport: httpx.AsyncBaseTransport | None
    pause: Callable[[float], Awaitable[None]]


class Refused(Exception):
    """The service said no. `problem` is its problem JSON; empty when the answer was something else."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        self.problem = problem_of(answer)
        self.code = str(self.problem.get("code", ""))
        super().__init__("\n".join(self._lines(answer)))

    def _lines(self, answer: httpx.Response) -> list[str]:
        told = self.problem
        if not told:
            return [f"{self.status} for {answer.request.method} {answer.request.url}: {answer.text[:500]}"]
        lines = [f"{self.status} {self.code}: {told.get('title', '')} {told.get('title_zh', '')}"]
        lines += [str(told[name]) for name in ("detail", "detail_zh", "remedy", "remedy_zh") if name in told]
        lines += [f"  {each.get('pointer')}: {each.get('detail')} {each.get('detail_zh')}" for each in told.get("errors", [])]
        return [*lines, f"trace {told.get('trace_id', '?')}"]


def canonical_text(
    *, audience: str, method: str, raw_path: str, raw_query: str, body: bytes, if_match: str, timestamp: str, idempotency_key: str
) -> str:
    """What the signature is made over: eight lines, the query's pairs in byte order, everything else as sent."""
    query = "&".join(sorted(pair for pair in raw_query.split("&") if pair))
    body_sha256 = hashlib.sha256(body).hexdigest()
    return "\n".join((audience, method.upper(), raw_path, query, body_sha256, if_match, timestamp, idempotency_key))


def signature(text: str, *, secret: str) -> str:
    """HMAC-SHA256 of a canonical text as lower-case hex."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class Signature(httpx.Auth):
    """Signs each request as it goes out; `httpx.Client(auth=Signature(...))` is enough for a caller without asyncio."""

    requires_request_body = True

    def __init__(self, *, audience: str, app_key: str, secret: str, now_s: Callable[[], float] = time.time) -> None:
        self.audience = audience
        self.app_key = app_key
        self._secret = secret
        self._now_s = now_s

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        raw_path, _, raw_query = request.url.raw_path.decode("ascii").partition("?")
        timestamp = str(int(self._now_s()))
        text = canonical_text(
            audience=self.audience,
            method=request.method,
            raw_path=raw_path,
            raw_query=raw_query,
            body=request.content,
            if_match=request.headers.get("if-match", ""),
            timestamp=timestamp,
            idempotency_key=request.headers.get("idempotency-key", ""),
        )
        request.headers["x-app-key"] = self.app_key
        request.headers["x-timestamp"] = timestamp
        request.headers["x-signature"] = signature(text, secret=self._secret)
        yield request


class Bearer(httpx.Auth):
    """Sends a member of staff's token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["authorization"] = f"Bearer {self._token}"
        yield request


class Client:
    """Connections to one service. A call is repeated, with the same idempotency key, when it is not known or not yet time to be answered."""

    def __init__(
        self,
        base_url: str,
        *,
        auth: httpx.Auth,
        timeout_s: float = TIMEOUT_S,
        tries_max: int = TRIES_MAX,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        # A proxy named by the environment may rewrite the path, and then no signature fits: one that is wanted is given as the transport.
        self.http = httpx.AsyncClient(base_url=base_url, auth=auth, timeout=timeout_s, transport=transport, trust_env=False)
        self._tries_max = tries_max
        self._pause = pause

    async def get(self, path: str, *, params: Pairs | None = None) -> httpx.Response:
        return await self.request("GET", path, params=params)

    async def post(self, path: str, *, json: object = None, if_match: str | None = None, idempotency_key: str | None = None) -> httpx.Response:
        """One act. Give `idempotency_key` only to go on with an act of before, for instance after a crash."""
        return await self.request("POST", path, json=json, if_match=if_match, idempotency_key=idempotency_key)

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
        params: Pairs | None = None,
    ) -> httpx.Response:
        """A 2xx answer, or Refused; httpx.TransportError when no try was answered. `if_match` is an ETag as it was read, quotes included."""
        headers = {"if-match": if_match} if if_match is not None else {}
        if method.upper() not in ("GET", "HEAD"):
            headers["idempotency-key"] = idempotency_key or str(uuid.uuid4())
        for attempt in range(1, self._tries_max + 1):
            last = attempt == self._tries_max
            try:
                answer = await self.http.request(method, path, params=params or None, json=json, headers=headers)
            except httpx.TransportError:
                if last:
                    raise
                await self._pause(min(FIRST_WAIT_S * 2 ** (attempt - 1), WAIT_S_MAX))
                continue
            if answer.is_success:
                return answer
            wait_s = wait_before_repeating_s(answer)
            if wait_s is None or last:
                raise Refused(answer)
            await self._pause(min(wait_s, WAIT_S_MAX))
        raise AssertionError("tries_max must be at least 1")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.http.aclose()


class SignedClient(Client):
    """A system's connections to one service; `audience` is that service's name, for instance applications."""

    def __init__(
        self, base_url: str, *, audience: str, app_key: str, secret: str, now_s: Callable[[], float] = time.time, **tuning: Unpack[Tuning]
    ) -> None:
        super().__init__(base_url, auth=Signature(audience=audience, app_key=app_key, secret=secret, now_s=now_s), **tuning)


class StaffClient(Client):
    """A member of staff's connections to one service."""

    def __init__(self, base_url: str, *, token: str, **tuning: Unpack[Tuning]) -> None:
        super().__init__(base_url, auth=Bearer(token), **tuning)


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def wait_before_repeating_s(answer: httpx.Response) -> float | None:
    """Seconds to wait before the same call may succeed; None when repeating it changes nothing."""
    if answer.status_code == httpx.codes.CONFLICT and problem_of(answer).get("code") == "request-in-flight":
        return 1.0
    wanted = answer.headers.get("retry-after", "")
    if answer.status_code in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE) and wanted.isascii() and wanted.isdigit():
        return float(wanted)
    return None
