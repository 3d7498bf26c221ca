"""Appropriations over HTTP: within the term and the ceiling, and the list is served with them."""

import httpx
import pytest

from shared.live import Live
from tests.building import fetch
from tests.integration.budget.acting import (
    AUDITOR,
    FINANCE,
    MAKER,
    appropriate,
    assert_books_add_up,
    award,
    balances,
    cases_of,
    hear,
    kinds,
    proposed,
    told,
    written,
)
from tests.runtime import Database


async def test_an_appropriation_is_available_for_the_whole_fund(client: httpx.AsyncClient, database: Database) -> None:
    recorded = await appropriate(client, 200_000_000, document="财预指〔2025〕8号")

    fund = await balances(client)
    assert recorded.status_code == 201
    assert (recorded.json()["document"], recorded.json()["voucher"]) == ("财预指〔2025〕8号", "AP-2025-000001")
    assert (fund["appropriated_fen"], fund["available_fen"], fund["as_of_seq"]) == (200_000_000, 200_000_000, 2)
    assert [line["line_id"] for line in fund["lines"]][:3] == ["2023-15/2", "2023-15/4a", "2023-15/4b"]
    assert kinds(await told(database)) == ["appropriation_recorded"]
    await assert_books_add_up(database)


async def test_the_journal_names_accounts_document_policy_and_who(client: httpx.AsyncClient) -> None:
    await appropriate(client, 100, document="财预指〔2025〕8号")

    (source, free) = (await client.get("/v1/ledger/entries", params={"fiscal_year": 2025}, auth=AUDITOR)).json()["rows"]
    assert (source["dr"], source["cr"]) == ("2025/来源:年度批复", "2025/指标:待分配")
    assert (free["dr"], free["cr"]) == ("2025/指标:待分配", "2025/指标:可用")
    assert {source["document"], free["document"]} == {"财预指〔2025〕8号"}
    assert source["policy_version"] == "2023-15/fund@2023-06-12"
    assert source["maker"] == source["caller"]
    assert source["maker"].endswith("|finance-1")
    assert (source["effective_on"], source["origin_year"], source["leg"]) == ("2025-09-15", 2025, 1)


async def test_several_appropriations_of_a_year_add_up_to_the_ceiling(client: httpx.AsyncClient, database: Database) -> None:
    first = await appropriate(client, 150_000_000)
    last = await appropriate(client, 50_000_000)
    before = await written(database)
    above = await appropriate(client, 1)

    assert (first.status_code, last.status_code, above.status_code) == (201, 201, 422)
    problem = above.json()
    assert problem["code"] == "above-ceiling"
    assert "2,000,000.01" in problem["detail"]
    assert "三(二)" in problem["detail_zh"]
    assert (problem["appropriated_fen"], problem["ceiling_fen"], problem["asked_fen"]) == (200_000_000, 200_000_000, 1)
    assert await written(database) == before


async def test_one_fen_above_the_ceiling_is_refused(client: httpx.AsyncClient, database: Database) -> None:
    refused = await appropriate(client, 200_000_001)

    assert (refused.status_code, refused.json()["code"]) == (422, "above-ceiling")
    assert sum((await written(database)).values()) == 0


async def test_each_year_has_a_ceiling_of_its_own(client: httpx.AsyncClient) -> None:
    answers = [(await appropriate(client, 200_000_000, fiscal_year=year)).status_code for year in (2022, 2023, 2024, 2025, 2026)]

    assert answers == [422, 201, 201, 201, 422]


async def test_a_document_counts_once_in_its_year(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 100_000_000, document="财预指〔2025〕8号")
    before = await written(database)

    again = await appropriate(client, 100_000_000, document="财预指〔2025〕8号")

    assert (again.status_code, again.json()["code"]) == (409, "document-recorded")
    assert await written(database) == before


@pytest.mark.parametrize(
    "written_as", ["财预指[2025]8号", "财预指【2025】8号", "财预指（2025） 8 号", "财预指〔２０２５〕８号", "财预指〔2025〕\u200b8号"]
)
async def test_a_document_is_the_same_however_its_number_is_written(client: httpx.AsyncClient, database: Database, written_as: str) -> None:
    first = await appropriate(client, 100_000_000, document=written_as)
    before = await written(database)

    again = await appropriate(client, 100_000_000, document="财预指〔2025〕8号")

    assert (first.status_code, first.json()["document"]) == (201, "财预指〔2025〕8号")
    assert (again.status_code, again.json()["code"]) == (409, "document-recorded")
    assert await written(database) == before


@pytest.mark.parametrize("document", ["\u200b", " \u3164 ", "\u2060\ufeff"])
async def test_a_document_that_nobody_can_see_is_none(client: httpx.AsyncClient, document: str) -> None:
    refused = await appropriate(client, 100_000_000, document=document)

    assert (refused.status_code, [each["pointer"] for each in refused.json()["errors"]]) == (422, ["/document"])


async def test_a_repeated_call_gets_the_first_answer_and_moves_nothing(client: httpx.AsyncClient) -> None:
    body = {"fiscal_year": 2025, "amount_fen": 100, "document": "财预指〔2025〕8号", "approved_on": "2025-01-20"}
    headers = {"Idempotency-Key": "the-same"}

    first = await client.post("/v1/appropriations", json=body, headers=headers, auth=FINANCE)
    again = await client.post("/v1/appropriations", json=body, headers=headers, auth=FINANCE)

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await balances(client))["available_fen"] == 100


async def test_money_that_comes_serves_the_list_in_the_same_transaction(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    proposal = proposed(award(60_000_000), award(50_000_000), award(40_000_000))
    await hear(live, proposal)
    first, second, third = cases_of(proposal)

    await appropriate(client, 100_000_000)

    fund = await balances(client)
    assert (fund["available_fen"], fund["reserved_fen"]) == (0, 100_000_000)
    assert kinds(await told(database, first)) == ["funds_waiting", "funds_reserved"]
    assert kinds(await told(database, second)) == ["funds_waiting"]
    assert kinds(await told(database, third)) == ["funds_waiting", "funds_reserved"]
    reserved = await fetch(database, "SELECT DISTINCT caller FROM journal WHERE kind = 'reserve' AND outcome = 'posted'", service="budget")
    assert [row["caller"].endswith("|finance-1") for row in reserved] == [True]
    await assert_books_add_up(database)


async def test_appropriations_are_listed_page_by_page(client: httpx.AsyncClient) -> None:
    for year in (2023, 2024, 2025):
        await appropriate(client, 100, fiscal_year=year)

    first = (await client.get("/v1/appropriations", params={"limit": 2}, auth=AUDITOR)).json()
    rest = (await client.get("/v1/appropriations", params={"limit": 2, "cursor": first["next_cursor"]}, auth=AUDITOR)).json()

    assert [row["fiscal_year"] for row in first["rows"] + rest["rows"]] == [2023, 2024, 2025]
    assert rest["next_cursor"] is None


async def test_only_finance_records_money(client: httpx.AsyncClient, database: Database) -> None:
    body = {"fiscal_year": 2025, "amount_fen": 100, "document": "财预指〔2025〕8号", "approved_on": "2025-01-20"}

    refused = await client.post("/v1/appropriations", json=body, auth=MAKER)

    assert (refused.status_code, refused.json()["code"]) == (403, "scope-missing")
    assert sum((await written(database)).values()) == 0
