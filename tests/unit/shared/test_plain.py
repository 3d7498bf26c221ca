"""Dependencies that a route calls itself: only those that ask for nothing but the request and headers as sent."""

import copy
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import ValidationError

from shared.auth import anyone, may
from shared.idempotency import Once
from shared.plain import GIVEN, plain_ones, without
from shared.web import IfMatch, Live, Wire


async def of_the_request(request: Request) -> str:
    return request.method


async def of_nothing() -> str:
    return "nothing"


async def of_a_header(x_name: Annotated[str, Header()] = "nobody") -> str:
    return x_name


async def of_the_query(name: Annotated[str, Query()] = "") -> str:
    return name


async def of_a_number(x_name: Annotated[int, Header()] = 1) -> int:
    return x_name


async def of_one_of_two(x_name: Annotated[Literal["a", "b"], Header()] = "a") -> str:
    return x_name


async def of_a_short_header(x_name: Annotated[str, Header(max_length=3)] = "") -> str:
    return x_name


async def of_a_header_that_must_be(x_name: Annotated[str, Header()]) -> str:
    return x_name


async def of_the_answer(response: Response) -> Response:
    return response


async def of_another(other: Annotated[str, Depends(of_nothing)]) -> str:
    return other


async def opened() -> AsyncIterator[str]:
    yield "opened"


def in_a_thread() -> str:
    return "thread"


def dependant_of(call: Any) -> Dependant:
    async def asks(given: Annotated[Any, Depends(call)]) -> None: ...

    return APIRoute("/", asks).dependant


@pytest.mark.parametrize("call", [of_the_request, of_nothing, of_a_header])
def test_what_asks_for_the_request_or_a_header_as_sent_is_plain(call: Any) -> None:
    assert [(each.name, each.call) for each in plain_ones(dependant_of(call))] == [("given", call)]


@pytest.mark.parametrize(
    "call",
    [of_the_query, of_a_number, of_one_of_two, of_a_short_header, of_a_header_that_must_be, of_the_answer, of_another, opened, in_a_thread],
)
def test_what_asks_for_anything_else_is_the_frameworks(call: Any) -> None:
    assert plain_ones(dependant_of(call)) == []


def test_what_nearly_every_route_asks_for_is_plain() -> None:
    async def act(caller: Annotated[Any, may("a:b")], _: Annotated[None, anyone()], once: Once, version: IfMatch, live: Live) -> None: ...

    assert [each.name for each in plain_ones(APIRoute("/", act).dependant)] == ["caller", "_", "once", "version", "live"]


async def call_of(app: FastAPI, headers: list[tuple[str, str]]) -> str:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
        return (await client.get("/v1/names/7?times=2", headers=headers)).text


def naming_app() -> FastAPI:
    """One route, built as a secured one is: its function sees values from the address, the query and a plain dependency."""

    async def name(number: int, named: Annotated[str, Depends(of_a_header)], times: int = 1) -> Response:
        return Response(f"{number} {named}" * times)

    app = FastAPI()
    plain = plain_ones(APIRoute("/", name).dependant)

    async def give(request: Request) -> None:
        request.scope[GIVEN] = {each.name: await each.give(request) for each in plain}

    app.add_api_route("/v1/names/{number}", without(name, plain=plain), response_model=None, dependencies=[Depends(give)])
    return app


@pytest.mark.parametrize(
    ("headers", "said"),
    [([("x-name", "a")], "7 a7 a"), ([("X-Name", "a"), ("x-name", "b")], "7 a7 a"), ([], "7 nobody7 nobody")],
    ids=["once", "twice", "not at all"],
)
async def test_a_header_is_given_as_sent_the_first_of_two_and_else_its_default(headers: list[tuple[str, str]], said: str) -> None:
    assert await call_of(naming_app(), headers) == said


async def test_an_app_may_be_given_another_dependency_than_its_own() -> None:
    async def another(x_name: str) -> str:
        return f"not {x_name}"

    app = naming_app()
    app.dependency_overrides[of_a_header] = another

    assert await call_of(app, [("x-name", "a")]) == "7 not a7 not a"


class Named(Wire):
    name: str = ""


def test_a_body_that_is_a_default_is_shared_because_nobody_can_change_it() -> None:
    body = Named(name="a")

    with pytest.raises(ValidationError, match="frozen"):
        body.name = "b"  # type: ignore[misc]
    assert copy.deepcopy(body) is body
