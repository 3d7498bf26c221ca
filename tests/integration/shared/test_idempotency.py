"""A write that is sent again: one effect, and the first answer byte for byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from shared.idempotency import KEY_CHARACTERS_MAX
from tests.integration.shared.edge import DISTRICT, OTHER_DISTRICT, SERVICE, Call, Edge, note, until, write_call

PARALLEL = 50


@contextlib.asynccontextmanager
async def notes_locked(edge: Edge) -> AsyncIterator[None]:
    """Nobody can write a note meanwhile: whoever tries stands still in the middle of its transaction."""
    connection = await asyncpg.connect(edge.database.urls["postgres"])
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {SERVICE}.note IN EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def is_waiting(edge: Edge) -> bool:
    found = await edge.rows(
        "SELECT 1 FROM pg_stat_activity WHERE usename = $1 AND datname = $2 AND wait_event_type = 'Lock'", SERVICE, edge.database.name
    )
    return len(found) > 0


async def test_a_repeat_gets_the_first_answer_byte_for_byte(edge: Edge) -> None:
    before, call = await edge.written(), write_call()

    first, again = await edge.send(call), await edge.send(call)

    assert (first.status_code, first.headers.get("idempotency-replayed")) == (201, None)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.content == first.content
    assert (again.headers["etag"], again.headers["content-type"]) == (first.headers["etag"], first.headers["content-type"])
    assert await edge.written() == (before[0] + 1, before[1] + 1, before[2] + 1)


async def test_a_repeat_signed_at_another_time_is_the_same_request(edge: Edge) -> None:
    call = write_call()

    first, again = await edge.send(call), await edge.send(replace(call, age_s=100))

    assert again.content == first.content


@pytest.mark.parametrize("key", ["", "a" * (KEY_CHARACTERS_MAX + 1), "with\ttab", "é"], ids=["missing", "too long", "not printable", "outside ASCII"])
async def test_a_key_that_is_none_is_asked_for(edge: Edge, key: str) -> None:
    before = await edge.written()
    headers = write_call(key=key).signed_headers()

    answer = await edge.client.post("/v1/notes", content=note(), headers={name.encode(): value.encode() for name, value in headers.items()})

    # Outside ASCII the header is read as other characters than were signed.
    assert (answer.status_code, answer.json()["code"]) in ((400, "idempotency-key-missing"), (401, "signature-wrong"))
    assert await edge.written() == before


async def test_the_longest_key_is_taken(edge: Edge) -> None:
    answer = await edge.send(write_call(key="k" * KEY_CHARACTERS_MAX))

    assert answer.status_code == 201


OTHER_REQUESTS: dict[str, dict[str, object]] = {
    "another body": {"body": note(amount_fen=101)},
    "another query": {"url": "/v1/notes?language=en"},
    "one blank more": {"body": note() + b" "},
}


@pytest.mark.parametrize("other", OTHER_REQUESTS.values(), ids=OTHER_REQUESTS.keys())
async def test_a_key_used_for_another_request_is_refused(edge: Edge, other: dict[str, object]) -> None:
    call = write_call()
    first = await edge.send(call)
    before = await edge.written()

    answer = await edge.send(replace(call, **other))  # type: ignore[arg-type]

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert await edge.written() == before
    assert (await edge.send(call)).content == first.content


async def test_a_key_belongs_to_its_caller(edge: Edge) -> None:
    call = write_call()
    others = replace(call, signer=OTHER_DISTRICT)

    answers = [await edge.send(each) for each in (call, others, call, others)]

    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, None, "true", "true"]
    assert answers[0].json()["id"] != answers[1].json()["id"]
    written_by = await edge.rows(f"SELECT written_by FROM {SERVICE}.note WHERE id = ANY($1)", [answers[0].json()["id"], answers[1].json()["id"]])
    assert {row["written_by"] for row in written_by} == {f"system:{DISTRICT.id}", f"system:{OTHER_DISTRICT.id}"}


async def test_a_refusal_is_not_kept_and_is_judged_again(edge: Edge) -> None:
    key = "refused-then-right"
    refused = await edge.send(write_call(note("unwelcome"), key=key))

    again = await edge.send(write_call(note("unwelcome"), key=key))
    corrected = await edge.send(write_call(note("welcome"), key=key))

    assert [answer.status_code for answer in (refused, again, corrected)] == [422, 422, 201]
    assert "idempotency-replayed" not in again.headers
    assert "idempotency-replayed" not in corrected.headers


async def test_a_crash_between_the_command_and_the_commit_leaves_nothing(edge: Edge) -> None:
    before, key = await edge.written(), "crashed-then-right"

    crashed = await edge.send(write_call(note("crash"), key=key))

    assert crashed.status_code == 500
    assert await edge.written() == before
    assert (await edge.send(write_call(key=key))).status_code == 201


async def test_a_connection_lost_before_the_commit_leaves_nothing_and_the_repeat_writes_once(edge: Edge) -> None:
    before, call = await edge.written(), write_call()

    async with notes_locked(edge):
        first = asyncio.create_task(edge.send(call))
        await until(lambda: is_waiting(edge))
        await edge.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock'", SERVICE)
        lost = await first

    assert (lost.status_code, lost.json()["code"]) == (503, "database-away")
    assert await edge.written() == before
    assert [(await edge.send(call)).status_code for _ in range(2)] == [201, 201]
    assert await edge.written() == (before[0] + 1, before[1] + 1, before[2] + 1)


async def test_the_same_request_in_flight_is_told_so_and_there_is_one_effect(edge: Edge) -> None:
    before, call = await edge.written(), write_call()

    async with notes_locked(edge):
        first = asyncio.create_task(edge.send(call))
        await until(lambda: is_waiting(edge))
        meanwhile = await edge.send(call)
        with_other_content = await edge.send(replace(call, body=note(amount_fen=101)))
    answer = await first

    assert [(each.status_code, each.json()["code"]) for each in (meanwhile, with_other_content)] == [(409, "request-in-flight")] * 2
    assert answer.status_code == 201
    assert (await edge.send(call)).content == answer.content
    assert await edge.written() == (before[0] + 1, before[1] + 1, before[2] + 1)


async def test_other_requests_are_not_held_up_by_one_in_flight(edge: Edge) -> None:
    async with notes_locked(edge):
        first = asyncio.create_task(edge.send(write_call()))
        await until(lambda: is_waiting(edge))
        read = await edge.send(Call("GET", "/v1/notes?limit=1"))

    assert read.status_code == 200
    assert (await first).status_code == 201


async def test_fifty_repeats_at_once_have_one_effect(edge: Edge) -> None:
    before, call = await edge.written(), write_call()

    answers = await asyncio.gather(*(edge.send(call) for _ in range(PARALLEL)))

    statuses = {answer.status_code for answer in answers}
    assert 201 in statuses
    assert statuses <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers if answer.status_code == 201) == 1
    assert await edge.written() == (before[0] + 1, before[1] + 1, before[2] + 1)
