"""Act five: payment under four eyes, one bank return, the account corrected and paid again, until everyone who is funded is paid."""

from dataclasses import dataclass
from typing import Any

from deploy.clients.client import Client
from deploy.demo import notice_act
from deploy.demo.filing_act import Filed
from deploy.demo.fund import show_fund
from deploy.demo.notice_act import Announced
from deploy.demo.review_act import time_to_message
from deploy.demo.telling import progress, require, yuan
from deploy.demo.world import World, all_in, refusal_of, rows_of, until, wait_for_states

BANK_NAME = "示例银行示例支行"
RETURN_REASON = "账号已销户"
STARTED = "applications.payment_started.v1"


@dataclass(frozen=True, kw_only=True)
class Paid:
    """References paid, the payment order that the bank returned, and the times from an approval to the applicant's message."""

    paid: tuple[str, ...]
    returned_order: dict[str, Any]
    message_ms: tuple[float, ...]


async def play(world: World, *, filed: Filed, announced: Announced) -> Paid:
    world.move_to("2025-10-13T09:30")
    returned = world.cast.story["bank_returned"]
    made = await make(world, filed=filed, references=announced.confirmed_first)
    await try_to_check_wrongly(world, orders=made)
    orders, message_ms = await approve(world, orders=await check(world, orders=made))
    await show_fund(world, zh="审批之后的资金", en="on its way to the bank")
    returned_order = next(order for order in orders if order["application_id"] == filed.ids[returned])
    await settle(world, filed=filed, orders=orders, returned_order=returned_order)
    await notice_act.close_second(world, filed=filed, announced=announced)
    message_ms += await pay_rest(world, filed=filed, references=(returned, *announced.confirmed_second))
    return Paid(paid=(*announced.confirmed_first, *announced.confirmed_second), returned_order=returned_order, message_ms=tuple(message_ms))


def account_number(application_id: str, *, issue: int) -> str:
    """Invented; after a bank return another one."""
    return f"62{int(application_id[-10:], 16) % 10**13:013d}{issue}"


async def make(world: World, *, filed: Filed, references: tuple[str, ...]) -> list[dict[str, Any]]:
    """经办: each payee's account, and an order for each award."""
    maker = await world.as_staff("maker", service="budget")
    ids = [filed.ids[each] for each in references]

    async def payable() -> bool | None:
        return True if {row["application_id"] for row in await rows_of(maker, "/v1/payables")}.issuperset(ids) else None

    await until("确认结果到达资金系统", what_en="the confirmed awards reach the budget", ask=payable)
    for application_id in ids:
        issue = 1 + len(await rows_of(maker, "/v1/payment-orders", application_id=application_id))
        await enter_account(world, maker=maker, application_id=application_id, number=account_number(application_id, issue=issue))
    orders = _orders((await maker.post("/v1/payment-orders:batch", json={"orders": [{"application_id": each} for each in ids]})).json()["results"])
    total_fen = sum(order["amount_fen"] for order in orders)
    masked = orders[0]["payee"]["account_number_masked"]
    world.step(
        zh=f"经办：录入收款账户{len(orders)}个（查询只见{masked}），提交支付申请{yuan(total_fen)}元",
        en="maker: accounts and orders",
        clause="payment",
    )
    return orders


async def enter_account(world: World, *, maker: Client, application_id: str, number: str) -> None:
    cases = await world.as_staff("auditor", service="applications")
    applicant = (await cases.get(f"/v1/applications/{application_id}")).json()["applicant_uscc"]
    name = world.cast.by_uscc(applicant).name
    account = {"application_id": application_id, "account_name": name, "account_number": number, "bank_name": BANK_NAME}
    await maker.post("/v1/payee-accounts", json=account)


async def check(world: World, *, orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """人社 复核: another person, who types each account number again."""
    checker = await world.as_staff("checker", service="budget")
    checked = _orders((await checker.post("/v1/payment-orders:check-batch", json={"orders": _typed_again(orders)})).json()["results"])
    world.step(zh=f"人社复核{len(checked)}笔：账号逐笔重新录入，两次一致", en="HR checks: every account number typed again", clause="payment")
    return checked


async def try_to_check_wrongly(world: World, *, orders: list[dict[str, Any]]) -> None:
    """The maker, who has the right to check others' orders, and then a checker who mistypes."""
    maker, checker = await world.as_staff("maker", service="budget"), await world.as_staff("checker", service="budget")
    first = _typed_again(orders[:1])
    same_person = _refused((await maker.post("/v1/payment-orders:check-batch", json={"orders": first})).json()["results"])
    require(same_person["code"] == "same-person-twice", zh=str(same_person), en="the maker does not check")
    world.aside(zh=f"经办想自己复核：{same_person['detail_zh']}", en="the maker does not check")
    mistyped = [{**first[0], "account_number": "6200000000000000"}]
    differs = _refused((await checker.post("/v1/payment-orders:check-batch", json={"orders": mistyped})).json()["results"])
    require(differs["code"] == "account-differs", zh=str(differs), en="a mistyped number is found")
    world.aside(zh=f"复核录错一个账号：{differs['detail_zh']}", en="a mistyped account is found")


async def approve(world: World, *, orders: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[float]]:
    """财政 审批, one by one: from here on only the bank can send the money back. The third of three people."""
    approver = await world.as_staff("approver", service="budget")
    approved, message_ms = [], []
    with progress(world.out) as bar:
        for order in bar.track(orders, description="逐笔审批 | approval, one by one"):
            answer = await approver.post(f"/v1/payment-orders/{order['id']}:approve", if_match=f'"{order["version"]}"')
            message_ms.append(await time_to_message(world, case_number=order["case_number"], event_type=STARTED, times=order["issue"]))
            approved.append(answer.json())
    people = {(order["maker"], order["checker"], order["approver"]) for order in approved}
    require(all(len(set(three)) == len(three) for three in people), zh="经办、复核、审批应为三人", en="three people signed")
    world.step(
        zh=f"财政审批{len(approved)}笔：经办、复核、审批三人各异，资金在途，逐件告知",
        en="finance approves: three people, in transit",
        clause="payment",
    )
    return approved, message_ms


async def settle(world: World, *, filed: Filed, orders: list[dict[str, Any]], returned_order: dict[str, Any]) -> None:
    """The bank's file: all paid but one, which comes back; a row of nobody is kept for a person to look at. The file again changes nothing."""
    world.move_to("2025-10-14T17:00")
    stray = {"bank_reference": "PO-1999-000001", "outcome": "paid", "settled_on": "2025-10-14"}
    rows = [*(bank_row(order, on="2025-10-14", is_return=order is returned_order) for order in orders), stray]
    results = await post_file(world, document="回单文件20251014-01", rows=rows)
    expected = ["changed"] * len(orders) + ["reconcile"]
    require([each["status"] for each in results] == expected, zh=f"回单处理结果：{results}", en="every row of the bank's file is answered")
    world.step(
        zh=f"银行回单{len(rows)}行：到账{len(orders) - 1}笔，退回1笔，1行对不上的列入对账清单",
        en="bank file: paid, one returned, one to reconcile",
        clause="payment",
    )
    again = await post_file(world, document="回单文件20251014-01", rows=rows)
    require(
        [each["status"] for each in again[:-1]] == ["unchanged"] * len(orders), zh=f"重复回单应无变化：{again}", en="the file again changes nothing"
    )
    wanted = {order["application_id"]: "paid" for order in orders} | {returned_order["application_id"]: "confirmed"}
    await wait_for_states(world, wanted=wanted, what_zh="到账与退回结果", what_en="paid, and one returned")
    world.aside(
        zh=f"{world.cast.story['bank_returned']} 被银行退回（{RETURN_REASON}）：资金仍为该件预留，他人不能动用",
        en="returned: reserved for the same case",
    )


def bank_row(order: dict[str, Any], *, on: str, is_return: bool = False) -> dict[str, Any]:
    row = {"bank_reference": order["bank_reference"], "settled_on": on, "amount_fen": order["amount_fen"]}
    return row | ({"outcome": "returned", "reason": RETURN_REASON} if is_return else {"outcome": "paid"})


async def post_file(world: World, *, document: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    bank = await world.as_system("bank", service="budget")
    results: list[dict[str, Any]] = (await bank.post("/v1/bank-confirmations", json={"document": document, "rows": rows})).json()["results"]
    return results


async def pay_rest(world: World, *, filed: Filed, references: tuple[str, ...]) -> list[float]:
    """The returned one needs an account entered and confirmed anew; with it goes the one that moved up."""
    returned = filed.ids[references[0]]
    maker = await world.as_staff("maker", service="budget")
    refused = await refusal_of(maker.post("/v1/payment-orders", json={"application_id": returned}))
    require(refused.code == "payee-account-missing", zh=str(refused), en="the returned account is not paid to again")
    world.aside(zh=f"想按原账户再付：{refused.problem['remedy_zh']}", en="the old account is not used again")
    orders, message_ms = await approve(world, orders=await check(world, orders=await make(world, filed=filed, references=references)))
    world.move_to("2025-10-16T16:00")
    results = await post_file(world, document="回单文件20251016-01", rows=[bank_row(order, on="2025-10-16") for order in orders])
    require(all(each["status"] == "changed" for each in results), zh=str(results), en="both are paid")
    await wait_for_states(world, wanted=all_in("paid", ids=[filed.ids[each] for each in references]), what_zh="全部到账", what_en="everyone is paid")
    world.step(zh=f"银行回单{len(orders)}行：更正账户的一件和顺延的一件均已到账", en="both are paid", clause="payment")
    return message_ms


def _typed_again(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"payment_order_id": each["id"], "version": each["version"], "account_number": account_number(each["application_id"], issue=each["issue"])}
        for each in orders
    ]


def _orders(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    problems = [result["problem"] for result in results if result["status"] == "refused"]
    require(not problems, zh=f"支付申请应全部通过：{problems}", en="every order goes on")
    return [result["payment_order"] for result in results]


def _refused(results: list[dict[str, Any]]) -> dict[str, Any]:
    problem: dict[str, Any] | None = results[0]["problem"]
    require(problem is not None, zh="本应被拒绝", en="should have been refused")
    return problem or {}
