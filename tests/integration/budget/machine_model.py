"""What the budget must answer and book, verb by verb, over the books of plain Python: payments, recovery, corrections, the end of a year."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias
from uuid import UUID

from tests.integration.budget.machine_books import (
    AVAILABLE,
    CARRIED,
    IN_TRANSIT,
    LAPSED,
    PAID,
    RECOVERED_LATE,
    REMITTED,
    RESERVED,
    TO_REMIT,
    UNALLOTTED,
    Account,
    Books,
    Case,
    Drawn,
    Leg,
    Refused,
)
from tests.integration.budget.machine_matters import Clawback, Draft, Late, Order, Payee

REVERSIBLE = ("appropriate", "allot", "transfer")
# The line whose awards go by way of the district, where policy data says so.
QUOTA_LINE = "2023-15/2"
# A row of the bank that is kept: reference, outcome, day, and what it says of the amount.
Kept: TypeAlias = tuple[str, str, date, int | None]


@dataclass
class Model(Books):
    moment: int = 0
    payees: dict[UUID, Payee] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    lates: list[Late] = field(default_factory=list)
    unreconciled: dict[Kept, bool] = field(default_factory=dict)
    clawbacks: list[Clawback] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    reversed_fen: dict[int, int] = field(default_factory=dict)
    by_quota: bool = False
    referred: dict[str, Order] = field(default_factory=dict)
    receivers: dict[Kept, str] = field(default_factory=dict)
    # Of each case, by year of origin: what was received in the year of the payment and not sent on yet.
    to_remit: dict[UUID, dict[int, int]] = field(default_factory=dict)

    # Payment orders.

    def has_late(self, application: UUID) -> bool:
        return any(late.outcome is None and late.order.case.application == application for late in self.lates)

    def orders_of(self, application: UUID, *states: str) -> list[Order]:
        return [order for order in self.orders if order.case.application == application and order.state in states]

    def release(self, case: Case) -> None:
        """By an event: what is refused is answered by one too, and moves nothing."""
        if case.state == "reserved" and not self.has_late(case.application) and not self.is_frozen(case):
            self.funds.add(case.year)
            for order in self.orders_of(case.application, "made", "checked"):
                order.state, order.version = "cancelled", order.version + 1
            case.state = "released"
            self.post("release", case.legs(RESERVED, AVAILABLE))
            self.serve(case.year)
        elif case.state == "waiting":
            self.funds.add(case.year)
            case.state = "released"
            self.serve(case.year)
        elif case.state == "refused":
            case.state = "released"

    def enter_account(self, case: Case, *, caller: str) -> None:
        self.moment += 1
        if (before := self.payees.get(case.application)) is not None and before.state in ("entered", "confirmed"):
            before.state = "replaced"
        self.payees[case.application] = Payee(caller, self.moment)

    def make_order(self, application: UUID, *, caller: str) -> Order:
        case = self.live_case(application)
        if case is None:
            raise Refused(404, "no-money-held")
        if self.is_frozen(case):
            raise Refused(409, "frozen")
        if self.orders_of(application, "made", "checked", "in_transit", "paid"):
            raise Refused(409, "payment-order-open")
        if case.state != "reserved":
            raise Refused(409, "not-payable")
        if self.has_late(application):
            raise Refused(409, "late-payment-open")
        if case.awarded_fen is None:
            raise Refused(409, "not-payable")
        if case.awarded_fen != case.fen:
            raise Refused(409, "award-differs")
        payee = self.payees.get(application)
        returned_at = max((order.made_at for order in self.orders_of(application, "returned")), default=0)
        if payee is None or payee.state not in ("entered", "confirmed") or payee.entered_at <= returned_at:
            raise Refused(409, "payee-account-missing")
        self.moment += 1
        order = Order(case, caller, payee, self.moment)
        self.orders.append(order)
        return order

    def check_order(self, order: Order, *, caller: str, version: int, is_mistyped: bool = False) -> None:
        self.check_step(order, "made", version=version)
        if caller in (order.maker, order.payee.entered_by):
            raise Refused(403, "same-person-twice")
        if self.has_late(order.case.application):
            raise Refused(409, "late-payment-open")
        if order.payee.state not in ("entered", "confirmed"):
            raise Refused(409, "account-not-current")
        if is_mistyped:
            raise Refused(422, "account-differs")
        order.payee.state, order.state, order.checker, order.version = "confirmed", "checked", caller, version + 1

    def approve_order(self, order: Order, *, caller: str, version: int) -> None:
        self.check_approval(order, caller=caller, version=version)
        order.state, order.version, order.ordered_on, order.case.state = "in_transit", version + 1, self.today, "in_transit"
        order.reference = self.post("order", order.case.legs(RESERVED, IN_TRANSIT))
        self.referred[order.reference] = order

    def check_approval(self, order: Order, *, caller: str, version: int) -> None:
        self.check_step(order, "checked", version=version)
        if caller in (order.maker, order.checker, order.payee.entered_by):
            raise Refused(403, "same-person-twice")
        if self.has_late(order.case.application):
            raise Refused(409, "late-payment-open")
        if order.payee.state != "confirmed":
            raise Refused(409, "account-not-current")
        if self.is_frozen(order.case):
            raise Refused(409, "frozen")

    def reject_order(self, order: Order, *, caller: str, version: int) -> None:
        if version != order.version:
            raise Refused(412, "payment-order-stale")
        if order.state not in ("made", "checked"):
            raise Refused(409, "step-not-allowed")
        if caller == order.maker:
            raise Refused(403, "same-person-twice")
        order.state, order.version = "rejected", version + 1

    def check_step(self, order: Order, state: str, *, version: int) -> None:
        if order.state != state:
            raise Refused(409, "step-not-allowed")
        if order.version != version:
            raise Refused(412, "payment-order-stale")

    # What the bank says.

    def route(self, order: Order) -> str:
        """By way of whom it is paid: what was handed down or asked for stays where it is, whatever policy says by now."""
        return order.way or ("quota" if self.by_quota and order.case.line == QUOTA_LINE else "treasury")

    def take_row(self, reference: str, outcome: str, settled_on: date, *, caller: str, fen: int | None = None, said_by: str = "treasury") -> str:
        """What becomes of one row of the bank's file, or of a district's report: its status in the answer."""
        order, kept = self.referred.get(reference), (reference, outcome, settled_on, fen)
        if settled_on > self.today:
            return "refused"
        if order is None or (order.state != "withdrawn" and self.route(order) != said_by):
            return self._set_aside(kept, caller)
        if outcome == "paid" and order.state in ("returned", "withdrawn") and order.paid_on != settled_on:
            if not any((late.order, late.settled_on, late.fen) == (order, settled_on, fen) for late in self.lates):
                self.lates.append(Late(order, settled_on, fen, self.receivers.get(kept, caller)))
            return self._set_aside(kept, caller)
        if settled_on < order.ordered_on or fen not in (None, order.case.fen):
            return self._set_aside(kept, caller)
        if order.state == "in_transit":
            self._settle(order, outcome, settled_on)
            return "changed"
        if order.state != "withdrawn" and settled_on == (order.paid_on if outcome == "paid" else order.returned_on):
            return "unchanged"
        if (outcome, order.state) == ("returned", "paid") and not self.recovered_fen(order) and settled_on >= order.paid_on:
            self._settle(order, outcome, settled_on)
            return "changed"
        return self._set_aside(kept, caller)

    def _set_aside(self, kept: Kept, caller: str) -> str:
        self.unreconciled.setdefault(kept, True)
        self.receivers.setdefault(kept, caller)
        return "reconcile"

    def settle(self, key: Kept) -> None:
        if not self.unreconciled[key]:
            raise Refused(409, "reconciliation-settled")
        if any(late.kept == key for late in self.lates):
            raise Refused(409, "news-of-late-payment")
        self.unreconciled[key] = False

    def _settle(self, order: Order, outcome: str, settled_on: date) -> None:
        case, was = order.case, order.state
        order.version += 1
        if outcome == "paid":
            order.state, order.paid_on, case.state = "paid", settled_on, "paid"
            self.post("confirm", case.legs(IN_TRANSIT, PAID))
            return
        order.state, order.returned_on, case.state = "returned", settled_on, "reserved"
        if order.payee.state in ("entered", "confirmed"):
            order.payee.state = "returned"
        for clawback in self.clawbacks:
            if clawback.order is order and (clawback.state, clawback.received_fen) == ("open", 0):
                clawback.state, clawback.version = "cancelled", clawback.version + 1
        if case.year in self.closed:
            self._return_after_close(case, self._booked_on(settled_on).year)
        else:
            self.post("return", case.legs(PAID if was == "paid" else IN_TRANSIT, RESERVED))

    def _return_after_close(self, case: Case, open_year: int) -> None:
        source = Account(RECOVERED_LATE, open_year, case.year)
        self.post("return", [Leg(source, Account(RESERVED, open_year, case.year, case.line, case.place), case.fen)])
        case.parts = [Drawn(Account(AVAILABLE, open_year, case.year, case.line, case.place), case.fen)]
        case.year = open_year

    def _booked_on(self, day: date) -> date:
        """What becomes known after the close of its year is booked in the open one."""
        return self.today if day.year in self.closed else day

    def decide_late(self, late: Late, *, outcome: str, caller: str, version: int) -> None:
        order, case = late.order, late.order.case
        if late.outcome is not None:
            raise Refused(409, "late-payment-decided")
        if version != late.version:
            raise Refused(412, "late-payment-stale")
        if caller in (late.received_by, order.maker, order.checker, order.payee.entered_by):
            raise Refused(403, "late-payment-second-person")
        if outcome == "paid_after_all" and late.fen not in (None, case.fen):
            raise Refused(409, "bank-amount-differs")
        if outcome == "paid_after_all" and case.state != "reserved":
            raise Refused(409, "late-payment-money-moved")
        late.outcome, late.version = outcome, version + 1
        self.unreconciled[late.kept] = False
        if outcome == "paid_after_all":
            self.post("order", case.legs(RESERVED, IN_TRANSIT))
            self.post("confirm", case.legs(IN_TRANSIT, PAID))
            for other in self.orders_of(case.application, "made", "checked"):
                other.state, other.version = "cancelled", other.version + 1
            returned_on = order.returned_on if order.state == "returned" else None
            order.state, order.paid_on, order.returned_on, order.version, case.state = "paid", late.settled_on, returned_on, order.version + 1, "paid"

    # Recovery.

    def recovered_fen(self, order: Order) -> int:
        return sum(clawback.received_fen for clawback in self.clawbacks if clawback.order is order)

    def order_clawback(self, order: Order, *, fen: int) -> Clawback:
        self.check_clawback(order, fen=fen)
        self.clawbacks.append(Clawback(order, fen))
        return self.clawbacks[-1]

    def check_clawback(self, order: Order, *, fen: int, also: Sequence[Clawback] = ()) -> None:
        if order.state != "paid":
            raise Refused(409, "nothing-paid")
        ordered = sum(each.ordered_fen for each in (*self.clawbacks, *also) if each.order is order and each.state != "cancelled")
        if fen > order.case.fen - ordered:
            raise Refused(409, "above-paid")

    def receive(self, clawback: Clawback, *, fen: int, received_on: date, version: int) -> None:
        order, case = clawback.order, clawback.order.case
        if version != clawback.version:
            raise Refused(412, "clawback-stale")
        if order.state != "paid" or clawback.state == "cancelled":
            raise Refused(409, "nothing-paid")
        if fen > clawback.ordered_fen - clawback.received_fen:
            raise Refused(409, "above-ordered")
        assert order.paid_on is not None
        if not order.paid_on <= received_on <= self.today:
            raise Refused(422, "received-outside")
        year = self._booked_on(received_on).year
        legs = []
        for origin, share in self._shares(case, skip=self.recovered_fen(order), fen=fen):
            names = (PAID, TO_REMIT) if year == case.year else (RECOVERED_LATE, REMITTED)
            dr, cr = (Account(name, year, origin if year == case.year else case.year, case.line, case.place) for name in names)
            legs.append(Leg(dr, cr, share))
            if year == case.year:
                waiting = self.to_remit.setdefault(case.application, {})
                waiting[origin] = waiting.get(origin, 0) + share
        self.funds.add(year)
        self.post("clawback", legs)
        clawback.received_fen += fen
        clawback.to_remit_fen += fen if year == case.year else 0
        clawback.state = "received" if clawback.received_fen == clawback.ordered_fen else "open"
        clawback.version += 1

    def remit(self, clawback: Clawback, *, version: int) -> None:
        case = clawback.order.case
        if version != clawback.version:
            raise Refused(412, "clawback-stale")
        if not clawback.to_remit_fen:
            raise Refused(409, "nothing-to-remit")
        self.check_open(case.year)
        left_fen, legs, waiting = clawback.to_remit_fen, [], self.to_remit[case.application]
        for origin, fen in [(origin, fen) for origin, fen in waiting.items() if fen]:
            taken = min(fen, left_fen)
            waiting[origin], left_fen = fen - taken, left_fen - taken
            if taken:
                legs.append(Leg(*(Account(name, case.year, origin, case.line, case.place) for name in (TO_REMIT, REMITTED)), taken))
        self.post("remit", legs)
        clawback.to_remit_fen, clawback.version = 0, version + 1

    def _shares(self, case: Case, *, skip: int, fen: int) -> list[tuple[int, int]]:
        shares: dict[int, int] = {}
        for pool, held in case.drawn():
            skipped = min(held, skip)
            taken = min(held - skipped, fen)
            skip, fen = skip - skipped, fen - taken
            if taken:
                shares[pool.origin] = shares.get(pool.origin, 0) + taken
        return list(shares.items())

    # Between pools, and corrections: two people.

    def make_draft(self, draft: Draft) -> None:
        self._check_draft(draft)
        self.drafts.append(draft)

    def approve_draft(self, draft: Draft, *, caller: str, version: int) -> None:
        self._check_deciding(draft, caller=caller, version=version)
        source, target = self._check_draft(draft)
        self.post("reverse" if draft.reverses_seq else "transfer", [Leg(source, target, draft.fen)])
        if draft.reverses_seq:
            self.reversed_fen[draft.reverses_seq] = self.reversed_fen.get(draft.reverses_seq, 0) + draft.fen
        draft.state, draft.version = "approved", version + 1
        self.serve(source.year)

    def reject_draft(self, draft: Draft, *, caller: str, version: int) -> None:
        self._check_deciding(draft, caller=caller, version=version)
        draft.state, draft.version = "rejected", version + 1

    def _check_deciding(self, draft: Draft, *, caller: str, version: int) -> None:
        if draft.state != "made":
            raise Refused(409, "already-decided")
        if draft.version != version:
            raise Refused(412, "draft-stale")
        if draft.maker == caller:
            raise Refused(403, "second-person-needed")

    def _check_draft(self, draft: Draft) -> tuple[Account, Account]:
        if draft.reverses_seq > len(self.journal):
            raise Refused(404, "entry-not-found")
        source, target = draft.source, draft.target
        if draft.reverses_seq:
            row = self.journal[draft.reverses_seq - 1]
            self.check_open(row.year)
            if row.outcome != "posted" or row.kind not in REVERSIBLE:
                raise Refused(422, "not-reversible")
            leg = self.legs[draft.reverses_seq]
            if draft.fen > leg.fen - self.reversed_fen.get(draft.reverses_seq, 0):
                raise Refused(409, "above-original")
            source, target = leg.cr, leg.dr
        assert source is not None
        assert target is not None
        if source == target:
            raise Refused(422, "same-pool")
        if not draft.reverses_seq and source.origin not in (source.year, source.year - 1):
            raise Refused(422, "origin-year-outside")
        self.check_open(source.year)
        self.check_free(source, target)
        self.check_sufficient(source, draft.fen)
        return source, target

    # The end of a year.

    def obstacles(self, year: int) -> set[str]:
        held = [case for case in self.cases if case.year == year]
        found = {"in-transit" for case in held if case.state == "in_transit"}
        found |= {"payment-order-open" for order in self.orders if order.case.year == year and order.state in ("made", "checked")}
        found |= {"to-remit" for each in self.clawbacks if each.to_remit_fen and each.order.case.year == year}
        found |= {"unreconciled" for (_, _, on, _), is_open in self.unreconciled.items() if is_open and on.year <= year}
        found |= {"draft-open" for draft in self.drafts if draft.state == "made" and self._year_of(draft) == year}
        found |= {"carried-unspent" for case in held if case.state == "reserved" and any(pool.origin < year for pool, _ in case.drawn())}
        booked = {row.year for row in self.journal}
        return found | {"earlier-year-open" for other in self.funds if other < year and other in booked and other not in self.closed}

    def _year_of(self, draft: Draft) -> int:
        return self.journal[draft.reverses_seq - 1].year if draft.reverses_seq else draft.source.year if draft.source else 0

    def close_year(self, year: int) -> None:
        """What is reserved goes on for its case, what is free lapses, and who waits is let go."""
        if year in self.closed:
            return
        if self.today.year <= year:
            raise Refused(409, "year-not-over")
        if self.obstacles(year):
            raise Refused(409, "close-refused")
        self.funds |= {year, year + 1}
        for case in self.ranked(year, "reserved"):
            kept, aside = (Account(name, year, year, case.line, case.place) for name in (RESERVED, CARRIED))
            self.post("carry", [Leg(kept, aside, case.fen), Leg(aside, kept._replace(year=year + 1), case.fen)])
            case.parts = [Drawn(Account(AVAILABLE, year + 1, year, case.line, case.place), case.fen)]
            case.year = year + 1
        free = [each for each, fen in self.fen.items() if each.year == year and each.name in (AVAILABLE, UNALLOTTED) and fen]
        for pool in sorted(free, key=lambda each: each.code):
            self.post("lapse", [Leg(pool, pool._replace(name=LAPSED), self.fen[pool])])
        for case in self.ranked(year, "waiting"):
            case.state = "released"
        self.closed.add(year)
        self.serve(year + 1)
