"""Corrections: the journal is never altered; a row of its own names the original, made and approved by two people."""

from typing import Any

import httpx
import pytest

from shared.live import Live
from tests.building import fetch
from tests.integration.budget.acting import FINANCE, appropriate, assert_journal_readds, award, hear, proposed, written
from tests.integration.budget.test_pools import ALLOTMENT, FINANCE_2, LINE, pools, post
from tests.runtime import Database

POOL = f"2025/指标:可用[line={LINE}]"


def reversal_of(seq: int, amount_fen: int) -> dict[str, Any]:
    return {"reverses_seq": seq, "amount_fen": amount_fen, "document": "财会更〔2025〕1号", "reason": "分配有误"}


async def reverse(client: httpx.AsyncClient, seq: int, amount_fen: int) -> httpx.Response:
    made = await post(client, "/v1/reversals", reversal_of(seq, amount_fen))
    assert made.status_code == 201, made.text
    approved: httpx.Response = await post(client, f"/v1/reversals/{made.json()['id']}:approve", auth=FINANCE_2, version=1)
    return approved


async def test_a_reversal_names_the_original_its_reason_and_two_people(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)

    approved = await reverse(client, 3, 600_000)

    assert (approved.status_code, approved.json()["voucher"]) == (200, "RV-2025-000001")
    (row,) = await fetch(
        database, "SELECT reverses_seq, reason, dr, cr, maker, checker, approver FROM journal WHERE kind = 'reverse'", service="budget"
    )
    assert (row["reverses_seq"], row["reason"], row["dr"], row["cr"]) == (3, "分配有误", POOL, "2025/指标:可用")
    assert row["maker"] != row["checker"]
    assert await pools(database) == {"2025/指标:可用": 1_000_000}
    await assert_journal_readds(database)


async def test_parts_may_be_taken_back_until_nothing_is_left(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    await reverse(client, 3, 200_000)

    above = await post(client, "/v1/reversals", reversal_of(3, 400_001))
    rest = await reverse(client, 3, 400_000)

    assert (above.status_code, above.json()["code"], above.json()["reversed_fen"]) == (409, "above-original", 200_000)
    assert rest.status_code == 200
    assert await pools(database) == {"2025/指标:可用": 1_000_000}


async def test_two_reversals_made_before_either_is_approved_take_back_no_more_than_the_original(
    client: httpx.AsyncClient, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    first, second = [(await post(client, "/v1/reversals", reversal_of(3, 400_000))).json()["id"] for _ in range(2)]
    await post(client, f"/v1/reversals/{first}:approve", auth=FINANCE_2, version=1)
    before = await written(database)

    answered = await post(client, f"/v1/reversals/{second}:approve", auth=FINANCE_2, version=1)

    assert (answered.status_code, answered.json()["code"]) == (409, "above-original")
    assert await written(database) == before


async def test_the_maker_does_not_approve_the_own_reversal(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)
    made = (await post(client, "/v1/reversals", reversal_of(2, 1))).json()

    answered = await post(client, f"/v1/reversals/{made['id']}:approve", auth=FINANCE, version=1)

    assert (answered.status_code, answered.json()["code"]) == (403, "second-person-needed")


async def test_money_of_a_case_is_not_taken_back_by_a_reversal(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    await hear(live, proposed(award(400_000)))
    before = await written(database)

    answered = await post(client, "/v1/reversals", reversal_of(3, 1))

    assert (answered.status_code, answered.json()["code"], answered.json()["kind"]) == (422, "not-reversible", "reserve")
    assert await written(database) == before


async def test_what_only_waits_is_not_taken_back(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1)
    await hear(live, proposed(award(400_000)))

    answered = await post(client, "/v1/reversals", reversal_of(3, 1))

    assert (answered.status_code, answered.json()["code"]) == (422, "not-reversible")


async def test_a_reversal_is_not_reversed(client: httpx.AsyncClient) -> None:
    await appropriate(client, 1_000_000)
    await reverse(client, 2, 1)

    answered = await post(client, "/v1/reversals", reversal_of(3, 1))

    assert (answered.status_code, answered.json()["code"], answered.json()["kind"]) == (422, "not-reversible", "reverse")


async def test_an_entry_that_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    answered = await post(client, "/v1/reversals", reversal_of(1, 1))

    assert (answered.status_code, answered.json()["code"]) == (404, "entry-not-found")


@pytest.mark.parametrize(("asked_fen", "status"), [(600_000, 201), (600_001, 409)])
async def test_the_year_is_not_lowered_below_what_is_reserved(client: httpx.AsyncClient, live: Live, asked_fen: int, status: int) -> None:
    await appropriate(client, 1_000_000)
    await hear(live, proposed(award(400_000)))

    answered = await post(client, "/v1/reversals", reversal_of(2, asked_fen))

    assert answered.status_code == status
    if status == 409:
        assert (answered.json()["code"], answered.json()["available_fen"], answered.json()["reserved_fen"]) == (
            "insufficient-budget",
            600_000,
            400_000,
        )


async def test_an_appropriation_goes_back_to_its_source_in_two_steps(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 1_000_000)

    await reverse(client, 2, 300_000)
    await reverse(client, 1, 300_000)

    balance = await assert_journal_readds(database)
    assert (balance["2025/来源:年度批复"], balance["2025/指标:待分配"], balance["2025/指标:可用"]) == (700_000, 0, 700_000)
