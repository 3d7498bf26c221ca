"""Characters that nobody can see and that part the columns of the books on their way to the database: refused where they come in."""

from typing import Any

import httpx
import pytest

from shared.live import Live
from tests.building import fetch
from tests.integration.budget.acting import FINANCE, appropriate, assert_journal_readds, written
from tests.integration.budget.test_freezes import FREEZE
from tests.integration.budget.test_pools import ALLOTMENT, FINANCE_2, TRANSFER, post
from tests.integration.budget.test_reversals import reversal_of
from tests.runtime import Database

CONTROLS = ["\x1e", "\x1f", "\x07", "\x7f", "\x85"]
AWARD = {
    "application_id": "019aa000-0000-7000-8000-000000000001",
    "case_number": "PAPER-2025-0001",
    "applicant_uscc": "91990000MA0000015Q",
    "line_id": "2023-15/7n",
    "jurisdiction_id": "huancui",
    "amount_fen": 1_000,
}
RESERVE: dict[str, Any] = {"policy_id": "2023-15", "fiscal_year": 2025, "awards": [AWARD]}


@pytest.mark.parametrize("control", CONTROLS, ids=repr)
@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/reversals", reversal_of(1, 1_000), "/reason"),
        ("/v1/transfers", TRANSFER, "/reason"),
        ("/v1/transfers", TRANSFER, "/to_line_id"),
        ("/v1/allotments", ALLOTMENT, "/line_id"),
        ("/v1/freezes", FREEZE, "/reason"),
        ("/v1/freezes", FREEZE, "/authority"),
        ("/v1/reservations", RESERVE, "/policy_id"),
        ("/v1/reservations", RESERVE, "/awards/0/line_id"),
        ("/v1/reservations", RESERVE, "/awards/0/jurisdiction_id"),
    ],
)
async def test_a_text_with_a_control_character_is_refused_and_its_field_named(
    client: httpx.AsyncClient, database: Database, path: str, body: dict[str, Any], pointer: str, control: str
) -> None:
    before = await written(database)

    refused = await post(client, path, spoilt(body, pointer=pointer, control=control))

    assert refused.status_code == 422, refused.text
    assert [each["pointer"] for each in refused.json()["errors"]] == [pointer]
    assert await written(database) == before


def spoilt(body: dict[str, Any], *, pointer: str, control: str) -> dict[str, Any]:
    *way, name = pointer.strip("/").split("/")
    if way:
        return {**body, "awards": [spoilt(AWARD, pointer=name, control=control)]}
    return {**body, name: f"{body[name][:1]}{control}{body[name][1:]}"}


async def test_a_reason_of_several_lines_is_kept_as_it_was_written(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    made = await post(client, "/v1/reversals", {**reversal_of(2, 1_000), "reason": "分配有误\n\t见文件"})

    approved = await post(client, f"/v1/reversals/{made.json()['id']}:approve", auth=FINANCE_2, version=1)

    assert approved.status_code == 200, approved.text
    (row,) = await fetch(database, "SELECT reason FROM journal WHERE kind = 'reverse'", service="budget")
    assert row["reason"] == "分配有误\n\t见文件"
    await assert_journal_readds(database)


async def test_an_account_number_in_the_reason_of_a_correction_is_not_kept_in_the_journal(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)
    made = await post(client, "/v1/reversals", {**reversal_of(2, 1_000), "reason": "误付至6200 0000 0000 0000 001"}, auth=FINANCE)

    approved = await post(client, f"/v1/reversals/{made.json()['id']}:approve", auth=FINANCE_2, version=1)

    assert approved.status_code == 200
    assert (made.json()["reason"], approved.json()["reason"]) == ("误付至****0001", "误付至****0001")
    (row,) = await fetch(database, "SELECT reason FROM journal WHERE kind = 'reverse'", service="budget")
    assert row["reason"] == "误付至****0001"
