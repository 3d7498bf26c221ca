"""One case from its filing to the money paid: rows, history, events and what people are shown at each step."""

from itertools import pairwise
from typing import Any

from shared.events.budget import PaymentConfirmed, PaymentOrdered
from shared.ids import new_id
from tests.integration.applications.callers import CITY_REVIEWER, FINANCE, HUANCUI, JOINT_REVIEWER, filing
from tests.integration.applications.desk import AMOUNT_FEN, Desk


def shown(case: dict[str, Any]) -> tuple[Any, ...]:
    return case["state"], case["stage"], case["waiting_on"], case["due_on"], case["next_step_zh"]


async def test_a_case_goes_from_its_filing_to_the_money_paid(desk: Desk) -> None:
    filed = await desk.file(filing())
    id_ = filed["application_id"]
    views = [shown(await desk.get(id_))]
    for stage, auth, officer, more in (
        ("acceptance", HUANCUI, "hc-0001", {}),
        ("district", HUANCUI, "hc-0002", {}),
        ("city", CITY_REVIEWER, None, {}),
        ("joint", JOINT_REVIEWER, None, {"amount_fen": AMOUNT_FEN}),
        ("joint", FINANCE, None, {"amount_fen": AMOUNT_FEN}),
    ):
        await desk.approve([id_], stage, auth=auth, officer=officer, **more)
        views.append(shown(await desk.get(id_)))
    views.append(shown(await desk.fund(id_)))
    opened = await desk.open_notice(id_)
    views.append(shown(await desk.get(id_)))
    desk.move_clock(f"{opened['closes_on']}T00:00:01+08:00")
    await desk.close_notices()
    case = await desk.get(id_)
    views.append(shown(case))
    order = {"payment_order_id": new_id(), "voucher": "支付-1"}
    await desk.answer(PaymentOrdered, case, **order)
    views.append(shown(await desk.get(id_)))
    await desk.answer(PaymentConfirmed, case, **order, paid_on=desk.live.now().on)
    case = await desk.get(id_)
    views.append(shown(case))

    for view in views:
        print(view)
    for step in case["history"]:
        print(step)
    for each in await desk.announced():
        print(each)
    assert False
