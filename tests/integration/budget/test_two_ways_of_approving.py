"""An approval is judged the same way on a picture as behind the lock of the books, whatever the order has come to and whoever asks."""

import contextlib
import itertools
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest_asyncio

from deploy.local.issuer import ISSUER
from services.budget.approval import commands, queries
from services.budget.approval.commands import Approval
from services.budget.ledger.rules import Act
from services.budget.payment.commands import Step
from services.budget.policy import paying
from shared.caller import Caller
from shared.errors import Refusal
from shared.live import Live
from tests.building import BUSINESS_NOW
from tests.chaos.wholeness import digests
from tests.integration.budget.acting import (
    ACCOUNT_NUMBER,
    LINE,
    MAKER,
    USCC,
    appropriate,
    approved_order,
    award,
    bank_says,
    cases_of,
    checked_order,
    confirmation_of,
    enter_account,
    hear,
    make,
    paid_row,
    payable_case,
    proposed,
    release_of,
    returned_row,
)
from tests.integration.budget.test_freezes import FREEZE
from tests.integration.budget.test_overtaken_approvals import send_back
from tests.integration.budget.test_pools import post
from tests.runtime import Database

STOPPED = "2023-15/7p"
WHO = ("maker-1", "checker-1", "approver-1", "approver-2")
# What only some of the orders come to, each at its right version and by the right person.
TOLD = {
    "in_transit": ["again", "checked", "shared account", "stopped lifted"],
    "account-not-current": ["own account", "replaced"],
    "late-payment-open": ["late"],
    "frozen": ["stopped case", "stopped line"],
}


@pytest_asyncio.fixture
async def orders(client: httpx.AsyncClient, live: Live) -> dict[str, dict[str, Any]]:
    """By what has become of each."""
    await appropriate(client, 100_000_000)
    cases = {name: await payable_case(client, live) for name in ("made", "checked", "in_transit", "paid", "rejected", "cancelled", "replaced")}
    found = {name: await checked_order(client, case) for name, case in cases.items() if name not in ("made", "in_transit", "paid")}
    found["made"] = (await make(client, cases["made"])).json()
    found |= {name: await approved_order(client, cases[name]) for name in ("in_transit", "paid")}
    await bank_says(client, paid_row(found["paid"]))
    await send_back(client, found["rejected"])
    await hear(live, release_of(cases["cancelled"]))
    await enter_account(client, cases["replaced"], number="6200000000000000002")
    return found | await of_the_bank(client, live) | await of_an_organisation(client, live) | await stopped(client, live)


async def of_the_bank(client: httpx.AsyncClient, live: Live) -> dict[str, dict[str, Any]]:
    """One whose case the bank sent back once, and one about whose payment there is news since."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("again", "late"):
        case = await payable_case(client, live)
        found[f"returned {name}"] = returned = await approved_order(client, case)
        await bank_says(client, returned_row(returned))
        await enter_account(client, case)
        found[name] = await checked_order(client, case)
    await bank_says(client, paid_row(found["returned late"]))
    return found


async def of_an_organisation(client: httpx.AsyncClient, live: Live) -> dict[str, dict[str, Any]]:
    """In another district, both to the organisation's account; one of the cases has an account of its own by now."""
    proposal = proposed(award(1_000_000, jurisdiction_id="wendeng"), award(1_000_000, jurisdiction_id="wendeng"))
    await hear(live, proposal, *(confirmation_of(case) for case in cases_of(proposal)))
    account = {"uscc": USCC, "account_name": "示例公司", "account_number": ACCOUNT_NUMBER, "bank_name": "示例银行"}
    await client.post("/v1/payee-accounts", json=account, auth=MAKER)
    shared, own = [await checked_order(client, case) for case in cases_of(proposal)]
    await enter_account(client, cases_of(proposal)[1])
    return {"shared account": shared, "own account": own}


async def stopped(client: httpx.AsyncClient, live: Live) -> dict[str, dict[str, Any]]:
    """By their line, and by the case, of which one goes on."""
    found = {name: await order_of(client, live, line_id=line_id) for name, line_id in (("line", STOPPED), ("case", LINE), ("lifted", LINE))}
    await post(client, "/v1/freezes", {**FREEZE, "scope": "line", "line_id": STOPPED})
    await post(client, "/v1/freezes", {**FREEZE, "scope": "case", "application_id": found["case"]["application_id"]})
    ordered = (await post(client, "/v1/freezes", {**FREEZE, "scope": "case", "application_id": found["lifted"]["application_id"]})).json()
    await post(client, f"/v1/freezes/{ordered['id']}:lift", {"document": "审通〔2025〕12号"}, version=1)
    return {f"stopped {name}": order for name, order in found.items()}


async def order_of(client: httpx.AsyncClient, live: Live, *, line_id: str) -> dict[str, Any]:
    proposal = proposed(award(1_000_000, line_id=line_id))
    (case,) = cases_of(proposal)
    await hear(live, proposal, confirmation_of(case))
    await enter_account(client, case)
    return await checked_order(client, case)


def callers() -> list[Caller]:
    """Everybody who signed something, somebody new, and somebody new of a district."""
    everywhere = [Caller(id=f"staff:{ISSUER}|{name}", kind="staff", channel="staff", scopes=frozenset(), jurisdictions=None) for name in WHO]
    return [*everywhere, replace(everywhere[-1], jurisdictions=frozenset({"wendeng"}))]


def approval(order: dict[str, Any], *, version: int, caller: Caller, number: int) -> Approval:
    act = Act(caller=caller.id, key=f"key-{number}", fingerprint=b"f", at=BUSINESS_NOW, on=BUSINESS_NOW.date())
    return Approval(step=Step(order_id=UUID(order["id"]), version=version), caller=caller, act=act)


async def on_a_picture(live: Live, asked: Approval) -> str:
    async with live.database.statement() as tx:
        picture = await queries.read_picture(tx, [asked.step.order_id], keys=[(asked.act.caller, asked.act.key)])
    decided = commands.decide_approvals([asked], picture=picture, paying=paying.current())
    assert decided is not None
    (outcome,) = decided.outcomes
    return outcome.code if isinstance(outcome, Refusal) else str(outcome.shown["state"])


async def behind_the_lock(live: Live, asked: Approval) -> str:
    """What it would come to: it is taken back."""
    with contextlib.suppress(_TakenBack):
        async with live.transaction() as tx:
            (answer,) = await commands.approve_orders(tx, [asked], paying=paying.current())
            raise _TakenBack
    return answer.code if isinstance(answer, Refusal) else str(answer.state)


class _TakenBack(Exception):
    pass


async def test_whatever_an_order_has_come_to_both_ways_give_the_same_answer(
    live: Live, database: Database, orders: dict[str, dict[str, Any]]
) -> None:
    before = await digests(database)
    everything = itertools.product(orders.items(), (1, 2, 3), callers())

    seen: dict[str, Counter[str]] = {}
    for number, ((name, order), version, caller) in enumerate(everything):
        asked = approval(order, version=version, caller=caller, number=number)
        picture, lock = await on_a_picture(live, asked), await behind_the_lock(live, asked)
        assert picture == lock, f"{name}, version {version}, {caller.id}"
        seen.setdefault(picture, Counter())[name] += 1

    assert {code: sorted(names) for code, names in seen.items() if code in TOLD} == TOLD
    assert await digests(database) == before
