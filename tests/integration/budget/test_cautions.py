"""Spending that policy cautions about is approved with a ground, and the ground is kept."""

from uuid import UUID

import httpx

from services.budget.approval import commands, queries
from services.budget.approval.commands import Approval
from services.budget.ledger.rules import Act
from services.budget.payment.commands import Step
from services.budget.payment.rules import AcknowledgementMissing
from services.budget.policy import paying
from services.budget.policy.paying import Paying
from shared.caller import Caller
from shared.live import Live
from tests.building import BUSINESS_NOW, fetch
from tests.integration.budget.acting import ACCOUNT_NUMBER, APPROVER, appropriate, assert_books_add_up, checked_order, payable_case, written
from tests.runtime import Database

EVERYWHERE = Caller(id="approver-1", kind="staff", channel="staff", scopes=frozenset(), jurisdictions=None)
ACT = Act(caller="approver-1", key="k", fingerprint=b"f", at=BUSINESS_NOW, on=BUSINESS_NOW.date())


def of_the_city_too() -> dict[str, Paying]:
    """The policy as it would be if the city's own fund were cautioned about."""
    return {
        policy_id: each.model_copy(update={"caution": each.caution.model_copy(update={"funding_sources": ("city_hr_industry_fund",)})})
        for policy_id, each in paying.current().items()
    }


async def approve(live: Live, order_id: str, *, version: int, acknowledgement: str | None) -> object:
    step = Step(order_id=UUID(order_id), version=version, acknowledgement=acknowledgement)
    async with live.transaction() as tx:
        (answer,) = await commands.approve_orders(tx, [Approval(step=step, caller=EVERYWHERE, act=ACT)], paying=of_the_city_too())
    return answer


async def test_construction_is_approved_with_a_ground_only(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    order = await checked_order(client, await payable_case(client, live))
    before = await written(database)

    refused = await approve(live, order["id"], version=2, acknowledgement=None)
    after = await written(database)
    approved = await approve(live, order["id"], version=2, acknowledgement="有批复文件")

    assert isinstance(refused, AcknowledgementMissing)
    assert after == before
    assert getattr(approved, "state", None) == "in_transit"
    kept = await fetch(database, "SELECT caution, reason, acknowledged_by FROM payment_acknowledgement", service="budget")
    assert [tuple(row) for row in kept] == [("construction-spending", "有批复文件", "approver-1")]
    await assert_books_add_up(database)


async def test_a_ground_is_kept_as_well_where_approvals_are_written_together(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    order = await checked_order(client, await payable_case(client, live))
    steps = [Step(order_id=UUID(order["id"]), version=2, acknowledgement=ground) for ground in (None, "有批复文件")]

    async with live.database.statement() as tx:
        for step in steps:
            picture = await queries.read_picture(tx, [step.order_id], keys=[(ACT.caller, ACT.key)])
            decided = commands.decide_approvals([Approval(step=step, caller=EVERYWHERE, act=ACT)], picture=picture, paying=of_the_city_too())
            assert decided is not None
            assert [isinstance(each, AcknowledgementMissing) for each in decided.outcomes] == [step.acknowledgement is None]
        await commands.append_approvals(tx, decided, answers=[("{}", b"{}")])

    kept = await fetch(database, "SELECT caution, reason, acknowledged_by FROM payment_acknowledgement", service="budget")
    assert [tuple(row) for row in kept] == [("construction-spending", "有批复文件", "approver-1")]
    await assert_books_add_up(database)


async def test_where_nothing_is_cautioned_about_a_ground_is_taken_and_not_kept(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    order = await checked_order(client, await payable_case(client, live))

    approved = await client.post(
        f"/v1/payment-orders/{order['id']}:approve",
        json={"acknowledgement": f"账号{ACCOUNT_NUMBER}"},
        headers={"If-Match": '"2"'},
        auth=APPROVER,
    )

    assert approved.status_code == 200, approved.text
    assert await fetch(database, "SELECT 1 FROM payment_acknowledgement", service="budget") == []
