"""What the budget must answer about papers: quota documents, requests for payment, misuse cases, performance targets."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from tests.integration.budget.machine_books import CAPS_FEN, IN_TRANSIT, RESERVED, YEARS, Refused
from tests.integration.budget.machine_matters import Clawback, Misuse, Order, Quota, Report, Request, SheetRow, Target
from tests.integration.budget.machine_model import Model

PAYEE = "示例公司"


@dataclass
class PaperModel(Model):
    quotas: list[Quota] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    misuses: list[Misuse] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def listed(self, paper: Quota | Request) -> list[Order]:
        by_id = {order.id: order for order in self.orders}
        return [by_id[order_id] for order_id in paper.order_ids]

    def _refuse_unfit(self, order_ids: Sequence[str], code: str, judge: Callable[[Order], str | None]) -> None:
        by_id = {order.id: order for order in self.orders}
        judged = {each: judge(by_id[each]) if each in by_id else "payment-order-not-found" for each in order_ids}
        judged |= {each: "named-twice" for each in order_ids if order_ids.count(each) > 1}
        if unfit := [{"payment_order_id": each, "code": why} for each, why in judged.items() if why]:
            raise Refused(409, code, told={"orders": unfit})

    def withdraw_order(self, order: Order, *, caller: str, version: int) -> None:
        """While nobody was asked to pay it, nor says that it is paid."""
        self.check_step(order, "in_transit", version=version)
        if order.way:
            raise Refused(409, "payment-under-way")
        if any(is_open and kept[:2] == (order.reference, "paid") for kept, is_open in self.unreconciled.items()):
            raise Refused(409, "payment-reported")
        if caller in (order.maker, order.checker):
            raise Refused(403, "same-person-twice")
        order.state, order.version, order.returned_on, order.case.state = "withdrawn", version + 1, self.today, "reserved"
        self.post("return", order.case.legs(IN_TRANSIT, RESERVED))

    # Handed down to a district.

    def hand_down(self, quota: Quota) -> None:
        if quota.on > self.today:
            raise Refused(422, "handed-down-day")
        self._refuse_unfit(quota.order_ids, "quota-payments-unfit", lambda order: self._unfit_for(quota, order))
        if any((other.year, other.number) == (quota.year, quota.number) for other in self.quotas):
            raise Refused(409, "quota-document-exists")
        for order in self.listed(quota):
            order.way = "quota"
        self.quotas.append(quota)

    def _unfit_for(self, quota: Quota, order: Order) -> str | None:
        if order.state != "in_transit" or order.ordered_on > quota.on:
            return "not-in-transit"
        if order.case.year != quota.year:
            return "other-fiscal-year"
        if order.case.place != quota.place:
            return "other-jurisdiction"
        if self.route(order) != "quota":
            return "other-route"
        if order.way:
            return "already-handed-down"
        return "frozen" if self.is_frozen(order.case) else None

    def report(self, quota: Quota, rows: Sequence[Report], *, caller: str, place: str | None, version: int) -> list[str]:
        """What becomes of each row; `place` is the only one that the caller is for."""
        if place not in (None, quota.place):
            raise Refused(404, "quota-document-not-found")
        if version != quota.version:
            raise Refused(412, "quota-document-stale")
        quota.version += 1
        return [
            self.take_row(order.reference, row.outcome, row.on, caller=caller, fen=row.fen, said_by="quota") if order else "refused"
            for row, order in self._judge_reports(quota, rows)
        ]

    def _judge_reports(self, quota: Quota, rows: Sequence[Report]) -> Iterable[tuple[Report, Order | None]]:
        """Each row with its order, or None where the district says what it cannot know. A voucher is of one payment, and kept once it has paid."""
        orders = {order.id: order for order in self.listed(quota)}
        payment_of = {voucher: order_id for order_id, voucher in quota.vouchers.items()}
        for row in rows:
            order = orders.get(row.order_id)
            if order is None or row.on < quota.on or (row.voucher and payment_of.get(row.voucher, row.order_id) != row.order_id):
                yield row, None
                continue
            if row.voucher:
                payment_of[row.voucher] = row.order_id
            was = order.state
            yield row, order
            if row.voucher and (was, order.state) == ("in_transit", "paid"):
                quota.vouchers[row.order_id] = row.voucher

    # Asked of the treasury.

    def ask_for(self, request: Request) -> list[str]:
        """The lines to warn about: paid out in the year before and not evaluated."""
        self._refuse_unfit(request.order_ids, "payment-orders-unfit", lambda order: self._unfit_for_request(request, order))
        for order in self.listed(request):
            order.way = "treasury"
        self.requests.append(request)
        return sorted({order.case.line for order in self.listed(request) if self._is_not_evaluated(order.case.line, request.year - 1)})

    def _unfit_for_request(self, request: Request, order: Order) -> str | None:
        if order.state != "in_transit":
            return "not-in-transit"
        if order.case.year != request.year:
            return "other-fiscal-year"
        if self.route(order) != "treasury":
            return "other-route"
        if order.way:
            return "already-requested"
        return "frozen" if self.is_frozen(order.case) else None

    def _is_not_evaluated(self, line: str, year: int) -> bool:
        if not any((case.line, case.year, case.state) == (line, year, "paid") for case in self.cases):
            return False
        targets = [target for target in self.targets if (target.line, target.year) == (line, year)]
        return not targets or not all(target.is_evaluated for target in targets)

    def take_sheet(self, request: Request, rows: Sequence[SheetRow], *, caller: str, version: int) -> tuple[list[tuple[int, str]], int]:
        """Row number and status of each row that is booked, and how many differences were there before."""
        if version != request.version:
            raise Refused(412, "payment-request-stale")
        request.version += 1
        before = len(request.differences)
        left_out = self._compare(request, rows)
        booked = [(place, row) for place, row in enumerate(rows, start=2) if place not in left_out]
        return [(place, self.take_row(row.reference, row.outcome, row.on, caller=caller, fen=row.fen)) for place, row in booked], before

    def _compare(self, request: Request, rows: Sequence[SheetRow]) -> set[int]:
        """The rows that are not of this request."""
        expected = {order.reference: order for order in self.listed(request)}
        seen, left_out = set[tuple[str, str]](), set[int]()
        for place, row in enumerate(rows, start=2):
            found = []
            if row.reference not in expected:
                found = ["extra"]
            elif (row.reference, row.outcome) in seen:
                found = ["repeated"]
            else:
                seen.add((row.reference, row.outcome))
                found += ["other_amount"] if row.fen not in (None, expected[row.reference].case.fen) else []
                found += ["other_payee"] if row.payee not in (None, PAYEE) else []
            request.differences += [(kind, place, row.reference) for kind in found]
            if found not in ([], ["other_amount"]):
                left_out.add(place)
        said = {row.reference for row in rows}
        missing = [order.reference for order in expected.values() if order.state == "in_transit" and order.reference not in said]
        request.differences += [("missing", None, reference) for reference in missing]
        return left_out

    # Misuse.

    def open_misuse(self, misuse: Misuse, article: str, recover: Sequence[tuple[str, int]], *, found_on: date) -> None:
        if (article == "14") != (misuse.freeze.uscc is not None):
            raise Refused(422, "article-does-not-fit")
        if found_on > self.today:
            raise Refused(422, "document-in-future")
        ordered: list[Clawback] = []
        for order_id, fen in recover:
            order = next((each for each in self.orders if each.id == order_id), None)
            if order is None or misuse.freeze.uscc not in (None, order.case.uscc) or misuse.freeze.place not in (None, order.case.place):
                raise Refused(422, "paid-to-somebody-else")
            self.check_clawback(order, fen=fen, also=ordered)
            if any(each.order is order for each in ordered):
                raise Refused(409, "clawback-ordered")
            ordered.append(Clawback(order, fen))
        misuse.freeze.is_of_open_misuse = True
        misuse.clawbacks = ordered
        self.clawbacks += ordered
        self.freezes.append(misuse.freeze)
        self.misuses.append(misuse)

    def close_misuse(self, misuse: Misuse, *, version: int) -> None:
        if misuse.state == "closed":
            raise Refused(409, "misuse-case-closed")
        if open_fen := misuse.ordered_fen - misuse.received_fen:
            raise Refused(409, "recovery-open", told={"open_fen": open_fen})
        if version != misuse.version:
            raise Refused(412, "misuse-case-stale")
        misuse.state, misuse.version, misuse.freeze.is_of_open_misuse = "closed", version + 1, False
        self.end(misuse.freeze)

    # What the money was to achieve.

    def set_target(self, target: Target) -> None:
        if target.year not in YEARS or target.line not in CAPS_FEN:
            raise Refused(422, "unknown-line")
        of_line = [other for other in self.targets if (other.year, other.line) == (target.year, target.line)]
        if target.percent > 100 - sum(other.percent for other in of_line):
            raise Refused(422, "performance-weights")
        if any(other.indicator == target.indicator for other in of_line):
            raise Refused(409, "performance-target-exists")
        self.targets.append(target)

    def evaluate(self, target: Target) -> None:
        if target.year >= self.today.year:
            raise Refused(409, "fiscal-year-not-over")
        if target.is_evaluated:
            raise Refused(409, "self-evaluation-exists")
        target.is_evaluated = True
