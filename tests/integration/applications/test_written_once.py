"""The history as the database guards it, and the tables as the migration makes them."""

import asyncpg
import pytest
from sqlalchemy.dialects.postgresql.base import ischema_names

import services.applications.main  # noqa: F401 - declares the tables
from services.applications.application.tables import Xid8
from services.applications.schema import metadata
from tests.integration.applications.callers import CITY_REVIEWER, HUANCUI, filing
from tests.integration.applications.desk import Desk
from tests.integration.drift import drift
from tests.runtime import Database


async def test_the_migrated_database_has_the_tables_that_the_code_declares(database: Database) -> None:
    # SQLAlchemy does not know this type by itself when it reads a database.
    ischema_names["xid8"] = Xid8

    assert await drift(database, service="applications", metadata=metadata) == []


@pytest.mark.parametrize("table", ["step", "decision", "filed_version", "late_change"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET application_id = application_id", "DELETE FROM {}", "TRUNCATE {}"])
async def test_not_even_the_service_changes_or_removes_what_was_written_down(desk: Desk, table: str, statement: str) -> None:
    first = await desk.file()
    await desk.file(filing(requested_fen=1))
    await desk.approve([first["application_id"]], "acceptance", auth=HUANCUI, officer="hc-0001")
    await desk.approve([first["application_id"]], "district", auth=HUANCUI, officer="hc-0002")
    await desk.file(filing(requested_fen=2))
    before = await desk.counted()

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await desk.rows(statement.format(table))

    assert before[table] >= 1
    assert await desk.counted() == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE application SET requested_fen = 0",
        "UPDATE application SET amount_fen = 0",
        "UPDATE application SET once_key = '2023-15/4a|project=KP-ROW-1'",
        "UPDATE application SET row_reference = 'row-1'",
    ],
)
async def test_the_database_is_the_last_judge_of_sums_and_of_what_may_stand_once(desk: Desk, change: str) -> None:
    await desk.file(filing("row-1"))
    await desk.file(filing("row-2"))

    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await desk.rows(change)


async def test_a_decision_taken_anew_stands_beside_the_first(desk: Desk) -> None:
    id_ = (await desk.file())["application_id"]
    await desk.approve([id_], "acceptance", auth=HUANCUI, officer="hc-0001")
    await desk.approve([id_], "district", auth=HUANCUI, officer="hc-0002")
    await desk.approve([id_], "city", auth=CITY_REVIEWER)

    rows = await desk.rows("SELECT stage, decider, attempt, verdict, officer FROM decision ORDER BY id")

    assert [tuple(row.values()) for row in rows] == [
        ("district", "district_hr", 1, "approve", "system:district-huancui#hc-0002"),
        ("city", "city_hr", 1, "approve", "staff:https://staff.example.invalid|city-1"),
    ]
