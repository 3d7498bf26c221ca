"""Calling the provincial portal: one record a call, and what counts as taken."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from services.notifications.settings import NotificationsSettings

CONNECT_S_MAX = 2.0
# The whole call, from connecting to the last byte of the answer.
CALL_S_MAX = 5.0
CALLS_MAX = 8
TAKEN = "200"


@dataclass(frozen=True)
class Portal:
    """The portal's address and token, and the connections to it; open for as long as the process lives."""

    url: str
    http: httpx.AsyncClient


@dataclass(frozen=True, kw_only=True)
class Answer:
    taken: bool
    detail: str


def open_portal(settings: NotificationsSettings) -> Portal | None:
    """None without PORTAL_URL."""
    if settings.portal_url is None or settings.portal_token is None:
        return None
    http = httpx.AsyncClient(
        headers={"token": settings.portal_token.get_secret_value()},
        timeout=httpx.Timeout(CALL_S_MAX, connect=CONNECT_S_MAX),
        limits=httpx.Limits(max_connections=CALLS_MAX),
        # The records go to the address that was set and nowhere else: no proxy from the environment, no redirect.
        trust_env=False,
        follow_redirects=False,
    )
    return Portal(url=settings.portal_url.rstrip("/"), http=http)


async def send_record(portal: Portal, *, path: str, content: Mapping[str, str]) -> Answer:
    """Taken means HTTP 200 and code "200" in the body; whatever else happens is an answer too, never an exception."""
    try:
        async with asyncio.timeout(CALL_S_MAX):
            response = await portal.http.post(f"{portal.url}/{path}", json={"data": content})
    except (httpx.HTTPError, TimeoutError) as error:
        return Answer(taken=False, detail=type(error).__name__)
    return _judge(response)


def _judge(response: httpx.Response) -> Answer:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    code = _words(body, "code") or "absent"
    detail = f"HTTP {response.status_code} code {code} {_words(body, 'msg')}".rstrip()
    return Answer(taken=response.status_code == httpx.codes.OK and code == TAKEN, detail=detail)


def _words(body: object, name: str) -> str:
    """What the portal says under this name, without characters that cannot be stored or shown."""
    said = body.get(name, "") if isinstance(body, dict) else ""
    return "".join(character for character in str(said) if character.isprintable())
