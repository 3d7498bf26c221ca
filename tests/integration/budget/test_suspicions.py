"""疑点: each rule finds the case that it is for, and not the one beside it."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from services.budget.ledger.rules import Account, AccountName, Kind, available_account, move_in_fund
from shared.live import Live
from tests.building import BUSINESS_NOW, move_business_clock
from tests.integration.budget.acting import (
    ACCOUNT_NUMBER,
    MAKER,
    USCC,
    Case,
    appropriate,
    approved_order,
    award,
    bank_says,
    cases_of,
    confirmation_of,
    enter_account,
    hear,
    paid_row,
    payable_case,
    proposed,
    returned_row,
)
from tests.integration.budget.test_evidence import OTHER_USCC, pack, rows_of
from tests.integration.budget.test_ledger import FUND, money, post
from tests.integration.budget.test_quota_documents import hand_down, orders_of, paid, report
from tests.integration.budget.test_withdrawn_payments import withdraw

TODAY = BUSINESS_NOW.date()
NOTHING = [("", "未发现")]
BEFORE_NOTICE_END, HELD, CARRIED, CAME_BACK, SHARED, ENDED, SAME_INVOICE, SAME_PERSON = (
    "公示结束前付款",
    "资金下达区市后滞留",
    "结转资金超过规定年限",
    "曾被银行退回的收款账户又有付款",
    "不同单位使用同一收款账号",
    "向已终止的单位付款",
    "同一发票用于不同案件",
    "同一人员用于不同案件",
)
EVERY_RULE = (BEFORE_NOTICE_END, HELD, CARRIED, CAME_BACK, SHARED, ENDED, SAME_INVOICE, SAME_PERSON)


async def findings(client: httpx.AsyncClient, folder: Path) -> dict[str, list[tuple[str, str]]]:
    """By rule, as the report of a pack taken now has them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows_of(await pack(client, folder=folder / uuid.uuid4().hex), "suspicions.csv"):
        found.setdefault(row["疑点"], []).append((row["对象"], row["情况"]))
    return found


async def case_of(
    client: httpx.AsyncClient, live: Live, *, uscc: str = USCC, number: str = ACCOUNT_NUMBER, confirmed_in_days: int = 0, **told: object
) -> Case:
    """A case that may be paid; `told`: what else its confirmation says."""
    proposal = proposed(award(1_000_000, uscc=uscc))
    await hear(live, proposal)
    (case,) = cases_of(proposal)
    changed: dict[str, Any] = {"confirmed_on": TODAY + timedelta(days=confirmed_in_days), "applicant_uscc": uscc, **told}
    await hear(live, confirmation_of(case).model_copy(update=changed))
    await enter_account(client, case, number=number)
    return case


async def test_every_rule_reports_even_when_it_finds_nothing(client: httpx.AsyncClient, tmp_path: Path) -> None:
    await appropriate(client, 100_000_000)

    assert await findings(client, tmp_path) == dict.fromkeys(EVERY_RULE, NOTHING)


async def test_an_order_a_day_before_the_notice_ended_is_found_and_one_of_that_day_is_not(
    client: httpx.AsyncClient, live: Live, tmp_path: Path
) -> None:
    await appropriate(client, 100_000_000)
    await approved_order(client, await case_of(client, live, confirmed_in_days=0))
    before = await findings(client, tmp_path)
    early = await case_of(client, live, confirmed_in_days=1)
    order = await approved_order(client, early)

    after = await findings(client, tmp_path)

    assert before[BEFORE_NOTICE_END] == NOTHING
    assert after[BEFORE_NOTICE_END] == [(f"C-{early.application_id.hex[:8]}", "2025-09-15 付款，2025-09-16 公示确认")]
    assert (await withdraw(client, order)).status_code == 200
    assert (await findings(client, tmp_path))[BEFORE_NOTICE_END] == NOTHING


async def test_money_that_a_district_holds_is_found_on_the_thirty_first_day_and_no_more_once_it_was_paid(
    client: httpx.AsyncClient, live: Live, tmp_path: Path
) -> None:
    first, second = await orders_of(client, live, count=2)
    document_id = await hand_down(live, first, second, number="财社指〔2025〕8号")

    seen = []
    for days in (30, 31):
        move_business_clock(tmp_path, BUSINESS_NOW + timedelta(days=days))
        seen.append((await findings(client, tmp_path))[HELD])
    await report(live, document_id, paid(first, voucher="ZF-1"), paid(second, voucher="ZF-2"))

    assert seen == [NOTHING, [("财社指〔2025〕8号", "huancui，2025-09-15 下达，至 2025-10-16 未支付 2 笔")]]
    assert (await findings(client, tmp_path))[HELD] == NOTHING


async def test_money_of_two_years_ago_is_found_and_that_of_last_year_is_not(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await post(live, *money(1_000))
    seen = []
    for origin_year in (2024, 2023):
        carried = Account(name=AccountName.AVAILABLE, fiscal_year=2025, origin_year=origin_year)
        moved = move_in_fund(FUND, kind=Kind.ALLOT, dr=available_account(2025), cr=carried, amount_fen=7, document="d", effective_on=TODAY)
        await post(live, moved)
        seen.append((await findings(client, tmp_path))[CARRIED])

    assert seen == [NOTHING, [("2025/指标:可用[origin=2023]", "来源年度 2023，余额 7 分")]]


async def test_an_account_that_the_bank_sent_back_is_found_when_it_is_paid_after_all_though_it_was_entered_anew(
    client: httpx.AsyncClient, live: Live, tmp_path: Path
) -> None:
    await appropriate(client, 100_000_000)
    case = await case_of(client, live)
    await bank_says(client, returned_row(await approved_order(client, case)))
    await enter_account(client, case)
    returned = await findings(client, tmp_path)
    await bank_says(client, paid_row(await approved_order(client, case)))

    paid_after_all = await findings(client, tmp_path)

    assert returned[CAME_BACK] == NOTHING
    assert paid_after_all[CAME_BACK] == [("尾号0001", "退回 1 笔，支付 1 笔")]


async def test_a_payment_to_another_account_than_the_one_that_came_back_is_not_found(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 100_000_000)
    case, other = await case_of(client, live), "6200000000000000002"
    await bank_says(client, returned_row(await approved_order(client, case)))
    await enter_account(client, case, number=other)
    await bank_says(client, paid_row(await approved_order(client, case, number=other)))

    assert (await findings(client, tmp_path))[CAME_BACK] == NOTHING


async def test_one_account_of_two_organisations_is_found_and_one_of_two_cases_of_an_organisation_is_not(
    client: httpx.AsyncClient, live: Live, tmp_path: Path
) -> None:
    await appropriate(client, 100_000_000)
    for _ in range(2):
        await approved_order(client, await case_of(client, live))
    await approved_order(client, await case_of(client, live, uscc=OTHER_USCC, number="6200000000000000002"), number="6200000000000000002")
    before = await findings(client, tmp_path)
    await approved_order(client, await case_of(client, live, uscc=OTHER_USCC))

    after = await findings(client, tmp_path)

    assert before[SHARED] == NOTHING
    assert after[SHARED] == [("尾号0001", f"{USCC}、{OTHER_USCC}")]


async def test_an_account_that_was_entered_and_never_ordered_to_be_paid_is_nobodys_suspicion(
    client: httpx.AsyncClient, live: Live, tmp_path: Path
) -> None:
    await appropriate(client, 100_000_000)
    await approved_order(client, await payable_case(client, live))
    await case_of(client, live, uscc=OTHER_USCC)
    made = await client.post(
        "/v1/payment-orders", json={"application_id": str((await case_of(client, live, uscc=OTHER_USCC)).application_id)}, auth=MAKER
    )

    assert made.status_code == 201
    assert (await findings(client, tmp_path))[SHARED] == NOTHING
