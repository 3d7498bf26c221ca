"""Reads that are large or meet with bookings: the export leaves in portions, a balance is of one row, and a refusal tells every term."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.budget.evidence import queries
from services.budget.evidence.queries import ROWS_A_PORTION
from services.budget.main import build
from shared.live import Live
from tests.building import settings_of
from tests.integration.budget.acting import (
    AUDITOR,
    LINE,
    appropriate,
    approved_order,
    award,
    balances,
    bank_says,
    cases_of,
    hear,
    paid_row,
    payable_case,
    proposed,
    release_of,
)
from tests.integration.budget.test_pools import ALLOTMENT, post
from tests.runtime import Database

AWARDS = 1_000
PARTS = ("unallotted_fen", "available_fen", "reserved_fen", "in_transit_fen", "paid_fen")


@pytest_asyncio.fixture
async def long_journal(client: httpx.AsyncClient, live: Live) -> int:
    """How many rows it has: the money's two, and ten proposals of a thousand awards."""
    await appropriate(client, 100_000_000)
    for _ in range(10):
        await hear(live, proposed(*(award(100) for _ in range(AWARDS))))
    return 2 + 10 * AWARDS


@pytest_asyncio.fixture
async def watched(database: Database, tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, list[int]]]:
    """The service as its server sees it: a client, and the lines of each piece that it sent."""
    app, pieces = build(settings_of("budget", database=database, folder=tmp_path)), list[int]()

    async def observed(scope: Any, receive: Any, send: Any) -> None:
        async def see(message: Any) -> None:
            if message["type"] == "http.response.body":
                pieces.append(message.get("body", b"").count(b"\n"))
            await send(message)

        await app(scope, receive, see)

    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(observed), base_url="http://budget.test") as client:
        yield client, pieces


async def test_the_journal_leaves_in_portions_of_bounded_size(long_journal: int, watched: tuple[httpx.AsyncClient, list[int]]) -> None:
    client, pieces = watched

    exported = await client.get("/v1/ledger/journal.ndjson", auth=AUDITOR)

    assert exported.headers["Content-Type"].startswith("application/x-ndjson")
    assert "Content-Length" not in exported.headers
    assert exported.text.count("\n") == long_journal + 1
    assert max(pieces) == ROWS_A_PORTION
    assert len([lines for lines in pieces if lines]) == 1 + -(-long_journal // ROWS_A_PORTION)


async def test_an_export_takes_no_more_memory_for_ten_times_the_rows(live: Live, long_journal: int) -> None:
    async def peak_bytes(until_seq: int) -> int:
        tracemalloc.start()
        try:
            async for _ in queries.journal_lines(live, after_seq=0, until_seq=until_seq):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # What is loaded once is not counted.
    await peak_bytes(ROWS_A_PORTION)
    one_portion, ten_portions = await peak_bytes(ROWS_A_PORTION), await peak_bytes(long_journal)

    assert ten_portions < 2 * one_portion


async def test_the_etag_of_an_export_is_the_chain_of_its_last_row_wherever_it_begins(client: httpx.AsyncClient) -> None:
    await appropriate(client, 1_000)
    await appropriate(client, 1_000)

    whole, rest, first_half = [
        await client.get("/v1/ledger/journal.ndjson", params=params, auth=AUDITOR) for params in ({}, {"after_seq": 3}, {"until_seq": 2})
    ]

    chains = {row[0]: row[-1] for row in map(json.loads, whole.text.splitlines()[1:])}
    assert whole.headers["ETag"] == rest.headers["ETag"] == f'"{chains[4]}"'
    assert first_half.headers["ETag"] == f'"{chains[2]}"'
    assert [json.loads(line)[0] for line in rest.text.splitlines()[1:]] == [4]
    assert (await balances(client))["chain"] == chains[4]


async def test_balances_that_are_read_while_money_moves_are_each_of_one_row(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 100_000_000)
    params = {"fiscal_year": 2025, "by": "line_jurisdiction"}

    async def move() -> None:
        for _ in range(15):
            proposal = proposed(*(award(1_000, jurisdiction_id=place) for place in ("huancui", "wendeng")))
            await hear(live, proposal)
            await hear(live, release_of(cases_of(proposal)[0]))

    async def read(moving: asyncio.Task[None]) -> list[dict[str, Any]]:
        seen = []
        while not moving.done():
            seen.append((await client.get("/v1/ledger/balances", params=params, auth=AUDITOR)).json())
        return seen

    moving = asyncio.create_task(move())
    seen = await read(moving)
    await moving

    assert len({each["as_of_seq"] for each in seen}) > 5
    for each in seen:
        assert each["appropriated_fen"] == sum(each[part] for part in PARTS)
        assert {part: sum(level[part] for level in each["levels"]) for part in PARTS} == {part: each[part] for part in PARTS}
    for each in seen[:: max(1, len(seen) // 10)]:
        again = (await client.get("/v1/ledger/balances", params={**params, "as_of_seq": each["as_of_seq"]}, auth=AUDITOR)).json()
        assert {part: again[part] for part in (*PARTS, "chain")} == {part: each[part] for part in (*PARTS, "chain")}


async def test_a_page_of_the_journal_goes_on_where_it_ended_although_rows_were_added(client: httpx.AsyncClient) -> None:
    await appropriate(client, 1_000)
    params = {"fiscal_year": 2025, "limit": 1}
    first = (await client.get("/v1/ledger/entries", params=params, auth=AUDITOR)).json()
    await appropriate(client, 1_000)

    seqs, cursor = [row["seq"] for row in first["rows"]], first["next_cursor"]
    while cursor is not None:
        page = (await client.get("/v1/ledger/entries", params={**params, "cursor": cursor}, auth=AUDITOR)).json()
        seqs, cursor = [*seqs, *(row["seq"] for row in page["rows"])], page["next_cursor"]

    assert seqs == [1, 2, 3, 4]
    assert not first["next_cursor"].isdigit()


@pytest.mark.parametrize(("asked_fen", "status"), [(2_400_000, 201), (2_400_001, 409)])
async def test_who_asks_for_more_than_is_free_is_told_every_term_of_the_formula(
    client: httpx.AsyncClient, live: Live, asked_fen: int, status: int
) -> None:
    await appropriate(client, 10_000_000)
    await post(client, "/v1/allotments", {**ALLOTMENT, "line_id": "2023-15/2"})
    await hear(live, proposed(award(4_000_000)))
    await approved_order(client, await payable_case(client, live, amount_fen=2_000_000))
    await bank_says(client, paid_row(await approved_order(client, await payable_case(client, live, amount_fen=1_000_000))))
    fund = await balances(client)

    answered = await post(client, "/v1/allotments", {**ALLOTMENT, "line_id": LINE, "amount_fen": asked_fen, "document": "另文"})

    assert answered.status_code == status, answered.text
    if status == 409:
        terms = {
            "level": "2025/指标:可用",
            "requested_fen": 2_400_001,
            "available_fen": 2_400_000,
            "reserved_fen": 4_000_000,
            "in_transit_fen": 2_000_000,
            "paid_fen": 1_000_000,
            "allotted_fen": 600_000,
            "as_of_seq": fund["as_of_seq"],
        }
        assert {name: answered.json()[name] for name in terms} == terms
        assert answered.json()["code"] == "insufficient-budget"
        held_fen = sum(fen for name, fen in terms.items() if name.endswith("_fen") and name != "requested_fen" and isinstance(fen, int))
        assert held_fen == fund["appropriated_fen"]
        for told in ("24,000.01", "24,000.00", "40,000.00", "20,000.00", "10,000.00", "6,000.00"):
            assert told in answered.json()["detail_zh"]
