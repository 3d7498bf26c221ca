"""The case card: all that happened to one case in the budget, in its order, for nobody else's district."""

from datetime import datetime
from typing import Any

import httpx

from shared.live import Live
from tests.building import Staff, staff_token
from tests.integration.budget.acting import (
    ACCOUNT_NUMBER,
    AUDITOR,
    Case,
    appropriate,
    approved_order,
    award,
    bank_says,
    cases_of,
    enter_account,
    hear,
    paid_row,
    payable_case,
    proposed,
    release_of,
    returned_row,
)
from tests.integration.budget.test_clawbacks import ordered, receive
from tests.integration.budget.test_late_payments import decide, late_payments
from tests.integration.budget.test_pools import post
from tests.integration.budget.test_quota_documents import hand_down

HUANCUI = Staff(staff_token("district-1", roles=["district-finance"], jurisdictions=["huancui"]))
WENDENG = Staff(staff_token("district-2", roles=["district-finance"], jurisdictions=["wendeng"]))


async def card_of(client: httpx.AsyncClient, case: Case, *, auth: Staff = AUDITOR) -> httpx.Response:
    return await client.get(f"/v1/ledger/case-cards/{case.application_id}", auth=auth)


def happened(card: dict[str, Any]) -> list[str]:
    return [f"{each['happened']}:{each['what']}" for each in card["timeline"]]


async def test_a_payment_that_came_back_and_was_paid_again_is_told_from_its_beginning(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    await bank_says(client, returned_row(await approved_order(client, case)))
    await enter_account(client, case, number="6200000000000000002")
    again = await approved_order(client, case, number="6200000000000000002")
    await bank_says(client, paid_row(again))

    card = (await card_of(client, case)).json()

    assert [each["what"] for each in card["timeline"] if each["happened"] == "posted"] == ["reserve", "order", "return", "order", "confirm"]
    instants = [datetime.fromisoformat(each["at"]) for each in card["timeline"]]
    assert instants == sorted(instants)
    assert [each["what"] for each in card["timeline"] if each["happened"] == "bank_said"] == ["returned:matched", "paid:matched"]
    assert [(each["issue"], each["state"]) for each in card["payment_orders"]] == [(1, "returned"), (2, "paid")]
    assert [each["issue"] for each in card["timeline"] if each["happened"] == "order_approved"] == [1, 2]
    (reservation,) = card["reservations"]
    assert (reservation["state"], reservation["payable_fen"], reservation["notice_number"]) == ("paid", 1_000_000, "公示〔2025〕1号")
    assert (card["held"], card["complete"]) == ([], True)


async def test_what_is_held_for_a_case_is_shown_account_by_account(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)

    card = (await card_of(client, case)).json()

    assert card["held"] == [{"account": "2025/指标:已预留[line=2023-15/7n,jurisdiction=huancui]", "held_fen": 1_000_000}]


async def test_answers_that_moved_nothing_stand_in_the_card_with_their_reason(client: httpx.AsyncClient, live: Live) -> None:
    proposal = proposed(award(100), award(100, line_id="2023-15/99"))
    waits, refused = cases_of(proposal)
    await hear(live, proposal)
    await hear(live, release_of(waits))

    waiting_card, refused_card = (await card_of(client, waits)).json(), (await card_of(client, refused)).json()

    assert happened(waiting_card) == ["answered:waiting", "noted:released"]
    assert (waiting_card["timeline"][0]["voucher"], waiting_card["timeline"][1]["reason"]) == (None, "申请人撤回")
    (answer,) = refused_card["timeline"]
    assert (answer["what"], answer["reason"].partition(":")[0]) == ("refused", "unknown-line")
    assert [each["state"] for each in refused_card["reservations"]] == ["refused"]


async def test_freezes_of_the_case_its_line_and_the_fund_are_in_its_card_and_others_are_not(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = {"document": "审函〔2025〕1号", "authority": "市审计局", "reason": "核查", "ordered_on": "2025-09-15"}
    scopes: list[dict[str, str]] = [
        {"scope": "case", "application_id": str(case.application_id)},
        {"scope": "line", "line_id": "2023-15/7n"},
        {"scope": "fund"},
        {"scope": "line", "line_id": "2023-15/2"},
        {"scope": "jurisdiction", "jurisdiction_id": "wendeng"},
    ]
    made = [(await post(client, "/v1/freezes", {**order, **scope})).json() for scope in scopes]
    lifted = await post(client, f"/v1/freezes/{made[0]['id']}:lift", {"document": "审函〔2025〕2号"}, version=1)
    assert lifted.status_code == 200, lifted.text

    card = (await card_of(client, case)).json()

    assert [each for each in happened(card) if "frozen" in each] == ["frozen:case", "frozen:line", "frozen:fund", "unfrozen:case"]


async def test_recovery_is_in_the_card(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    paid = await approved_order(client, case)
    await bank_says(client, paid_row(paid))
    await receive(client, (await ordered(client, paid, 400_000)).json(), 300_000)

    card = (await card_of(client, case)).json()

    assert happened(card)[-3:] == ["clawback_ordered:open", "clawback_received:open", "posted:clawback"]
    assert [each["amount_fen"] for each in card["timeline"][-3:]] == [400_000, 300_000, 300_000]


async def test_money_handed_down_is_in_the_card(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    await hand_down(live, await approved_order(client, case))

    card = (await card_of(client, case)).json()

    (handed,) = [each for each in card["timeline"] if each["happened"] == "handed_down"]
    assert (handed["document"], handed["amount_fen"], handed["on"]) == ("财社指〔2025〕8号", 1_000_000, "2025-09-15")


async def test_news_that_came_late_is_in_the_card(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = await approved_order(client, case)
    await bank_says(client, returned_row(order))
    await bank_says(client, paid_row(order))
    (late,) = await late_payments(client)
    await decide(client, late, "paid_after_all")

    card = (await card_of(client, case)).json()

    told = [(each["happened"], each["what"]) for each in card["timeline"]]
    assert told.index(("bank_said", "paid:reconcile")) < told.index(("late_payment_decided", "paid_after_all"))
    assert [what for happened, what in told if happened == "posted"] == ["reserve", "order", "return", "order", "confirm"]


async def test_an_account_number_is_masked_everywhere_in_the_card(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    order = await approved_order(client, case)
    await bank_says(client, returned_row(order, reason=f"账号{ACCOUNT_NUMBER}不存在"))

    answered = await card_of(client, case)

    assert ACCOUNT_NUMBER not in answered.text
    assert {each["account_number_masked"] for each in answered.json()["timeline"] if each["happened"].startswith("account")} == {"****0001"}


async def test_a_district_sees_its_own_cases_and_no_others(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 1_000_000)
    case = await payable_case(client, live)
    nobody = cases_of(proposed(award(1)))[0]

    own, others, unknown = await card_of(client, case, auth=HUANCUI), await card_of(client, case, auth=WENDENG), await card_of(client, nobody)

    assert (own.status_code, own.json()["held"][0]["held_fen"]) == (200, 1_000_000)
    assert (others.status_code, others.json()["code"]) == (404, "case-not-found")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "case-not-found")
