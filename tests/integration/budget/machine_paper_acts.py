"""The acts of the machine about papers: quota documents and what districts report, requests for payment and their sheets, misuse, performance."""

import base64
import csv
import io
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from services.budget.spreadsheet import read_sheet, write_sheet
from tests.building import Staff
from tests.integration.budget.acting import ACCOUNT_NUMBER
from tests.integration.budget.machine_acts import Acts
from tests.integration.budget.machine_award_acts import LINES, PLACES
from tests.integration.budget.machine_books import OTHER_USCC, USCC, Freeze
from tests.integration.budget.machine_judge import AUDITOR, DISTRICTS, FINANCE, MAKER, NAMES, chosen
from tests.integration.budget.machine_matters import Misuse, Order, Quota, Report, Request, SheetRow, Target
from tests.integration.budget.machine_paper_model import PAYEE
from tests.integration.budget.machine_world import FIRST_DAY

HEADINGS = ["支付凭证号", "支付日期", "状态", "原因", "金额", "收款人"]
# Mistakes that a paper of many payments may have.
FLAWS = ("none", "none", "none", "none", "any_order", "twice", "unknown", "other_year", "tomorrow", "old_number", "other_place")


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


class PaperActs(Acts):
    def change_route(self) -> None:
        """Policy data sends one line another way from now on."""
        self.world.by_quota = self.model.by_quota = not self.model.by_quota

    def _listed_orders(self, orders: list[Order], *, flaw: str, pick: int) -> list[str]:
        listed = [order.id for order in orders]
        if flaw == "any_order":
            listed.append(chosen(self.model.orders, pick).id)
        elif flaw == "twice":
            listed.append(listed[0])
        elif flaw == "unknown":
            listed.append(str(uuid.UUID(int=pick + 1)))
        return listed

    def _fit(self, *, way: str) -> list[Order]:
        return [order for order in self.model.orders if order.state == "in_transit" and not order.way and self.model.route(order) == way]

    def send_many(self, pick: int) -> None:
        """From the reservation to the district or the treasury, so that both are often reached."""
        for _ in range(1 + pick % 2):
            self.order_whole(pick)
        ways = [way for way in ("quota", "treasury") if self._fit(way=way)]
        if ways and pick % 4:
            (self.hand_down if chosen(ways, pick) == "quota" else self.ask_for)(pick, flaw="none")

    # Handed down to a district.

    def hand_down(self, pick: int, *, flaw: str) -> None:
        orders = self._fit(way="quota") or self.model.orders[-1:]
        first = chosen(orders, pick)
        same = [each for each in orders if (each.case.year, each.case.place) == (first.case.year, first.case.place)][: 1 + pick % 4]
        number = chosen(self.model.quotas, pick).number if flaw == "old_number" and self.model.quotas else self.document()
        quota = Quota(
            number=number,
            year=first.case.year - (flaw == "other_year"),
            place=PLACES[PLACES.index(first.case.place) - (flaw == "other_place")],
            on=self.model.today + timedelta(days=flaw == "tomorrow"),
            order_ids=self._listed_orders(same, flaw=flaw, pick=pick),
        )
        body = {"number": number, "fiscal_year": quota.year, "jurisdiction_id": quota.place, "handed_down_on": quota.on.isoformat()}
        body |= {"payment_order_ids": quota.order_ids}
        answer = self.act("/v1/quota-documents", body, lambda model, _: model.hand_down(quota))
        if answer is not None:
            quota.id = answer["id"]
            self._compare_quota(answer, quota)

    def report(self, pick: int, *, rows: Sequence[tuple[int, str, str]], stale: bool) -> None:
        """`rows`: which payment, its outcome, and what is wrong with what the district says."""
        quota = chosen(self.model.quotas, pick)
        reports = [self._report(quota, which, outcome, flaw) for which, outcome, flaw in rows]
        auth = (DISTRICTS[quota.place], DISTRICTS[quota.place], FINANCE, DISTRICTS["huancui"])[pick % 4]
        self._send_report(quota, reports, auth=auth, version=quota.version + stale)

    def _report(self, quota: Quota, which: int, outcome: str, flaw: str) -> Report:
        order = chosen(self.model.listed(quota) if flaw != "stranger" else self.model.orders, which)
        span = (self.model.today - quota.on).days + 1
        on = quota.on + timedelta(days={"early": -1, "tomorrow": span}.get(flaw, which % max(1, span)))
        voucher = "ZF-1" if flaw == "same_voucher" else f"ZF-{order.reference}"
        return Report(order.id, outcome, on, voucher if outcome == "paid" else None, order.case.fen + (flaw == "amount") if which % 2 else None)

    def _send_report(self, quota: Quota, reports: list[Report], *, auth: Staff, version: int) -> None:
        rows: list[dict[str, Any]] = [
            {"payment_order_id": each.order_id, "outcome": each.outcome, "settled_on": each.on.isoformat(), "voucher": each.voucher}
            | {"amount_fen": each.fen, "reason": None if each.outcome == "paid" else "户名不符"}
            for each in reports
        ]
        found: list[str] = []
        place = NAMES[auth] if auth in DISTRICTS.values() else None
        does = lambda model, _: found.extend(model.report(quota, reports, caller=NAMES[auth], place=place, version=version))  # noqa: E731
        answer = self.act(f"/v1/quota-documents/{quota.id}:report", {"document": self.document(), "rows": rows}, does, auth=auth, version=version)
        if answer is not None:
            assert [each["status"] for each in answer["results"]] == found
            self._compare_quota(self.world.get(f"/v1/quota-documents/{quota.id}", auth=DISTRICTS[quota.place]), quota)

    def _compare_quota(self, shown: dict[str, Any], quota: Quota) -> None:
        orders = self.model.listed(quota)
        held = sum(order.case.fen for order in orders if order.state == "in_transit")
        days_held = (self.model.today - quota.on).days if held else None
        assert (shown["version"], shown["payments"], shown["days_held"]) == (quota.version, len(orders), days_held)
        assert (shown["held_fen"], shown["paid_fen"]) == (held, sum(order.case.fen for order in orders if order.state == "paid"))
        if "listed" in shown:
            states = {"in_transit": "handed_down", "paid": "paid"}
            expected = [(states.get(order.state, "returned"), quota.vouchers.get(order.id)) for order in orders]
            assert [(each["state"], each["voucher"]) for each in shown["listed"]] == expected

    # Asked of the treasury.

    def ask_for(self, pick: int, *, flaw: str) -> None:
        orders = self._fit(way="treasury") or self.model.orders[-1:]
        first = chosen(orders, pick)
        same = [each for each in orders if each.case.year == first.case.year][: 1 + pick % 5]
        request = Request(first.case.year - (flaw == "other_year"), self._listed_orders(same, flaw=flaw, pick=pick))
        body = {"fiscal_year": request.year, "quota_document": self.document(), "payment_order_ids": request.order_ids}
        warned: list[str] = []
        answer = self.act("/v1/payment-requests", body, lambda model, _: warned.extend(model.ask_for(request)), auth=MAKER)
        if answer is not None:
            request.id = answer["id"]
            assert answer["warnings"] == warned
            self._compare_request(answer, request)

    def take_file(self, pick: int) -> None:
        """The whole numbers leave by it, and who took it is written down: nothing else changes."""
        request, sheet_format = chosen(self.model.requests, pick), "xlsx" if pick % 8 == 0 else "csv"
        content = self.world.take_file(f"/v1/payment-requests/{request.id}/file?format={sheet_format}", auth=FINANCE)
        request.exports += 1
        cells = read_sheet(content) if sheet_format == "xlsx" else list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
        told = [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]
        expected = [(order.reference, PAYEE, ACCOUNT_NUMBER, order.case.fen) for order in self.model.listed(request)]
        assert [(row["支付凭证号"], row["收款人"], row["账号"], round(float(row["金额"]) * 100)) for row in told] == expected
        before = dict(self.state.kept)
        self.look()
        changed = {name for name, kept in self.state.kept if kept != before[name]}
        assert changed == {"payment_request_export"}

    def take_sheet(self, pick: int, *, rows: Sequence[tuple[int, str, str]], stale: bool) -> None:
        request = chosen(self.model.requests, pick)
        sheet = [self._sheet_row(request, which, outcome, flaw) for which, outcome, flaw in rows]
        self._send_sheet(request, sheet, version=request.version + stale, as_xlsx=pick % 16 == 0)

    def _sheet_row(self, request: Request, which: int, outcome: str, flaw: str) -> SheetRow:
        order = chosen(self.model.listed(request) if flaw != "stranger" else self.model.orders, which)
        first = order.ordered_on if order.reference else self.model.today
        span = (self.model.today - first).days + 1
        on = first + timedelta(days={"early": -1, "tomorrow": span}.get(flaw, which % max(1, span)))
        fen = order.case.fen + 1 if flaw == "amount" else order.case.fen if which % 2 else None
        payee = "别家公司" if flaw == "payee" else PAYEE if which % 3 else None
        return SheetRow(order.reference or "PO-2024-999999", outcome, on, fen, payee)

    def _send_sheet(self, request: Request, sheet: list[SheetRow], *, version: int, as_xlsx: bool = False) -> None:
        states = {"paid": "已支付", "returned": "退回"}
        cells = [HEADINGS]
        for row in sheet:
            reason = "户名不符" if row.outcome == "returned" else ""
            cells.append([row.reference, row.on.isoformat(), states[row.outcome], reason, _yuan(row.fen) if row.fen else "", row.payee or ""])
        made_at = datetime.combine(self.model.today, FIRST_DAY.timetz())
        content = write_sheet(cells, sheet_format="xlsx" if as_xlsx else "csv", made_at=made_at)
        body = {"document": self.document(), "content_base64": base64.b64encode(content).decode()}
        found: list[Any] = []
        does = lambda model, _: found.extend(model.take_sheet(request, sheet, caller="finance", version=version))  # noqa: E731
        answer = self.act(f"/v1/payment-requests/{request.id}:import", body, does, version=version)
        if answer is None:
            return
        booked, before = found
        assert [(each["row"], each["status"]) for each in answer["results"]] == booked
        told = [(each["kind"], each["row"], each["bank_reference"]) for each in answer["differences"]]
        assert told == request.differences[before:]
        self._compare_request(self.world.get(f"/v1/payment-requests/{request.id}", auth=AUDITOR), request)

    def _compare_request(self, shown: dict[str, Any], request: Request) -> None:
        orders = self.model.listed(request)
        paid, returned = (sum(order.case.fen for order in orders if order.state == state) for state in ("paid", "returned"))
        assert (shown["version"], shown["payments"], shown["amount_fen"]) == (request.version, len(orders), sum(order.case.fen for order in orders))
        assert (shown["paid_fen"], shown["returned_fen"]) == (paid, returned)
        if "listed" in shown:
            assert [each["state"] for each in shown["listed"]] == [order.state for order in orders]
            assert [(each["kind"], each["row"], each["bank_reference"]) for each in shown["differences"]] == request.differences
            assert len(shown["exports"]) == request.exports

    # Misuse, and what the money was to achieve.

    def open_misuse(self, pick: int, *, fens: Sequence[int], flaw: str, dry_run: bool) -> None:
        if opened := [misuse for misuse in self.model.misuses if misuse.state == "open"]:
            self._recover_and_close(opened[0])
            return
        uscc = (USCC, OTHER_USCC)[pick % 2] if pick % 3 else None
        place = None if uscc else PLACES[pick % 2]
        paid = [order for order in self.model.orders if order.state == "paid"]
        theirs = [order for order in paid if uscc in (None, order.case.uscc) and place in (None, order.case.place)]
        pool = (([order for order in paid if order not in theirs] or self.model.orders) if flaw == "stranger" else theirs)[-3:]
        step = 0 if flaw == "twice" else 1
        recover: list[tuple[str, int]] = []
        for number, fen in enumerate(fens if pool else ()):
            order = chosen(pool, pick + number * step)
            # Mostly not more than was paid.
            recover.append((order.id, fen if flaw == "too_much" else 1 + fen % order.case.fen // 2))
        found_on = self.model.today + timedelta(days=flaw == "tomorrow")
        article = "14" if (uscc is not None) != (flaw == "article") else "6"
        body: dict[str, Any] = {"uscc": uscc, "jurisdiction_id": place, "article": article, "document": self.document(), "authority": "示例财政局"}
        body |= {"reason": "以虚假材料骗取补贴", "found_on": found_on.isoformat()}
        body |= {"recover": [{"payment_order_id": order_id, "amount_fen": fen} for order_id, fen in recover]}
        misuse = Misuse(Freeze("organisation" if uscc else "jurisdiction", uscc=uscc, place=place), [])
        does = lambda model, about: model.open_misuse(about, article, recover, found_on=found_on)  # noqa: E731
        answer = self.act("/v1/misuse-cases", body, does, about=misuse, dry_run=dry_run)
        if answer is None or dry_run:
            return
        misuse.id, misuse.freeze.id = answer["id"], answer["freeze_id"]
        query = "SELECT id FROM budget.clawback WHERE (payment_order_id, document) = ($1, $2)"
        for clawback in misuse.clawbacks:
            clawback.id = str(self.world.value(query, clawback.order.id, answer["document"]))
        self._compare_misuse(answer, misuse)
        # What it stops is tried at once.
        self.order_whole(pick)

    def close_misuse(self, pick: int, *, stale: bool, dry_run: bool) -> None:
        self._close_misuse(chosen(self.model.misuses, pick), stale=stale, dry_run=dry_run)

    def recover_and_close(self, pick: int) -> None:
        """All that it orders back comes in, so that cases are closed often."""
        self._recover_and_close(chosen(self.model.misuses, pick))

    def _recover_and_close(self, misuse: Misuse) -> None:
        for clawback in misuse.clawbacks:
            if clawback.state == "open":
                self._receive(clawback, fen=clawback.ordered_fen - clawback.received_fen, on=self.model.today, version=clawback.version)
        self._close_misuse(misuse)

    def _close_misuse(self, misuse: Misuse, *, stale: bool = False, dry_run: bool = False) -> None:
        version = misuse.version + stale
        path, body = f"/v1/misuse-cases/{misuse.id}:close", {"document": self.document()}
        answer = self.act(path, body, lambda model, about: model.close_misuse(about, version=version), about=misuse, version=version, dry_run=dry_run)
        if answer is not None and not dry_run:
            self._compare_misuse(answer, misuse)

    def _compare_misuse(self, shown: dict[str, Any], misuse: Misuse) -> None:
        assert (shown["state"], shown["version"]) == (misuse.state, misuse.version)
        assert (shown["ordered_fen"], shown["received_fen"]) == (misuse.ordered_fen, misuse.received_fen)

    def set_target(self, pick: int, *, percent: int) -> None:
        target = Target(self.model.today.year - pick % 2, LINES[pick % 5 // 2], f"指标{pick % 3}", percent)
        body = {"fiscal_year": target.year, "line_id": target.line, "indicator": target.indicator, "unit": "家", "target": "20"}
        body |= {"weight_percent": percent, "document": self.document()}
        answer = self.act("/v1/performance-targets", body, lambda model, _: model.set_target(target))
        if answer is not None:
            target.id = answer["id"]

    def evaluate(self, pick: int) -> None:
        target = chosen(self.model.targets, pick)
        body = {"performance_target_id": target.id, "actual": "21.5", "document": self.document()}
        answer = self.act("/v1/self-evaluations", body, lambda model, _: model.evaluate(target))
        if answer is not None:
            assert (answer["fiscal_year"], answer["line_id"], answer["actual"]) == (target.year, target.line, "21.5")
