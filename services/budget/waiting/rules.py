"""Decisions about the waiting list: whom the money suffices for, and what a release finds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.budget.allotment.rules import draw, drawable_fen
from services.budget.freeze.rules import Freeze
from services.budget.ledger.rules import CaseMoney, Part
from services.budget.policy.catalogue import Fund, WaitingRule
from shared.errors import Conflict
from shared.money import yuan_text


class ReservationState(StrEnum):
    """`RELEASED_EARLY` is a tombstone: the release came before its proposal."""

    WAITING = "waiting"
    RESERVED = "reserved"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    RELEASED = "released"
    RELEASED_EARLY = "released_early"
    REFUSED = "refused"


LIVE = frozenset({ReservationState.WAITING, ReservationState.RESERVED, ReservationState.IN_TRANSIT, ReservationState.PAID})


class MoneyOnItsWay(Conflict):
    code = "money-on-its-way"
    title_en = "The payment is on its way"
    title_zh = "款项已在支付途中"


class AlreadyPaid(Conflict):
    code = "already-paid"
    title_en = "The award is paid"
    title_zh = "款项已支付"


class Release(StrEnum):
    """What a release does to a proposal that is known."""

    FREE_MONEY = "free_money"
    LEAVE_LIST = "leave_list"
    NEVER_HELD = "never_held"
    REPEATED = "repeated"


@dataclass
class Purse:
    """The free money of one year, pool by pool, and the orders to stop that are in force; who is served takes from it."""

    fund: Fund
    pools: list[Part]
    freezes: Sequence[Freeze] = ()

    def freeze_of(self, money: CaseMoney) -> Freeze | None:
        for freeze in self.freezes:
            if freeze.stops(money):
                return freeze
        return None

    def free_fen(self, money: CaseMoney) -> int:
        """What there is for this case in all pools that serve it."""
        return drawable_fen(self.pools, case=money)

    def take(self, money: CaseMoney) -> tuple[Part, ...] | None:
        """The parts that the case is served from, no longer free now; None when it is frozen or the pools do not suffice."""
        if self.freeze_of(money) is not None:
            return None
        parts = draw(self.pools, case=money, draw_first=self.fund.allotment.draw_first)
        for part in parts or ():
            self.pools = [_less(pool, part=part) for pool in self.pools]
        return parts


def choose_served(waiting: Iterable[CaseMoney], *, purse: Purse) -> list[tuple[CaseMoney, tuple[Part, ...]]]:
    """Whom the money suffices for, in rank order, and from which pools; together they never need more than is free. A frozen case is passed over."""
    served: list[tuple[CaseMoney, tuple[Part, ...]]] = []
    for money in waiting:
        parts = purse.take(money)
        if parts is not None:
            served.append((money, parts))
        elif purse.fund.waiting.waiting_rule is WaitingRule.STRICT and purse.freeze_of(money) is None:
            break
    return served


def short_by_fen(waiting: Iterable[CaseMoney], *, ahead_fen: int, purse: Purse) -> list[int]:
    """How much more must come before each of these is funded. `ahead_fen` waits before the first of them, and counts under the strict rule."""
    short: list[int] = []
    for money in waiting:
        ahead_fen += money.amount_fen
        needed_fen = ahead_fen if purse.fund.waiting.waiting_rule is WaitingRule.STRICT else money.amount_fen
        short.append(max(needed_fen - purse.free_fen(money), 0))
    return short


def _less(pool: Part, *, part: Part) -> Part:
    is_the_same = pool.pool is part.pool or pool.pool == part.pool
    return Part(pool.pool, pool.amount_fen - part.amount_fen) if is_the_same else pool


def judge_release(state: ReservationState, *, money_fen: int, has_late_payment: bool = False) -> Release:
    """Raises MoneyOnItsWay or AlreadyPaid: the approver's act was the last moment at which the money could be had back."""
    if has_late_payment and state is ReservationState.RESERVED:
        raise MoneyOnItsWay(
            "The bank said that a returned payment was paid after all; decide on that first.",
            detail_zh="银行称退回款项已实际支付，请先核实处理。",
        )
    if state is ReservationState.IN_TRANSIT:
        raise MoneyOnItsWay(
            f"{yuan_text(money_fen)} yuan were approved for payment; wait for the bank's answer.",
            detail_zh=f"{yuan_text(money_fen)}元已经财政审批支付，请等待银行回执。",
        )
    if state is ReservationState.PAID:
        raise AlreadyPaid(
            f"{yuan_text(money_fen)} yuan were paid; they can only be recovered.", detail_zh=f"{yuan_text(money_fen)}元已支付，只能按规定追回。"
        )
    if state is ReservationState.RESERVED:
        return Release.FREE_MONEY
    if state is ReservationState.WAITING:
        return Release.LEAVE_LIST
    return Release.NEVER_HELD if state is ReservationState.REFUSED else Release.REPEATED
