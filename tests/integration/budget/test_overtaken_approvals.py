"""What happens between the reading and the writing of an approval: it is refused or settled by what is so now, and nothing is half done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from services.budget import policy
from services.budget.approval.commands import Approval, approve_orders
from services.budget.entry.commands import lock_books
from services.budget.payment.commands import Step
from services.budget.policy import paying
from services.budget.writer import Writer
from shared.errors import Refusal
from shared.live import Live
from tests.building import Staff, fetch, holding, until_waiting
from tests.chaos.wholeness import assert_nothing_half_done, digests
from tests.chaos.wire import Trap, Wire, laid_wire
from tests.integration.budget.acting import (
    APPROVER,
    Case,
    appropriate,
    approved_order,
    award,
    bank_says,
    checked_order,
    enter_account,
    hear,
    kinds,
    paid_row,
    payable_case,
    proposed,
    release_of,
    returned_row,
    told,
)
from tests.integration.budget.test_cautions import ACT, EVERYWHERE
from tests.integration.budget.test_cut_and_slow import app_on
from tests.integration.budget.test_freezes import FREEZE
from tests.integration.budget.test_gathered_approvals import APPROVER_2, Order, all_at_the_desk, outcome, sent
from tests.integration.budget.test_pools import post
from tests.integration.budget.test_statement_faults import Faults, asked, faults
from tests.integration.budget.test_year_closes import close
from tests.runtime import Database

__all__ = ["faults"]

WITHIN_S = 10.0
KEY = "overtaken"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A checked order of a case that the bank sent back once, and one of another case."""

    client: httpx.AsyncClient
    live: Live
    case: Case
    returned: Order
    order: Order
    other: Order


Meanwhile: TypeAlias = Callable[[Scene], Awaitable[object]]


@pytest_asyncio.fixture
async def wire(database: Database) -> AsyncIterator[Wire]:
    port = urlsplit(database.urls["budget"]).port
    assert port is not None
    async with laid_wire(port) as laid:
        yield laid


@pytest_asyncio.fixture
async def wired(database: Database, wire: Wire, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with app_on(database, folder=tmp_path, wire=wire) as (opened, _):
        yield opened


@pytest_asyncio.fixture
async def scene(client: httpx.AsyncClient, live: Live) -> Scene:
    await appropriate(client, 20_000_000)
    await appropriate(client, 1_000_000, fiscal_year=2024)
    case = await payable_case(client, live)
    returned = await approved_order(client, case)
    await bank_says(client, returned_row(returned))
    await enter_account(client, case)
    other = await checked_order(client, await payable_case(client, live))
    return Scene(client=client, live=live, case=case, returned=returned, order=await checked_order(client, case), other=other)


async def at_the_write(wire: Wire, sending: Awaitable[httpx.Response]) -> tuple[Trap, "asyncio.Future[httpx.Response]"]:
    """The call, once it has read and decided and is about to write."""
    trap = wire.trap = Trap(lambda statement: statement == "append_approvals")
    call = asyncio.ensure_future(sending)
    async with asyncio.timeout(WITHIN_S):
        await trap.sprung.wait()
    return trap, call


async def freeze(scene: Scene) -> httpx.Response:
    return await post(scene.client, "/v1/freezes", {**FREEZE, "scope": "case", "application_id": str(scene.case.application_id)})


async def freeze_and_lift(scene: Scene) -> object:
    ordered = (await freeze(scene)).json()
    return await post(scene.client, f"/v1/freezes/{ordered['id']}:lift", {"document": "审通〔2025〕12号"}, version=1)


async def hear_of_a_late_payment(scene: Scene) -> object:
    return await bank_says(scene.client, paid_row(scene.returned))


async def replace_the_account(scene: Scene) -> object:
    return await enter_account(scene.client, scene.case, number="6200000000000000002")


async def reject(scene: Scene) -> object:
    return await send_back(scene.client, scene.order)


async def send_back(client: httpx.AsyncClient, order: Order, *, auth: Staff = APPROVER_2, key: str = "sent back") -> object:
    headers = {"If-Match": '"2"', "Idempotency-Key": key}
    rejected = await client.post(f"/v1/payment-orders/{order['id']}:reject", json={"reason": "户名不一致"}, headers=headers, auth=auth)
    assert rejected.status_code == 200, rejected.text
    return rejected


async def release(scene: Scene) -> object:
    return await hear(scene.live, release_of(scene.case))


async def approve_elsewhere(scene: Scene) -> object:
    return await sent(scene.client, scene.order, auth=APPROVER_2)


async def approve_another_with_the_key(scene: Scene) -> object:
    return await sent(scene.client, scene.other, key=KEY)


async def reject_another_with_the_key(scene: Scene) -> object:
    """Moves neither the books nor the order."""
    return await send_back(scene.client, scene.other, auth=APPROVER, key=KEY)


async def approve_others_in_one_call_with_the_key(scene: Scene) -> object:
    body = {"orders": [{"payment_order_id": scene.other["id"], "version": scene.other["version"]}]}
    approved = await scene.client.post("/v1/payment-orders:approve-batch", json=body, headers={"Idempotency-Key": KEY}, auth=APPROVER)
    assert [each["status"] for each in approved.json()["results"]] == ["changed"]
    return approved


async def close_the_year_before(scene: Scene) -> object:
    closed = await close(scene.client, fiscal_year=2024)
    assert closed.status_code == 201, closed.text
    return closed


async def reserve_for_others(scene: Scene) -> object:
    return await hear(scene.live, proposed(award(1_000)))


@pytest.mark.parametrize(
    ("meanwhile", "refusal"),
    [
        (freeze, (409, "frozen")),
        (hear_of_a_late_payment, (409, "late-payment-open")),
        (replace_the_account, (409, "account-not-current")),
        (reject, (409, "step-not-allowed")),
        (release, (409, "step-not-allowed")),
        (approve_elsewhere, (409, "step-not-allowed")),
        (approve_another_with_the_key, (422, "idempotency-key-reused")),
        (reject_another_with_the_key, (422, "idempotency-key-reused")),
        (approve_others_in_one_call_with_the_key, (422, "idempotency-key-reused")),
    ],
)
async def test_an_approval_that_is_overtaken_is_refused_by_what_is_so_now_and_writes_nothing(
    scene: Scene, wired: httpx.AsyncClient, wire: Wire, database: Database, meanwhile: Meanwhile, refusal: tuple[int, str]
) -> None:
    trap, call = await at_the_write(wire, sent(wired, scene.order, key=KEY))
    await meanwhile(scene)
    before = await digests(database)

    trap.released.set()
    answer = await call

    assert outcome(answer) == refusal
    assert await digests(database) == before
    await assert_nothing_half_done(database)


@pytest.mark.parametrize("meanwhile", [freeze_and_lift, close_the_year_before, reserve_for_others])
async def test_an_approval_that_is_overtaken_by_what_does_not_concern_it_is_decided_again_and_booked_once(
    scene: Scene, wired: httpx.AsyncClient, wire: Wire, database: Database, meanwhile: Meanwhile
) -> None:
    trap, call = await at_the_write(wire, sent(wired, scene.order, key=KEY))
    await meanwhile(scene)

    trap.released.set()
    answer = await call
    repeat = await sent(scene.client, scene.order, key=KEY)

    assert outcome(answer) == (200, "in_transit")
    assert (repeat.content, repeat.headers["idempotency-replayed"]) == (answer.content, "true")
    assert await vouchers(database, scene.order) == [scene.returned["bank_reference"], answer.json()["bank_reference"]]
    assert kinds(await told(database, scene.case)).count("payment_ordered") == 2
    assert "lock_books" in trap.passed
    await assert_nothing_half_done(database)


async def test_the_same_call_at_two_processes_is_booked_once_and_both_get_the_one_answer(
    scene: Scene, wired: httpx.AsyncClient, wire: Wire, database: Database
) -> None:
    trap, call = await at_the_write(wire, sent(wired, scene.order, key=KEY))
    other = await sent(scene.client, scene.order, key=KEY)

    trap.released.set()
    answer = await call

    assert outcome(answer) == (200, "in_transit")
    assert (answer.content, answer.headers["idempotency-replayed"]) == (other.content, "true")
    assert await vouchers(database, scene.order) == [scene.returned["bank_reference"], answer.json()["bank_reference"]]
    await assert_nothing_half_done(database)


async def test_of_a_portion_that_is_overtaken_only_the_one_that_it_concerns_is_refused(
    scene: Scene, wired: httpx.AsyncClient, wire: Wire, database: Database
) -> None:
    ahead, *others = [await checked_order(scene.client, await payable_case(scene.client, scene.live)) for _ in range(3)]
    first, ahead_call = await at_the_write(wire, sent(wired, ahead))
    calls = [asyncio.create_task(sent(wired, order)) for order in (others[0], scene.order, others[1])]
    await all_at_the_desk()
    second = wire.trap = Trap(lambda statement: statement == "append_approvals")
    first.released.set()
    async with asyncio.timeout(WITHIN_S):
        await second.sprung.wait()
    await freeze(scene)

    second.released.set()
    answers = [outcome(await call) for call in (ahead_call, *calls)]

    assert answers == [(200, "in_transit"), (200, "in_transit"), (409, "frozen"), (200, "in_transit")]
    assert [len(await vouchers(database, order)) for order in (ahead, *others, scene.order)] == [1, 1, 1, 1]
    assert second.passed.count("lock_books") == 1
    await assert_nothing_half_done(database)


@pytest.mark.parametrize("table", ["journal", "payment_order", "outbox"])
async def test_of_a_portion_the_others_are_approved_without_the_one_that_fails(
    scene: Scene, wired: httpx.AsyncClient, wire: Wire, database: Database, faults: Faults, table: str
) -> None:
    ahead, *others = [await checked_order(scene.client, await payable_case(scene.client, scene.live)) for _ in range(3)]
    trap, ahead_call = await at_the_write(wire, sent(wired, ahead))
    calls = [asyncio.create_task(sent(wired, order)) for order in (others[0], scene.order, others[1])]
    await all_at_the_desk()
    await faults.on(table, holding=str(scene.case.application_id))

    trap.released.set()
    statuses = [(await call).status_code for call in (ahead_call, *calls)]
    await faults.clear()
    again = await sent(wired, scene.order)

    assert statuses == [200, 200, 500, 200]
    assert outcome(again) == (200, "in_transit")
    await assert_nothing_half_done(database)


@pytest.mark.parametrize("waits", ["a reservation", "an approval"])
async def test_who_waits_for_the_books_has_written_nothing_yet_that_their_holder_would_wait_for(scene: Scene, database: Database, waits: str) -> None:
    """Else the two wait for each other, until the database ends one of them after a second."""
    writer = Writer(database=scene.live.database, catalogue=policy.current())
    step = Step(order_id=UUID(scene.other["id"]), version=2)

    with capture_logs() as logged:
        async with scene.live.transaction() as tx:
            await lock_books(tx)
            waiting = asyncio.ensure_future(writer.take(asked(1)) if waits == "a reservation" else sent(scene.client, scene.order))
            await until_waiting(database, sessions=1)
            (approved,) = await approve_orders(tx, [Approval(step=step, caller=EVERYWHERE, act=ACT)], paying=paying.current())
        await waiting

    again = [each for each in logged if each["event"] in ("batch_decided_again", "approvals_decided_again")]
    assert not isinstance(approved, Refusal)
    assert [each.get("reason", each.get("sqlstate")) for each in again] == ["UnknownPostgresError" if waits == "a reservation" else "BK001"]
    await assert_nothing_half_done(database)


async def test_calls_whose_server_process_is_ended_while_they_wait_to_write_are_booked_once(
    scene: Scene, wired: httpx.AsyncClient, database: Database
) -> None:
    orders = [await checked_order(scene.client, await payable_case(scene.client, scene.live)) for _ in range(3)]
    async with holding(database, "SELECT * FROM lock_books()", service="budget"):
        calls = [asyncio.create_task(sent(wired, order)) for order in orders]
        await until_waiting(database, sessions=1)
        await fetch(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
            service="postgres",
        )
    answers = [outcome(await call) for call in calls]

    # The first was alone, and its caller repeats it; or all of them were.
    assert {code for _, code in answers} <= {"in_transit", "database-away"}
    again = [outcome(await sent(scene.client, order)) for order, (status, _) in zip(orders, answers, strict=True) if status != 200]
    assert [status for status, _ in again] == [200] * len(again)
    assert [len(await vouchers(database, order)) for order in orders] == [1, 1, 1]
    await assert_nothing_half_done(database)


async def vouchers(database: Database, order: Order) -> list[str]:
    rows = await fetch(
        database, "SELECT voucher FROM journal WHERE kind = 'order' AND application_id = $1 ORDER BY seq", order["application_id"], service="budget"
    )
    return [row["voucher"] for row in rows]
