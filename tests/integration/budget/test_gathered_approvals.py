"""Approvals that arrive together are written together, and share nothing else: each is judged by its own caller, key and order."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from shared.live import Live
from tests.building import Staff, fetch, holding, staff_token, until_waiting
from tests.integration.budget.acting import (
    APPROVER,
    EVERYBODY,
    appropriate,
    approved_order,
    assert_books_add_up,
    award,
    balances,
    cases_of,
    check,
    checked_order,
    confirmation_of,
    enter_account,
    hear,
    kinds,
    make,
    payable_case,
    proposed,
    told,
    written,
)
from tests.integration.budget.test_freezes import FREEZE
from tests.integration.budget.test_pools import post
from tests.integration.budget.test_reservations import body
from tests.runtime import Database

APPROVER_2 = Staff(staff_token("approver-2", roles=["money-approver"]))
OF_WENDENG = Staff(staff_token("approver-3", roles=["money-approver"], jurisdictions=["wendeng"]))
OF_HUANCUI = Staff(staff_token("approver-4", roles=["money-approver"], jurisdictions=["huancui"]))
ONLY_CHECKER = Staff(staff_token("checker-9", roles=["money-checker"]))

Order = dict[str, Any]


async def sent(client: httpx.AsyncClient, order: Order, *, auth: Staff = APPROVER, key: str | None = None) -> httpx.Response:
    headers = {"If-Match": f'"{order["version"]}"', "Idempotency-Key": key or uuid.uuid4().hex}
    return await client.post(f"/v1/payment-orders/{order['id']}:approve", headers=headers, auth=auth)


async def gathered(database: Database, first: Any, *others: Any) -> tuple[httpx.Response, list[Any]]:
    """The first call is held up at the books, so that all the others wait behind it and are done in one portion."""
    async with holding(database, "SELECT * FROM lock_books()", service="budget"):
        ahead = asyncio.create_task(first)
        await until_waiting(database, sessions=1)
        behind = [asyncio.create_task(each) for each in others]
        await all_at_the_desk()
    return await ahead, list(await asyncio.gather(*behind, return_exceptions=True))


async def all_at_the_desk() -> None:
    """Nothing on the way there waits for anything outside of this process."""
    for _ in range(100):
        await asyncio.sleep(0)


def outcome(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code") or answer.json()["state"]


async def test_a_key_that_the_journal_has_for_something_else_approves_nothing(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 20_000_000)
    order = await checked_order(client, await payable_case(client, live))
    await client.post("/v1/reservations", json=body(1), headers={"Idempotency-Key": "one"}, auth=EVERYBODY)

    refused = await sent(client, order, auth=EVERYBODY, key="one")
    approved = await sent(client, order, auth=EVERYBODY, key="two")

    assert outcome(refused) == (422, "idempotency-key-reused")
    assert outcome(approved) == (200, "in_transit")


async def test_each_of_a_portion_gets_what_it_would_have_got_alone(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 20_000_000)
    orders = [await checked_order(client, await payable_case(client, live)) for _ in range(5)]
    ahead, good, good_2, frozen, stale = orders
    own_case = await payable_case(client, live)
    own = (await make(client, own_case, auth=EVERYBODY)).json()
    own = (await check(client, own)).json()
    unchecked = (await make(client, await payable_case(client, live))).json()
    await post(client, "/v1/freezes", {**FREEZE, "scope": "case", "application_id": frozen["application_id"]})

    _, answers = await gathered(
        database,
        sent(client, ahead),
        sent(client, stale | {"version": 1}),
        sent(client, good),
        sent(client, own, auth=EVERYBODY),
        sent(client, good, auth=APPROVER_2),
        sent(client, frozen),
        sent(client, good_2, auth=OF_WENDENG),
        sent(client, good_2, auth=OF_HUANCUI),
        sent(client, unchecked),
        sent(client, {"id": str(uuid.uuid4()), "version": 1}),
        sent(client, good_2, auth=ONLY_CHECKER),
    )

    assert [outcome(each) for each in answers] == [
        (412, "payment-order-stale"),
        (200, "in_transit"),
        (403, "same-person-twice"),
        (409, "step-not-allowed"),
        (409, "frozen"),
        (404, "payment-order-not-found"),
        (200, "in_transit"),
        (409, "step-not-allowed"),
        (404, "payment-order-not-found"),
        (403, "scope-missing"),
    ]
    assert [answers[place].json()["id"] for place in (1, 6)] == [good["id"], good_2["id"]]
    assert [answers[place].json()["approver"].rpartition("|")[2] for place in (1, 6)] == ["approver-1", "approver-4"]
    assert (await balances(client))["in_transit_fen"] == 3_000_000
    await assert_books_add_up(database)


async def test_what_is_written_of_a_portion_names_each_callers_own_key_and_voucher(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 20_000_000)
    cases = [await payable_case(client, live) for _ in range(4)]
    orders = [await checked_order(client, case) for case in cases]

    _, answers = await gathered(
        database,
        sent(client, orders[0]),
        *(sent(client, order, auth=auth, key=f"key-{place}") for place, (order, auth) in enumerate(zip(orders[1:], _THREE, strict=True))),
    )

    rows = await fetch(
        database, "SELECT voucher, key, item, caller, approver, booked_at, application_id FROM journal WHERE kind = 'order'", service="budget"
    )
    by_case = {str(row["application_id"]): row for row in rows}
    for place, answer in enumerate(answers):
        row, order = by_case[answer.json()["application_id"]], answer.json()
        assert (row["key"], row["item"], row["caller"], row["approver"]) == (f"key-{place}", 0, order["approver"], order["approver"])
        assert row["voucher"] == order["bank_reference"]
        (event,) = [each for each in await told(database, cases[place + 1]) if each.kind == "payment_ordered"]
        assert (event.body["voucher"], event.body["payment_order_id"]) == (order["bank_reference"], order["id"])
    assert len({by_case[answer.json()["application_id"]]["booked_at"] for answer in answers}) == 1
    again = [await sent(client, order, auth=auth, key=f"key-{place}") for place, (order, auth) in enumerate(zip(orders[1:], _THREE, strict=True))]
    assert [each.content for each in again] == [each.content for each in answers]


_THREE = (APPROVER, APPROVER_2, OF_HUANCUI)


async def test_one_key_for_two_orders_of_a_portion_approves_the_first_alone(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 20_000_000)
    ahead, first, second = [await checked_order(client, await payable_case(client, live)) for _ in range(3)]

    _, answers = await gathered(
        database,
        sent(client, ahead),
        sent(client, first, key="one"),
        sent(client, second, key="one"),
        sent(client, first, key="one"),
        sent(client, second, key="one", auth=APPROVER_2),
    )
    later = [await sent(client, first, key="one"), await sent(client, second, key="one")]

    assert [outcome(each) for each in answers] == [
        (200, "in_transit"),
        (409, "request-in-flight"),
        (409, "request-in-flight"),
        (200, "in_transit"),
    ]
    assert [outcome(each) for each in later] == [(200, "in_transit"), (422, "idempotency-key-reused")]
    assert later[0].content == answers[0].content
    await assert_books_add_up(database)


async def test_a_batch_that_waits_for_the_books_while_a_single_call_has_its_key_approves_nothing(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 20_000_000)
    alone, listed = [await checked_order(client, await payable_case(client, live)) for _ in range(2)]
    body = {"orders": [{"payment_order_id": listed["id"], "version": listed["version"]}]}

    async with holding(database, "SELECT * FROM lock_books()", service="budget"):
        first = asyncio.create_task(sent(client, alone, key="one"))
        await until_waiting(database, sessions=1)
        behind = asyncio.create_task(client.post("/v1/payment-orders:approve-batch", json=body, headers={"Idempotency-Key": "one"}, auth=APPROVER))
        await until_waiting(database, sessions=2)
    answers = [outcome(await call) for call in (first, behind)]

    assert answers == [(200, "in_transit"), (422, "idempotency-key-reused")]
    assert (await balances(client))["in_transit_fen"] == 1_000_000
    await assert_books_add_up(database)


async def test_a_refused_call_of_a_portion_may_be_repeated_with_its_key_when_it_is_right(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 20_000_000)
    order = await checked_order(client, await payable_case(client, live))
    freeze = (await post(client, "/v1/freezes", {**FREEZE, "scope": "case", "application_id": order["application_id"]})).json()

    refused = await sent(client, order, key="one")
    await post(client, f"/v1/freezes/{freeze['id']}:lift", {"document": "审通〔2025〕12号"}, version=1)
    taken = await sent(client, order, key="one")

    assert [outcome(refused), outcome(taken)] == [(409, "frozen"), (200, "in_transit")]


async def test_a_caller_that_goes_away_spoils_nobody_and_its_approval_is_found_when_it_comes_again(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 20_000_000)
    ahead, gone, stays = [await checked_order(client, await payable_case(client, live)) for _ in range(3)]

    async with holding(database, "SELECT * FROM lock_books()", service="budget"):
        first = asyncio.create_task(sent(client, ahead))
        await until_waiting(database, sessions=1)
        leaving, staying = asyncio.create_task(sent(client, gone, key="gone")), asyncio.create_task(sent(client, stays))
        await all_at_the_desk()
        leaving.cancel()
    answers = [await first, await staying]
    with pytest.raises(asyncio.CancelledError):
        await leaving

    assert [outcome(each) for each in answers] == [(200, "in_transit")] * 2
    assert outcome(await sent(client, gone, key="gone")) == (200, "in_transit")
    assert (await balances(client))["in_transit_fen"] == 3_000_000
    await assert_books_add_up(database)


async def test_a_batch_of_a_district_touches_no_order_of_another(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 20_000_000)
    here = await payable_case(client, live)
    proposal = proposed(award(1_000_000, jurisdiction_id="wendeng"))
    (there,) = cases_of(proposal)
    await hear(live, proposal, confirmation_of(there))
    await enter_account(client, there)
    orders = [await checked_order(client, case) for case in (here, there)]
    body = {"orders": [{"payment_order_id": order["id"], "version": order["version"]} for order in orders]}

    answered = await client.post("/v1/payment-orders:approve-batch", json=body, auth=OF_WENDENG)

    first, second = answered.json()["results"]
    assert (first["status"], first["problem"]["code"]) == ("refused", "payment-order-not-found")
    assert (second["status"], second["payment_order"]["id"]) == ("changed", orders[1]["id"])
    assert kinds(await told(database, here)).count("payment_ordered") == 0


async def test_what_is_refused_of_a_portion_leaves_no_trace(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    """All that were refused leave every table as it was, also those that shared a transaction with one that was taken."""
    await appropriate(client, 20_000_000)
    taken, refused = [await checked_order(client, await payable_case(client, live)) for _ in range(2)]
    await approved_order(client, await payable_case(client, live))
    before = await written(database)

    _, (answer, other) = await gathered(database, sent(client, taken), sent(client, refused | {"version": 1}), sent(client, taken, auth=APPROVER_2))

    after = await written(database)
    assert (answer.status_code, other.status_code) == (412, 409)
    changed = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert changed == {"journal": 1, "reservation_history": 1, "outbox": 1, "answer": 1}
