"""Finding a route by its noun: always a secured one, the same as by trying every pattern in turn; where there is none the framework answers."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from starlette.routing import Match, Route

from deploy.docs.product import app_of, routes_of
from deploy.postgres.roles import SERVICES
from shared.directory import Directory, noun_of
from shared.web import SecuredRoute, create_app, router


def answering(path: str, *, name: str, method: str = "GET") -> Route:
    async def answer(_request: Any) -> PlainTextResponse:
        return PlainTextResponse(name)

    return Route(path, answer, methods=[method], name=name)


ROUTES = [
    answering("/v1/notes", name="list"),
    answering("/v1/notes:count", name="count"),
    answering("/v1/notes/new", name="new"),
    answering("/v1/notes/{id}", name="one"),
    answering("/v1/notes/{id}:change", name="change", method="POST"),
    answering("/v1/notes/{id}/lines/{line}", name="line"),
    answering("/v1/places/{number:path}", name="place"),
    answering("/metrics", name="metrics"),
]


async def answer_to(method: str, address: str) -> str:
    """By name, or by status where the framework answers."""
    app = FastAPI(redirect_slashes=False)
    app.add_middleware(Directory, routes=ROUTES)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
        answer = await client.request(method, address)
    return answer.text if answer.status_code == 200 else str(answer.status_code)


@pytest.mark.parametrize(
    ("method", "address", "name"),
    [
        ("GET", "/v1/notes", "list"),
        ("GET", "/v1/notes:count", "count"),
        ("GET", "/v1/notes/new", "new"),
        ("GET", "/v1/notes/7", "one"),
        ("GET", "/v1/notes/a:b", "one"),
        ("POST", "/v1/notes/7:change", "change"),
        ("GET", "/v1/notes/7/lines/8", "line"),
        ("GET", "/v1/places/1/2:3", "place"),
        ("GET", "/metrics", "metrics"),
    ],
)
async def test_an_address_leads_to_its_route_and_of_two_that_fit_to_the_first(method: str, address: str, name: str) -> None:
    assert await answer_to(method, address) == name


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/"),
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("GET", "/v1/notes/"),
        ("GET", "/v1/notes/7/lines"),
        ("GET", "/v1//notes"),
        ("GET", "/v2/notes"),
        ("GET", "/v1/notes%2F"),
        ("GET", "//v1/notes"),
        ("PUT", "/v1/notes"),
        ("GET", "/metrics/"),
    ],
)
async def test_what_is_nobodys_is_left_to_the_framework(method: str, address: str) -> None:
    assert await answer_to(method, address) == "404"


@pytest.mark.parametrize("service", SERVICES)
def test_no_route_of_a_service_answers_without_asking_who_calls(service: str) -> None:
    assert [route.path for route in routes_of(service) if not isinstance(route, SecuredRoute)] == []


async def test_a_route_that_does_not_say_who_may_call_it_is_refused_when_the_app_is_built() -> None:
    notes, app = router("notes"), app_of(SERVICES[0])

    @notes.get("/v1/notes")
    async def list_notes() -> None: ...

    with pytest.raises(AssertionError, match="/v1/notes declares neither"):
        create_app(app.state.live, authenticator=app.state.authenticator, routers=[notes], title="Notes", summary="Notes | 便条")


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_of_a_service_is_found_under_the_noun_of_its_addresses(service: str) -> None:
    routes = [route for route in app_of(service).routes if isinstance(route, Route)]
    for route in routes:
        address = route.path_format.format(**dict.fromkeys(route.param_convertors, "a:b"))
        scope = {"type": "http", "path": address, "method": next(iter(route.methods or {"GET"})), "root_path": ""}

        fitting = [each for each in routes if each.matches(scope)[0] is Match.FULL]

        assert route in fitting
        assert {noun_of(each.path) for each in fitting} == {noun_of(address)}
