"""Reads of the books: as of any row they are what the journal adds up to, and the same row always says the same."""

import random
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.budget.ledger.rules import Kind
from services.budget.snapshot.rules import DEBIT_SIDE
from shared.live import Live
from tests.building import BUSINESS_NOW, Staff, fetch, staff_token
from tests.integration.budget.acting import (
    AUDITOR,
    FINANCE,
    appropriate,
    approved_order,
    assert_journal_readds,
    award,
    bank_says,
    cases_of,
    hear,
    paid_row,
    payable_case,
    proposed,
    release_of,
    returned_row,
)
from tests.integration.budget.test_ledger import case, money, moved, post
from tests.integration.budget.test_pools import ALLOTMENT
from tests.runtime import Database

DISTRICT = Staff(staff_token("maker-2", roles=["money-maker"], jurisdictions=["wendeng"]))
FIGURES = ("appropriated", "unallotted", "available", "reserved", "in_transit", "paid", "to_remit", "recovered_late", "remitted", "carried", "lapsed")


async def read(client: httpx.AsyncClient, path: str = "balances", *, etag: str = "", **params: Any) -> httpx.Response:
    headers = {"If-None-Match": etag} if etag else {}
    return await client.get(f"/v1/ledger/{path}", params={"fiscal_year": 2025, **params}, headers=headers, auth=AUDITOR)


def figures(answer: dict[str, Any]) -> dict[str, int]:
    return {name: answer[f"{name}_fen"] for name in FIGURES if answer[f"{name}_fen"]}


async def some_history(client: httpx.AsyncClient, live: Live, *, seed: int, steps: int = 12) -> list[dict[str, Any]]:
    """Acts chosen at random; the balances that were read after each of them."""
    chance = random.Random(seed)
    await appropriate(client, 100_000_000)
    seen = [(await read(client, by="line_jurisdiction")).json()]
    orders: list[dict[str, Any]] = []
    for step in range(steps):
        amount_fen = chance.randint(1, 20_000_000)
        match chance.choice(["reserve", "release", "pay", "confirm", "return", "allot"]):
            case "reserve":
                await hear(live, proposed(award(amount_fen, jurisdiction_id=chance.choice(["huancui", "wendeng"]))))
            case "release":
                proposal = proposed(award(amount_fen))
                await hear(live, proposal, release_of(cases_of(proposal)[0]))
            case "pay":
                orders.append(await approved_order(client, await payable_case(client, live, amount_fen=1_000)))
            case "confirm" if orders:
                await bank_says(client, paid_row(orders.pop()))
            case "return" if orders:
                await bank_says(client, returned_row(orders.pop()))
            case _:
                allotment = {**ALLOTMENT, "amount_fen": amount_fen // 10, "document": f"财预指〔2025〕{step}号"}
                await client.post("/v1/allotments", json=allotment, auth=FINANCE)
        seen.append((await read(client, by="line_jurisdiction")).json())
    return seen


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_as_of_any_row_the_books_say_what_they_said_then(client: httpx.AsyncClient, live: Live, database: Database, seed: int) -> None:
    seen = await some_history(client, live, seed=seed)

    again = [(await read(client, by="line_jurisdiction", as_of_seq=each["as_of_seq"])).json() for each in seen]

    for then, now in zip(seen, again, strict=True):
        held = [each for each in then["levels"] if any(figures(each).values())]
        assert [each for each in now["levels"] if any(figures(each).values())] == held
        assert (figures(now), now["chain"], now["as_of_booked_at"]) == (figures(then), then["chain"], then["as_of_booked_at"])
    await assert_journal_readds(database)


async def test_accounts_grow_on_the_side_that_the_database_says(database: Database) -> None:
    rows = await fetch(database, "SELECT name FROM account_name WHERE side = 'dr'", service="budget")

    assert {row["name"] for row in rows} == DEBIT_SIDE


async def test_as_of_an_instant_is_as_of_the_last_row_booked_by_then(client: httpx.AsyncClient, live: Live) -> None:
    await post(live, *money(100))
    await post(live, moved(case(10), Kind.RESERVE), booked_after=timedelta(hours=1))
    await post(live, moved(case(20), Kind.RESERVE), moved(case(30), Kind.RESERVE), booked_after=timedelta(hours=2))
    instants = [timedelta(microseconds=-1), timedelta(0), timedelta(minutes=59), timedelta(hours=1), timedelta(hours=2), timedelta(days=9)]

    found = [(await read(client, as_of_booked=(BUSINESS_NOW + after).isoformat())).json() for after in instants]

    assert [(each["as_of_seq"], each["reserved_fen"]) for each in found] == [(0, 0), (2, 0), (2, 0), (3, 10), (5, 60), (5, 60)]
    assert (await read(client, as_of_booked="0001-01-01T00:00:00+23:59", as_of_seq=2)).json()["as_of_seq"] == 0


async def test_a_row_that_is_not_booked_yet_is_told_so(client: httpx.AsyncClient, live: Live) -> None:
    await post(live, *money(100))

    last, next_one = await read(client, as_of_seq=2), await read(client, as_of_seq=3)

    assert (last.status_code, last.json()["as_of_seq"]) == (200, 2)
    assert (next_one.status_code, next_one.json()["code"]) == (404, "entry-not-booked")


async def test_money_is_told_apart_at_each_level_and_adds_up_at_all_of_them(client: httpx.AsyncClient, live: Live) -> None:
    await some_history(client, live, seed=4)

    found = {by: (await read(client, by=by)).json() for by in ("fund", "line", "jurisdiction", "line_jurisdiction", "origin_year")}

    for by, each in found.items():
        total = {name: sum(level[f"{name}_fen"] for level in each["levels"]) for name in FIGURES}
        assert {name: fen for name, fen in total.items() if fen} == figures(each), by
    assert len(found["fund"]["levels"]) == 1
    assert {level["jurisdiction_id"] for level in found["jurisdiction"]["levels"]} <= {None, "huancui", "wendeng"}
    assert [level["origin_year"] for level in found["origin_year"]["levels"]] == [2025]


async def test_effective_days_bound_what_is_counted_on_both_sides(client: httpx.AsyncClient, live: Live) -> None:
    await post(live, *money(100), moved(case(10), Kind.RESERVE))

    counted = [
        (await read(client, **window)).json()["reserved_fen"]
        for window in (
            {"effective_to": "2025-09-14"},
            {"effective_to": "2025-09-15"},
            {"effective_from": "2025-09-15"},
            {"effective_from": "2025-09-16"},
        )
    ]

    assert counted == [0, 10, 10, 0]


async def test_who_has_the_answer_is_told_that_nothing_was_booked_since(client: httpx.AsyncClient, live: Live) -> None:
    await post(live, *money(100))
    first = await read(client)

    same = await read(client, etag=f'"x", W/{first.headers["ETag"]}')
    await post(live, moved(case(10), Kind.RESERVE))
    after = await read(client, etag=first.headers["ETag"])
    as_it_was = await read(client, etag=first.headers["ETag"], as_of_seq=2)

    assert first.headers["ETag"] == f'"{first.json()["chain"]}"'
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert (after.status_code, after.json()["reserved_fen"]) == (200, 10)
    assert as_it_was.status_code == 304


async def test_the_journal_is_narrowed_by_what_is_asked(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000)
    await hear(live, proposed(award(600), award(500, jurisdiction_id="wendeng"), award(1, line_id="2023-15/99")))

    async def seqs(**params: Any) -> list[int]:
        return [row["seq"] for row in (await read(client, "entries", **params)).json()["rows"]]

    assert await seqs() == [1, 2, 3, 4, 5]
    assert await seqs(kind="reserve", outcome="posted") == [3]
    assert sorted([*await seqs(outcome="waiting"), *await seqs(outcome="refused")]) == [4, 5]
    assert len(await seqs(jurisdiction_id="wendeng")) == 1
    assert await seqs(line_id="2023-15/7n", jurisdiction_id="huancui") == [3]
    assert (await seqs(after_seq=3), await seqs(after_seq=5)) == ([4, 5], [])
    assert (await seqs(effective_from="2025-09-16"), await seqs(effective_to="2025-09-15")) == ([], [1, 2, 3, 4, 5])


async def test_the_journal_is_narrowed_by_the_instants_of_booking_both_included(client: httpx.AsyncClient, live: Live) -> None:
    await post(live, *money(100))
    await post(live, moved(case(10), Kind.RESERVE), booked_after=timedelta(hours=1))
    await post(live, moved(case(10), Kind.RESERVE), booked_after=timedelta(hours=2))

    async def seqs(**instants: timedelta) -> list[int]:
        params = {name: (BUSINESS_NOW + after).isoformat() for name, after in instants.items()}
        return [row["seq"] for row in (await read(client, "entries", **params)).json()["rows"]]

    hour, instant = timedelta(hours=1), timedelta(microseconds=1)
    assert (await seqs(booked_from=hour), await seqs(booked_from=hour + instant)) == ([3, 4], [4])
    assert (await seqs(booked_to=hour), await seqs(booked_to=hour - instant)) == ([1, 2, 3], [1, 2])
    assert await seqs(booked_from=hour, booked_to=hour) == [3]


async def test_a_journal_with_answers_that_moved_nothing_is_read_page_by_page(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await hear(live, proposed(award(1), award(2), award(3, line_id="2023-15/99")))

    first = (await read(client, "entries", limit=2)).json()
    rest = (await read(client, "entries", limit=2, cursor=first["next_cursor"])).json()

    rows = [*first["rows"], *rest["rows"]]
    assert (first["as_of_seq"], (await read(client, "entries", etag=f'"{first["chain"]}"')).status_code) == (3, 304)
    assert (rest["next_cursor"], {(row["voucher"], row["dr"]) for row in rows}) == (None, {(None, None)})
    written = await fetch(database, "SELECT seq, outcome, reason FROM journal ORDER BY seq", service="budget")
    assert [(row["seq"], row["outcome"], row["reason"]) for row in rows] == [tuple(row) for row in written]


@pytest.mark.parametrize("path", ["balances", "entries"])
async def test_who_is_bound_to_a_district_does_not_read_the_fund_as_a_whole(client: httpx.AsyncClient, path: str) -> None:
    answered = await client.get(f"/v1/ledger/{path}", params={"fiscal_year": 2025}, auth=DISTRICT)

    assert (answered.status_code, answered.json()["code"]) == (403, "not-your-jurisdiction")
