"""The fund card and the trial balance: every fen of a year is on both sides, also over the end of the year."""

from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.live import Live
from tests.integration.budget.acting import (
    FINANCE,
    appropriate,
    approved_order,
    award,
    bank_says,
    hear,
    paid_row,
    payable_case,
    proposed,
    returned_row,
)
from tests.integration.budget.test_clawbacks import ordered, paid, receive
from tests.integration.budget.test_pools import ALLOTMENT, FINANCE_2, TRANSFER, post
from tests.integration.budget.test_reading_books import DISTRICT, read, some_history
from tests.integration.budget.test_year_closes import close, new_year

LINE = "2023-15/7n"


async def card_of(client: httpx.AsyncClient, *, fiscal_year: int = 2025) -> dict[str, Any]:
    answered = await read(client, "fund-card", fiscal_year=fiscal_year)
    assert answered.status_code == 200, answered.text
    return dict(answered.json())


async def trial_of(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    answered = await read(client, "trial-balance", **params)
    assert answered.status_code == 200, answered.text
    return dict(answered.json())


def shown(figures: dict[str, Any]) -> dict[str, int]:
    return {name.removesuffix("_fen"): fen for name, fen in figures.items() if isinstance(fen, int) and fen}


def pairs(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[part][side] for part in ("opening", "turnover", "closing") for side in ("dr_fen", "cr_fen"))


async def test_a_card_shows_where_each_fen_is_and_balances(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 10_000_000)
    await hear(live, proposed(award(3_000_000), award(9_000_000, jurisdiction_id="wendeng")))
    await bank_says(client, paid_row(await approved_order(client, await payable_case(client, live, amount_fen=1_000_000))))
    await approved_order(client, await payable_case(client, live, amount_fen=2_000_000))
    await bank_says(client, returned_row(await approved_order(client, await payable_case(client, live, amount_fen=500_000))))

    card = await card_of(client)

    assert shown(card["total"]) == {
        "appropriated": 10_000_000,
        "allotted": 10_000_000,
        "available": 3_500_000,
        "reserved": 3_500_000,
        "in_transit": 2_000_000,
        "paid": 1_000_000,
        "returned": 500_000,
        "waiting": 9_000_000,
        "waiting_cases": 1,
    }
    assert (card["equation"]["left_fen"], card["equation"]["right_fen"], card["equation"]["balanced"]) == (10_000_000, 10_000_000, True)
    by_place = {(line["line_id"], line["jurisdiction_id"]): shown(line) for line in card["lines"]}
    assert by_place[LINE, "huancui"] == {"reserved": 3_500_000, "in_transit": 2_000_000, "paid": 1_000_000, "returned": 500_000}
    assert by_place[LINE, "wendeng"] == {"waiting": 9_000_000, "waiting_cases": 1}


async def test_the_terms_of_the_equation_are_all_there_and_add_up_to_its_sides(client: httpx.AsyncClient, live: Live) -> None:
    await some_history(client, live, seed=5)

    equation = (await card_of(client))["equation"]

    for side in ("left", "right"):
        assert sum(term["amount_fen"] for term in equation[side]) == equation[f"{side}_fen"]
    assert equation["balanced"]
    assert [term["title_zh"] for term in equation["left"]] == ["年度批复", "上年结转", "上年追回"]


async def test_allotments_and_transfers_are_shown_net_at_each_place(client: httpx.AsyncClient) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    made = (await post(client, "/v1/transfers", {**TRANSFER, "amount_fen": 200_000})).json()
    await post(client, f"/v1/transfers/{made['id']}:approve", auth=FINANCE_2, version=1)

    card = await card_of(client)

    by_line = {line["line_id"]: shown(line) for line in card["lines"]}
    assert by_line[LINE] == {"allotted": 600_000, "transferred": -200_000, "available": 400_000}
    assert by_line["2023-15/2"] == {"transferred": 200_000, "available": 200_000}
    assert by_line[None] == {"appropriated": 1_000_000, "allotted": 400_000, "available": 400_000}


async def test_a_reversed_allotment_is_no_allotment(client: httpx.AsyncClient) -> None:
    await appropriate(client, 1_000_000)
    await post(client, "/v1/allotments", ALLOTMENT)
    body = {"reverses_seq": 3, "amount_fen": 100_000, "document": "财冲〔2025〕1号", "reason": "金额有误"}
    made = await post(client, "/v1/reversals", body)
    approved = await post(client, f"/v1/reversals/{made.json()['id']}:approve", auth=FINANCE_2, version=1)
    assert approved.status_code == 200, approved.text

    by_line = {line["line_id"]: shown(line) for line in (await card_of(client))["lines"]}

    assert by_line[LINE] == {"allotted": 500_000, "available": 500_000}


async def test_what_is_recovered_is_ordered_received_and_remitted(client: httpx.AsyncClient, live: Live) -> None:
    _, order = await paid(client, live)
    clawback = (await receive(client, (await ordered(client, order, 500_000)).json(), 300_000)).json()
    before = await card_of(client)

    await post(client, f"/v1/clawbacks/{clawback['id']}:remit", {"document": "缴款书1"}, version=clawback["version"])

    after = await card_of(client)
    recovered = {"clawback_ordered": 500_000, "clawback_received": 300_000}
    books = {"appropriated": 1_000_000, "allotted": 1_000_000, "paid": 700_000}
    assert shown(before["total"]) == {**books, **recovered, "to_remit": 300_000}
    assert shown(after["total"]) == {**books, **recovered, "remitted": 300_000}
    assert (before["equation"]["balanced"], after["equation"]["balanced"]) == (True, True)


async def test_money_over_the_end_of_the_year_balances_in_both_years(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 1_000_000)
    await hear(live, proposed(award(300_000)))
    new_year(tmp_path)
    assert (await close(client)).status_code == 201

    old, new = await card_of(client), await card_of(client, fiscal_year=2026)

    assert shown(old["total"]) == {"appropriated": 1_000_000, "allotted": 1_000_000, "carried_out": 300_000, "lapsed": 700_000}
    assert shown(new["total"]) == {"carried_in": 300_000, "reserved": 300_000}
    assert (old["equation"]["balanced"], new["equation"]["balanced"]) == (True, True)


async def test_a_trial_balance_has_equal_totals_of_each_pair(client: httpx.AsyncClient, live: Live) -> None:
    await some_history(client, live, seed=6)

    trial = await trial_of(client)

    assert trial["balanced"]
    for part in ("opening", "turnover", "closing"):
        assert {side: sum(row[part][side] for row in trial["rows"]) for side in ("dr_fen", "cr_fen")} == trial[part]
        assert trial[part]["dr_fen"] == trial[part]["cr_fen"]
    balances = (await read(client)).json()
    closing = {row["name"]: row["closing"] for row in trial["rows"] if row["line_id"] is None}
    assert closing["来源:年度批复"] == {"dr_fen": balances["appropriated_fen"], "cr_fen": 0}


async def test_a_trial_balance_opens_with_what_the_year_before_carried_over(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 1_000_000)
    await hear(live, proposed(award(300_000)))
    new_year(tmp_path)
    await close(client)

    old, new = await trial_of(client), await trial_of(client, fiscal_year=2026)

    carried = f"2026/指标:已预留[line={LINE},jurisdiction=huancui,origin=2025]"
    assert {row["account"]: pairs(row) for row in new["rows"]} == {
        "2026/上年结转": (300_000, 0, 0, 0, 300_000, 0),
        carried: (0, 300_000, 0, 0, 0, 300_000),
    }
    by_account = {row["account"]: pairs(row) for row in old["rows"]}
    assert by_account["2025/结转下年"] == (0, 0, 0, 300_000, 0, 300_000)
    assert by_account["2025/结转核销:核销"] == (0, 0, 0, 700_000, 0, 700_000)
    assert (old["balanced"], new["balanced"]) == (True, True)


@pytest.mark.parametrize(("first", "opening_fen", "turnover_fen"), [("2025-09-15", 0, 100), ("2025-09-16", 100, 0)])
async def test_what_moved_before_the_first_day_is_the_opening(client: httpx.AsyncClient, first: str, opening_fen: int, turnover_fen: int) -> None:
    await appropriate(client, 100)

    trial = await trial_of(client, effective_from=first)

    (source,) = [row for row in trial["rows"] if row["name"] == "来源:年度批复"]
    assert pairs(source) == (opening_fen, 0, turnover_fen, 0, 100, 0)
    assert trial["balanced"]


async def test_a_trial_balance_is_as_of_a_row_and_of_the_same_row_on_every_page(client: httpx.AsyncClient) -> None:
    await appropriate(client, 100)
    whole = await trial_of(client)
    first = await trial_of(client, limit=1)
    await appropriate(client, 50)

    second = await trial_of(client, limit=1, cursor=first["next_cursor"])
    third = await trial_of(client, cursor=second["next_cursor"])

    assert [*first["rows"], *second["rows"], *third["rows"]] == whole["rows"]
    assert (second["as_of_seq"], third["next_cursor"], third["turnover"]) == (2, None, whole["turnover"])
    assert (await trial_of(client, as_of_seq=2)) == whole
    assert (await read(client, "trial-balance", etag=f'"{whole["chain"]}"', as_of_seq=2)).status_code == 304


async def test_a_day_without_a_day_before_it_opens_with_nothing(client: httpx.AsyncClient) -> None:
    await appropriate(client, 100)

    trial = await trial_of(client, effective_from=date.min.isoformat())

    assert (trial["opening"], trial["turnover"]["dr_fen"]) == ({"dr_fen": 0, "cr_fen": 0}, 200)


@pytest.mark.parametrize("path", ["fund-card?fiscal_year=2025", "trial-balance?fiscal_year=2025", "reconciliation"])
async def test_screens_of_the_whole_fund_are_the_citys(client: httpx.AsyncClient, path: str) -> None:
    answered = await client.get(f"/v1/ledger/{path}", auth=DISTRICT)
    as_finance = await client.get(f"/v1/ledger/{path}", auth=FINANCE)

    assert (answered.status_code, answered.json()["code"], as_finance.status_code) == (403, "not-your-jurisdiction", 200)
