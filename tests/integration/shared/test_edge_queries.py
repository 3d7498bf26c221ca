"""What a query may hold at the edge: names that the route knows, each once; anything else is refused before the route is reached."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.shared.edge import READER, Call, Edge, note, running_edge, write_call
from tests.runtime import Database


@pytest_asyncio.fixture
async def edge(note_database: Database) -> AsyncIterator[Edge]:
    async with running_edge(note_database) as running:
        yield running


def pointers(problem: dict[str, list[dict[str, str]]]) -> list[str]:
    return [each["pointer"] for each in problem["errors"]]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("titel=a", "/query/titel"),
        ("Title=a", "/query/Title"),
        ("title=a&limit=5&lmit=5", "/query/lmit"),
        ("title=a&title=b", "/query/title"),
        ("title=a&title=a", "/query/title"),
        ("=a", "/query/"),
        ("titel", "/query/titel"),
        ("t/~=1", "/query/t~1~0"),
        ("%E7%8A%B6%E6%80%81=1", "/query/状态"),
    ],
)
async def test_a_list_is_not_shown_whole_because_its_filter_was_misspelt(edge: Edge, query: str, pointer: str) -> None:
    answered = await edge.send(Call("GET", f"/v1/notes?{query}"))

    assert (answered.status_code, answered.json()["code"], pointers(answered.json())) == (422, "invalid", [pointer])
    assert answered.json()["errors"][0]["detail_zh"]


@pytest.mark.parametrize("query", ["", "?", "?title=a", "?limit=5&title=", "?title=a&limit=5"])
async def test_what_the_route_knows_is_taken_in_any_order(edge: Edge, query: str) -> None:
    answered = await edge.send(Call("GET", f"/v1/notes{query}"))

    assert answered.status_code == 200, answered.text


async def test_a_write_with_a_name_that_it_does_not_know_writes_nothing(edge: Edge) -> None:
    before = await edge.written()

    refused = await edge.send(Call("POST", "/v1/notes?dryrun=true", note(), key="one"))

    assert (refused.status_code, pointers(refused.json())) == (422, ["/query/dryrun"])
    assert await edge.written() == before
    assert (await edge.send(write_call(key="one"))).status_code == 201


async def test_who_may_not_is_told_so_before_the_names_are_looked_at(edge: Edge) -> None:
    refused = await edge.send(Call("POST", "/v1/notes?dryrun=true", note(), key="one", signer=READER))

    assert refused.status_code == 403


async def test_of_very_many_names_the_first_hundred_are_told_and_none_at_full_length(edge: Edge) -> None:
    many = await edge.send(Call("GET", "/v1/notes?" + "&".join(f"n{number}=1" for number in range(300))))
    long = await edge.send(Call("GET", f"/v1/notes?{'n' * 3000}=1"))

    assert (many.status_code, len(pointers(many.json()))) == (422, 100)
    assert pointers(long.json()) == ["/query/" + "n" * 100]
