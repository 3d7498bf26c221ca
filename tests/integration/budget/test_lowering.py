"""Money is taken back only as far as nobody holds it, and what was taken back makes room under the yearly ceiling."""

from typing import Any

import httpx
import pytest

from shared.live import Live
from tests.integration.budget.acting import appropriate, assert_journal_readds, award, hear, proposed, written
from tests.integration.budget.test_pools import ALLOTMENT, FINANCE_2, LINE, OTHER_LINE, TRANSFER, post
from tests.integration.budget.test_reversals import reversal_of, reverse
from tests.runtime import Database

CEILING_FEN = 200_000_000
SHOWN = ("code", "level", "requested_fen", "available_fen", "reserved_fen")
# Where the rows of these stand in the journal after the appropriation's two.
ALLOTTED, TRANSFERRED = 3, 4


async def transferred(client: httpx.AsyncClient) -> None:
    made = (await post(client, "/v1/transfers", TRANSFER)).json()
    assert (await post(client, f"/v1/transfers/{made['id']}:approve", auth=FINANCE_2, version=1)).status_code == 200


def shown(answered: Any) -> tuple[object, ...]:
    return tuple(answered.json().get(name) for name in SHOWN)


async def test_an_appropriation_that_was_taken_back_makes_room_under_the_ceiling(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, CEILING_FEN)
    await reverse(client, 2, CEILING_FEN)
    await reverse(client, 1, CEILING_FEN)

    again = await appropriate(client, CEILING_FEN)
    above = await appropriate(client, 1)

    assert again.status_code == 201, again.text
    assert (above.status_code, above.json()["code"], above.json()["appropriated_fen"]) == (422, "above-ceiling", CEILING_FEN)
    await assert_journal_readds(database)


async def test_a_part_that_was_taken_back_makes_room_for_that_part_and_no_fen_more(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, CEILING_FEN)
    await reverse(client, 2, 30_000_000)
    await reverse(client, 1, 30_000_000)

    above = await appropriate(client, 30_000_001)
    fits = await appropriate(client, 30_000_000)

    assert (above.status_code, above.json()["appropriated_fen"]) == (422, 170_000_000)
    assert fits.status_code == 201
    await assert_journal_readds(database)


async def test_a_document_that_was_recorded_wrongly_is_recorded_again_once_all_of_it_was_taken_back(
    client: httpx.AsyncClient, database: Database
) -> None:
    """A sum that was typed too small could otherwise never be put right under its own document."""
    await appropriate(client, 1_000, document="财预指〔2025〕8号")
    await reverse(client, 2, 1_000)
    await reverse(client, 1, 999)
    still = await appropriate(client, 100_000, document="财预指〔2025〕8号")
    await reverse(client, 1, 1)
    before = await written(database)

    again = await appropriate(client, 100_000, document="财预指〔2025〕8号")
    third = await appropriate(client, 100_000, document="财预指〔2025〕8号")

    assert (still.status_code, third.status_code) == (409, 409)
    assert {each.json()["code"] for each in (still, third)} == {"document-recorded"}
    assert (again.status_code, again.json()["issue"]) == (201, 2), again.text
    after = await written(database)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "journal": 2,
        "appropriation": 1,
        "outbox": 1,
        "answer": 1,
    }
    await assert_journal_readds(database)


async def test_money_that_only_left_the_lines_is_still_appropriated(client: httpx.AsyncClient) -> None:
    await appropriate(client, CEILING_FEN)
    await reverse(client, 2, 30_000_000)

    above = await appropriate(client, 1)

    assert (above.status_code, above.json()["appropriated_fen"]) == (422, CEILING_FEN)


@pytest.mark.parametrize(("asked_fen", "status"), [(200_000, 201), (200_001, 409)])
async def test_an_allotment_is_taken_back_as_far_as_no_case_of_its_line_holds_it(
    client: httpx.AsyncClient, live: Live, database: Database, asked_fen: int, status: int
) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    await hear(live, proposed(award(400_000)))
    before = await written(database)

    answered = await post(client, "/v1/reversals", reversal_of(ALLOTTED, asked_fen))

    assert answered.status_code == status, answered.text
    if status == 409:
        assert shown(answered) == ("insufficient-budget", f"2025/指标:可用[line={LINE}]", asked_fen, 200_000, 400_000)
        assert "4,000.00" in answered.json()["detail"]
        assert await written(database) == before


@pytest.mark.parametrize(("asked_fen", "status"), [(200_000, 201), (200_001, 409)])
async def test_a_transfer_is_taken_back_as_far_as_no_case_of_its_target_holds_it(
    client: httpx.AsyncClient, live: Live, database: Database, asked_fen: int, status: int
) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    await transferred(client)
    await hear(live, proposed(award(400_000, line_id=OTHER_LINE)))
    before = await written(database)

    answered = await post(client, "/v1/reversals", reversal_of(TRANSFERRED, asked_fen))

    assert answered.status_code == status, answered.text
    if status == 409:
        assert shown(answered) == ("insufficient-budget", f"2025/指标:可用[line={OTHER_LINE}]", asked_fen, 200_000, 400_000)
        assert await written(database) == before


@pytest.mark.parametrize(("asked_fen", "status"), [(200_000, 201), (200_001, 409)])
async def test_a_line_gives_away_by_transfer_only_what_its_cases_do_not_hold(
    client: httpx.AsyncClient, live: Live, database: Database, asked_fen: int, status: int
) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    await hear(live, proposed(award(400_000)))
    before = await written(database)

    answered = await post(client, "/v1/transfers", {**TRANSFER, "amount_fen": asked_fen})

    assert answered.status_code == status, answered.text
    if status == 409:
        assert shown(answered) == ("insufficient-budget", f"2025/指标:可用[line={LINE}]", asked_fen, 200_000, 400_000)
        assert await written(database) == before


@pytest.mark.parametrize("verb", ["/v1/reversals", "/v1/transfers"])
async def test_what_was_reserved_after_the_first_signature_stands_in_the_way_of_the_second(
    client: httpx.AsyncClient, live: Live, database: Database, verb: str
) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    body = TRANSFER if verb == "/v1/transfers" else reversal_of(ALLOTTED, 600_000)
    made = (await post(client, verb, body)).json()
    await hear(live, proposed(award(1)))
    before = await written(database)

    refused = await post(client, f"{verb}/{made['id']}:approve", auth=FINANCE_2, version=1)

    assert refused.status_code == 409
    assert shown(refused) == ("insufficient-budget", f"2025/指标:可用[line={LINE}]", 600_000, 599_999, 1)
    assert await written(database) == before
    await assert_journal_readds(database)


async def test_an_appropriation_whose_money_is_allotted_is_not_taken_back_and_the_sum_beyond_is_named(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    await hear(live, proposed(award(400_000)))
    before = await written(database)

    refused = await post(client, "/v1/reversals", reversal_of(1, 1_000_000))

    assert refused.status_code == 409
    assert shown(refused) == ("insufficient-budget", "2025/指标:待分配", 1_000_000, 0, 400_000)
    assert refused.json()["allotted_fen"] == 600_000
    assert await written(database) == before
