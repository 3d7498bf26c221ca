"""What comes from the broker: garbage, strangers, gaps and repeats do not reach a case, and nothing is lost."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from shared.events import HEADER_ID, HEADER_SEQ, HEADER_TYPE, Event
from shared.events.budget import AppropriationRecorded, FundsReserved, FundsWaiting, PaymentOrdered, PaymentReturned
from shared.ids import new_id
from tests.building import holding, until_waiting
from tests.integration.applications.callers import filing
from tests.integration.applications.desk import AMOUNT_FEN, Desk


async def proposed(desk: Desk, reference: str = "row-1") -> dict[str, Any]:
    filed = await desk.file(filing(reference))
    await desk.propose(filed["application_id"])
    return await desk.get(filed["application_id"])


def answer(desk: Desk, case: dict[str, Any], kind: type[Event] = FundsReserved, **more: object) -> ConsumerRecord[Any, Any]:
    moment = desk.live.now()
    fields = {"application_id": case["id"], "proposal_id": case["proposal_id"], "amount_fen": AMOUNT_FEN, "fiscal_year": 2025, **more}
    return desk.record(kind.model_validate({"happened_at": moment.at, "happened_on": moment.on, **fields}))


def changed(
    record: ConsumerRecord[Any, Any], *, value: bytes | None = None, headers: Mapping[str, str | None] = MappingProxyType({})
) -> ConsumerRecord[Any, Any]:
    """The record with another value, and with headers of another value or none."""
    kept = [(name, headers.get(name, text.decode())) for name, text in record.headers]
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__}
    told = [(name, text.encode()) for name, text in kept if text is not None]
    return ConsumerRecord(**{**fields, "value": record.value if value is None else value, "headers": told})


async def parked(desk: Desk) -> list[tuple[str, int | None]]:
    return [(row["reason"], row["event_seq"]) for row in await desk.rows("SELECT reason, event_seq FROM parked ORDER BY id")]


@pytest.mark.parametrize("fault", ["no json", "no id", "no sequence", "wrong amount"])
async def test_what_cannot_be_read_is_parked_as_it_is_and_changes_no_case(desk: Desk, fault: str) -> None:
    case = await proposed(desk)
    record = answer(desk, case, voucher="V")
    garbage = {
        "no json": lambda: changed(record, value=b"\xff{"),
        "no id": lambda: changed(record, headers={HEADER_ID: None}),
        "no sequence": lambda: changed(record, headers={HEADER_SEQ: "first"}),
        "wrong amount": lambda: changed(record, value=record.value.replace(b"4000000", b'"much"')),
    }[fault]()

    await desk.receive(garbage)

    assert await parked(desk) == [("undecodable", None)]
    assert (await desk.get(case["id"]))["state"] == "proposed"


async def test_a_type_that_nobody_reads_here_is_passed_over_and_the_next_of_its_key_is_taken(desk: Desk) -> None:
    case = await proposed(desk)
    unknown = changed(answer(desk, case, voucher="V"), headers={HEADER_TYPE: "budget.something_new.v9"})

    await desk.receive(unknown, answer(desk, case, voucher="V"))
    await desk.hear(
        AppropriationRecorded(happened_at=desk.live.now().at, happened_on=desk.live.now().on, fiscal_year=2025, amount_fen=1, document="示例")
    )

    assert await parked(desk) == []
    assert (await desk.get(case["id"]))["state"] == "funded"


async def test_a_gap_holds_up_its_own_case_only_and_is_filled_in_order(desk: Desk) -> None:
    case, other = await proposed(desk), await proposed(desk, "row-2")
    first, second = answer(desk, case, FundsWaiting, short_by_fen=1), answer(desk, case, voucher="V")

    await desk.receive(second, answer(desk, other, voucher="V"))
    held = [(await desk.get(each["id"]))["state"] for each in (case, other)]
    gap = await parked(desk)
    await desk.receive(first)

    assert (held, gap) == (["proposed", "funded"], [("gap", 2)])
    assert await parked(desk) == []
    assert (await desk.told(case["id"]))[-2:] == ["application_waiting", "application_funded"]


async def test_everything_again_from_the_beginning_changes_nothing_and_announces_nothing(desk: Desk) -> None:
    case = await proposed(desk)
    records = [answer(desk, case, FundsWaiting, short_by_fen=1), answer(desk, case, voucher="V")]
    await desk.receive(*records)
    before = await desk.counted()

    await desk.receive(*records, *records)

    assert await desk.counted() == before
    assert (await desk.get(case["id"]))["state"] == "funded"


@pytest.mark.parametrize("reason", ["R-77: not on any list", "户名不符", "", "久" * 500])
async def test_whatever_reason_the_bank_gives_for_a_return_is_kept_as_its_words(desk: Desk, reason: str) -> None:
    case = await desk.confirmed()
    order = {"payment_order_id": new_id(), "voucher": "支付-1"}
    await desk.answer(PaymentOrdered, case, **order)

    await desk.answer(PaymentReturned, case, **order, reason=reason)

    back = await desk.get(case["id"])
    told = (await desk.announced())[-1]
    assert (back["state"], back["history"][-1]["action"], back["history"][-1]["reason"]) == ("confirmed", "payment_returned", reason)
    assert back["history"][-1]["clause"] == "预算法 58"
    assert (told.type, (told.body or {})["reason"]) == ("applications.payment_returned.v1", reason)
    assert await parked(desk) == []


async def test_an_answer_about_a_case_that_was_never_proposed_is_a_fault_to_be_looked_at_and_not_passed_over(desk: Desk) -> None:
    stranger = {"id": str(new_id()), "proposal_id": str(new_id())}
    before = await desk.counted()

    with pytest.raises(AssertionError):
        await desk.receive(answer(desk, stranger, voucher="V"))

    assert await desk.counted() == before


async def test_the_answers_of_one_poll_lock_their_cases_in_the_one_order_whatever_order_they_came_in(desk: Desk) -> None:
    cases = sorted([await proposed(desk, f"row-{n}") for n in range(2)], key=lambda case: str(case["id"]))
    lock = "SELECT FROM application WHERE id = $1 FOR UPDATE NOWAIT"

    async with holding(desk.database, lock, cases[0]["id"], service="applications"):
        hearing = asyncio.create_task(desk.receive(*(answer(desk, case, voucher="V") for case in reversed(cases))))
        await until_waiting(desk.database, sessions=1)
        await desk.rows(lock, cases[1]["id"])
    await hearing

    assert [(await desk.get(case["id"]))["state"] for case in cases] == ["funded", "funded"]
