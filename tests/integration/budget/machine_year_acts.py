"""The acts of the machine about orders to stop and the end of a year."""

from datetime import date, datetime, timedelta

from tests.integration.budget import acting
from tests.integration.budget.machine_award_acts import LINES, named
from tests.integration.budget.machine_books import Freeze, Refused
from tests.integration.budget.machine_judge import DECIDER, FINANCE, FINANCE_2, chosen
from tests.integration.budget.machine_matters import Order, Report
from tests.integration.budget.machine_paper_acts import PaperActs
from tests.integration.budget.machine_paper_model import PaperModel
from tests.integration.budget.machine_world import FIRST_DAY


class YearActs(PaperActs):
    def freeze(self, pick: int) -> None:
        """Not many at once: where all is stopped nothing else is seen."""
        if len(stopped := [each for each in self.model.in_force() if not each.is_of_open_misuse]) > 1:
            self._lift(stopped[0])
            return
        scope = "fund" if pick % 16 == 0 else ("line", "case", "case")[pick % 3]
        if scope == "case" and not self.model.cases:
            return
        application = chosen(self.model.cases, pick // 5).application if scope == "case" else None
        line = LINES[pick // 5 % 2] if scope == "line" else None
        body = {"scope": scope, "application_id": application and str(application), "line_id": line, "document": self.document()}
        body |= {"authority": "示例审计局", "reason": "核查中", "ordered_on": self.model.today.isoformat()}
        frozen = Freeze(scope, application, line)
        answer = self.act("/v1/freezes", body, lambda model, _: model.freezes.append(frozen))
        assert answer is not None
        frozen.id = answer["id"]

    def lift(self, pick: int, *, stale: bool, dry_run: bool) -> None:
        self._lift(chosen(self.model.freezes, pick), stale=stale, dry_run=dry_run)

    def _lift(self, frozen: Freeze, *, stale: bool = False, dry_run: bool = False) -> None:
        version = frozen.version + stale
        does = lambda model, about: model.lift(about, version=version)  # noqa: E731
        self.act(f"/v1/freezes/{frozen.id}:lift", {"document": self.document()}, does, about=frozen, version=version, dry_run=dry_run)

    def turn_the_year(self) -> None:
        if self.model.today.year < 2026:
            self._move_to(date(self.model.today.year + 1, 1, 5))

    def pass_days(self, days: int) -> None:
        """Within the year."""
        self._move_to(min(self.model.today + timedelta(days=days), date(self.model.today.year, 12, 31)))

    def _move_to(self, day: date) -> None:
        """Not to the morning of the same day: what is done next would be of a moment before what was done."""
        if day == self.model.today:
            return
        self.model.today = day
        self.world.move_to(datetime.combine(day, FIRST_DAY.timetz()))

    def close_year(self, year: int, *, dry_run: bool = False) -> None:
        body = {"fiscal_year": year, "document": self.document()}
        if not dry_run:
            self.act("/v1/year-closes", body, lambda model, _: model.close_year(year))
            return
        foreseen = self.model.obstacles(year)

        def preview(model: PaperModel, _: object) -> None:
            model.check_open(year)
            if model.today.year <= year:
                raise Refused(409, "year-not-over")

        told = self.act("/v1/year-closes", body, preview, dry_run=True)
        assert told is None or {each["obstacle"] for each in told["errors"]} == foreseen

    def clear_the_way_and_close(self) -> None:
        """Everything that stands in the way of the next year to close is settled as an office would."""
        year = next((each for each in (2024, 2025) if each not in self.model.closed), None)
        if year is None:
            return
        if self.model.today.year <= year:
            self.turn_the_year()
        for misuse in [misuse for misuse in self.model.misuses if misuse.state == "open"]:
            self._recover_and_close(misuse)
        for frozen in self.model.in_force():
            self._lift(frozen)
        for late in [late for late in self.model.lates if late.outcome is None]:
            self._decide_late(late, outcome="bank_error", auth=DECIDER, version=late.version)
        for order in [order for order in self.model.orders if order.case.year == year]:
            if order.state in ("made", "checked"):
                self._step(order, step="reject")
            elif order.state == "in_transit":
                self._pay(order)
        for clawback in [each for each in self.model.clawbacks if each.to_remit_fen and each.order.case.year == year]:
            self._remit(clawback)
        for draft in [draft for draft in self.model.drafts if draft.state == "made"]:
            self._decide_draft(draft, step="reject", auth=FINANCE_2, version=draft.version)
        for kept in [kept for kept, is_open in self.model.unreconciled.items() if is_open]:
            self._settle(kept)
        for case in self.of("reserved"):
            if case.year == year and any(pool.origin < year for pool, _ in case.drawn()):
                self._hear(acting.release_of(named(case)), lambda released=case: self.model.release(released))
        self.close_year(year)

    def withdraw(self, pick: int) -> None:
        """One in two of those that nobody was asked to pay."""
        if pick % 2 and (orders := [order for order in self.model.orders if order.state == "in_transit" and not order.way]):
            self._step(chosen(orders, pick), step="withdraw")

    def settle_one(self, pick: int) -> None:
        if orders := [order for order in self.model.orders if order.state == "in_transit"]:
            self._pay(chosen(orders, pick))

    def _pay(self, order: Order) -> None:
        """By whoever has the money."""
        if order.way == "quota":
            quota = next(each for each in self.model.quotas if order.id in each.order_ids)
            self._send_report(quota, [Report(order.id, "paid", self.model.today, f"ZF-{order.reference}", None)], auth=FINANCE, version=quota.version)
            return
        if self.model.route(order) == "quota":
            self.change_route()
        self._bank(order.reference, "paid", self.model.today)
