"""The yardstick does the work that it is measured at, on the real PostgreSQL, and takes the very bodies that we take."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from services.applications.intake.api import FileApplication
from tests.load.series import Series
from tests.load.yardstick import create_app
from tests.runtime import Database

SERIES = Series(name="test", item_id="2023-15/4a", jurisdiction_id="example-district", filed_on=date(2025, 9, 1))


@pytest_asyncio.fixture
async def yardstick(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(database.sqlalchemy_url("postgres"))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://yardstick.test") as client,
    ):
        yield client


async def rows_of(database: Database) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(database.urls["postgres"])
    try:
        found = await connection.fetch(
            "SELECT a.row_reference, a.requested_fen, o.payload IS NOT NULL AS announced"
            " FROM yardstick.application a LEFT JOIN yardstick.outbox o ON o.key = a.id::text"
        )
    finally:
        await connection.close()
    return [dict(row) for row in found]


async def test_a_filing_makes_one_case_and_one_outbox_row(yardstick: httpx.AsyncClient, database: Database) -> None:
    answer = await yardstick.post("/applications", json=SERIES.filing(7))

    assert answer.status_code == 201
    assert answer.json()["row_reference"] == "test-000007"
    assert await rows_of(database) == [{"row_reference": "test-000007", "requested_fen": 4_500_007, "announced": True}]


async def test_an_unknown_applicant_is_answered_with_404_and_nothing_is_written(yardstick: httpx.AsyncClient, database: Database) -> None:
    answer = await yardstick.post("/applications", json={**SERIES.filing(7), "applicant_uscc": "91990000MA0009999X"})

    assert answer.status_code == 404
    assert await rows_of(database) == []


@pytest.mark.parametrize("number", [0, 99, 12_345])
def test_the_same_body_is_a_filing_to_our_service(number: int) -> None:
    filing = FileApplication.model_validate(SERIES.filing(number))

    assert filing.requested_fen == SERIES.filing(number)["requested_fen"]
    assert len(filing.evidence) == 4
