"""The acts of the machine about many payment orders in one call, and about many calls at one moment."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tests.building import Staff
from tests.integration.budget.acting import ACCOUNT_NUMBER
from tests.integration.budget.machine_books import Refused
from tests.integration.budget.machine_judge import APPROVER, CHECKER, EVERYBODY, MAKER, NAMES, Sent, chosen
from tests.integration.budget.machine_matters import Order
from tests.integration.budget.machine_year_acts import YearActs

T = TypeVar("T")
WRONG_NUMBER = "6200000000000000019"
GROUND = {"acknowledgement": "有批复文件"}
BATCH_FLAWS = ("none", "none", "none", "twice", "unknown", "any", "stale", "mistyped")


def _each(items: Iterable[T], does: Callable[[T], object]) -> list[Refused | None]:
    """What becomes of each by itself: None where it is done."""
    outcomes: list[Refused | None] = []
    for item in items:
        try:
            does(item)
        except Refused as refused:
            outcomes.append(refused)
        else:
            outcomes.append(None)
    return outcomes


def _listed(items: Sequence[T], *, flaw: str, stranger: T) -> list[T]:
    """With what is wrong in the middle, so that something follows it."""
    extra = {"twice": [items[0]], "unknown": [stranger], "any": [stranger]}.get(flaw, [])
    return [*items[:1], *extra, *items[1:]]


class BatchActs(YearActs):
    def order_many(self, pick: int, *, size: int, flaw: str) -> None:
        """An order for each of several cases, some of which lack what a payment needs."""
        cases = self.of("reserved")[-size:]
        for place, case in enumerate(cases):
            if (pick + place) % 8 and case.awarded_fen is None:
                self._confirm(case)
            if (pick + place) % 7:
                self._enter_account(case, auth=MAKER)
        named = [case.application for case in cases] or [self.model.cases[-1].application]
        stranger = uuid.UUID(int=pick + 1) if flaw == "unknown" else chosen(self.model.cases, pick).application
        listed = _listed(named, flaw=flaw, stranger=stranger)
        made: dict[int, Order] = {}
        outcomes: list[Refused | None] = []

        def make(place: int) -> None:
            if listed[place] in listed[:place]:
                raise Refused(422, "named-twice")
            made[place] = self.model.make_order(listed[place], caller=NAMES[MAKER])

        body = {"orders": [{"application_id": str(each)} for each in listed]}
        answer = self.act("/v1/payment-orders:batch", body, lambda *_: outcomes.extend(_each(range(len(listed)), make)), auth=MAKER)
        assert answer is not None
        self._compare_results(answer, outcomes, status="created")
        for place, order in made.items():
            order.id = answer["results"][place]["payment_order"]["id"]

    def step_many(self, pick: int, *, step: str, size: int, flaw: str, everybody: bool) -> None:
        """Many checked, or approved, in one call."""
        fit = [order for order in self.model.orders if order.state == ("made" if step == "check" else "checked")][-size:]
        orders: list[Order | None] = [*(fit or self.model.orders[-1:])]
        if not orders:
            return
        listed = _listed(orders, flaw=flaw, stranger=None if flaw == "unknown" else chosen(self.model.orders, pick))
        auth = EVERYBODY if everybody else CHECKER if step == "check" else APPROVER
        versions = [1 if order is None else order.version + (flaw == "stale" and place == pick % len(listed)) for place, order in enumerate(listed)]
        numbers = [WRONG_NUMBER if flaw == "mistyped" and place == pick % len(listed) else ACCOUNT_NUMBER for place in range(len(listed))]
        outcomes: list[Refused | None] = []

        def take(place: int) -> None:
            if (order := listed[place]) is None:
                raise Refused(404, "payment-order-not-found")
            if order in listed[:place]:
                raise Refused(422, "named-twice")
            if step == "approve":
                self.model.approve_order(order, caller=NAMES[auth], version=versions[place])
            else:
                self.model.check_order(order, caller=NAMES[auth], version=versions[place], is_mistyped=numbers[place] == WRONG_NUMBER)

        rows: list[dict[str, Any]] = [
            {"payment_order_id": str(uuid.UUID(int=pick + 1)) if order is None else order.id, "version": version}
            | ({"account_number": number} if step == "check" else GROUND if pick % 3 == 0 else {})
            for order, version, number in zip(listed, versions, numbers, strict=True)
        ]
        does = lambda *_: outcomes.extend(_each(range(len(listed)), take))  # noqa: E731
        answer = self.act(f"/v1/payment-orders:{step}-batch", {"orders": rows}, does, auth=auth)
        assert answer is not None
        self._compare_results(answer, outcomes, status="changed")
        for shown, order in zip(answer["results"], listed, strict=True):
            if order is not None and shown["status"] == "changed":
                self._compare_order(shown["payment_order"], order)

    def pay_many(self, pick: int, *, size: int) -> None:
        """All steps for many awards, the last in one call or in as many, so that many payments often leave together."""
        self.reserve_many(pick - pick % 4, size=size, mode="event")
        self.order_many(pick, size=size, flaw="none")
        self.step_many(pick, step="check", size=size, flaw="none", everybody=False)
        if pick % 3 == 0:
            self.step_many(pick, step="approve", size=size, flaw="none", everybody=False)
        elif self.model.orders:
            self.approve_together(pick, size=size)

    def approve_together(self, pick: int, *, size: int) -> None:
        """Single calls that arrive at one moment; the books have them in an order of their own, and of two about one payment one is too late."""
        checked = [order for order in self.model.orders if order.state == "checked"][-size:] or self.model.orders[-1:]
        orders = [*checked, *checked[: pick % 3]]
        sent = [self._approval(order, pick + place) for place, order in enumerate(orders)]
        answers = self.world.post_together([(each.path, each.body, each.auth, each.key, each.version) for each in sent])
        callers = [NAMES[each.auth] for each in sent]
        before = [self._refusal_of_approval(order, caller) for order, caller in zip(orders, callers, strict=True)]
        granted = [place for place, answer in enumerate(answers) if answer.status_code == 200]
        for place in sorted(granted, key=lambda each: answers[each].json()["bank_reference"]):
            order, answer = orders[place], answers[place]
            self.model.approve_order(order, caller=callers[place], version=order.version)
            self._compare_order(answer.json(), order)
            self.answered.append(replace(sent[place], content=answer.content))
        for place, answer in enumerate(answers):
            if place not in granted:
                order, told = orders[place], (answer.status_code, answer.json()["code"])
                after = self._refusal_of_approval(order, callers[place])
                foreseen = [(each.status, *each.codes) for each in (before[place], after) if each is not None]
                assert after is not None, answer.text
                assert told in foreseen, answer.text
        self.look()

    def _approval(self, order: Order, pick: int) -> Sent:
        self.count += 1
        auth: Staff = EVERYBODY if pick % 7 == 0 else APPROVER
        return Sent(f"/v1/payment-orders/{order.id}:approve", None, auth, order.version, f"call-{self.count}", b"")

    def _refusal_of_approval(self, order: Order, caller: str) -> Refused | None:
        try:
            self.model.check_approval(order, caller=caller, version=order.version)
        except Refused as refused:
            return refused
        return None

    def _compare_results(self, answer: dict[str, Any], outcomes: Sequence[Refused | None], *, status: str) -> None:
        told = [(each["status"], each["problem"] and (each["problem"]["status"], each["problem"]["code"])) for each in answer["results"]]
        expected = [(status, None) if each is None else ("refused", (each.status, *each.codes)) for each in outcomes]
        assert told == expected
