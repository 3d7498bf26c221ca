"""The acts of the machine about payments, recovery and pools, each of them one call or one event or a short way of several."""

from datetime import date, timedelta
from typing import Any

from tests.building import Staff
from tests.integration.budget import acting
from tests.integration.budget.acting import ACCOUNT_NUMBER
from tests.integration.budget.machine_award_acts import POOLS, AwardActs, named
from tests.integration.budget.machine_books import AVAILABLE, LIVE, Account, Case
from tests.integration.budget.machine_judge import APPROVER, CHECKER, EVERYBODY, FINANCE, FINANCE_2, MAKER, NAMES, chosen
from tests.integration.budget.machine_matters import Clawback, Draft, Late, Order
from tests.integration.budget.machine_model import Kept, Model


class Acts(AwardActs):
    # Payments.

    def confirm(self, pick: int, *, wrong: bool) -> None:
        cases = [case for case in self.of(*LIVE) if case.awarded_fen is None]
        if cases:
            self._confirm(chosen(cases, pick), more_fen=int(wrong))

    def _confirm(self, case: Case, *, more_fen: int = 0) -> None:
        case.awarded_fen = case.fen + more_fen
        self._hear(acting.confirmation_of(named(case), amount_fen=case.awarded_fen), lambda: None)

    def enter_account(self, pick: int, *, everybody: bool) -> None:
        if cases := self.of(*LIVE):
            self._enter_account(chosen(cases, pick), auth=EVERYBODY if everybody else MAKER)

    def _enter_account(self, case: Case, *, auth: Staff) -> None:
        body = {"application_id": str(case.application), "account_name": "示例公司", "account_number": ACCOUNT_NUMBER, "bank_name": "示例银行"}
        self.act("/v1/payee-accounts", body, lambda model, _: model.enter_account(case, caller=NAMES[auth]), auth=auth)

    def make_order(self, pick: int, *, everybody: bool) -> None:
        if self.model.cases:
            case = chosen(self.of("reserved") or self.model.cases, pick)
            self._make_order(case, auth=EVERYBODY if everybody else MAKER)

    def _make_order(self, case: Case, *, auth: Staff) -> Order | None:
        made: list[Order] = []
        body = {"application_id": str(case.application)}
        does = lambda model, _: made.append(model.make_order(case.application, caller=NAMES[auth]))  # noqa: E731
        answer = self.act("/v1/payment-orders", body, does, auth=auth)
        if answer is None:
            return None
        made[0].id = answer["id"]
        return made[0]

    def decide_order(self, pick: int, *, step: str, everybody: bool, stale: bool) -> None:
        self._step(chosen(self.model.orders, pick), step=step, everybody=everybody, stale=stale)

    def _step(self, order: Order, *, step: str, everybody: bool = False, stale: bool = False) -> None:
        auth = EVERYBODY if everybody else APPROVER if step in ("approve", "withdraw") else CHECKER
        version = order.version + stale
        does = lambda model, _: getattr(model, f"{step}_order")(order, caller=NAMES[auth], version=version)  # noqa: E731
        # A ground is taken also where none is asked for.
        ground = {"acknowledgement": "有批复文件"} if self.count % 3 == 0 else None
        body = {"check": {"account_number": ACCOUNT_NUMBER}, "approve": ground, "reject": {"reason": "户名不符"}}
        body["withdraw"] = {"document": self.document(), "reason": "暂停支付"}
        path = f"/v1/payment-orders/{order.id}:{step}"
        answer = self.act(path, body[step], does, auth=auth, version=version)
        if answer is not None:
            self._compare_order(answer, order)

    def _compare_order(self, shown: dict[str, Any], order: Order) -> None:
        assert (shown["state"], shown["version"], shown["bank_reference"] or "") == (order.state, order.version, order.reference)

    def order_whole(self, pick: int) -> None:
        if not (cases := self.of("reserved")):
            return
        case = chosen(cases, pick)
        if case.awarded_fen is None:
            self._confirm(case)
        self._enter_account(case, auth=MAKER)
        if (order := self._make_order(case, auth=MAKER)) is not None:
            self._step(order, step="check")
            self._step(order, step="approve")

    def bank_says(self, pick: int, *, outcome: str, day: int) -> None:
        orders = [order for order in self.model.orders if order.reference]
        if not orders:
            return
        order = chosen(orders, pick)
        settled_on = self.model.today + timedelta(days=1) if day == 1 else order.ordered_on - timedelta(days=1) if day else self.model.today
        if pick > 127 and day == 0:
            # Any day since it was ordered.
            settled_on = order.ordered_on + timedelta(days=pick % ((self.model.today - order.ordered_on).days + 1))
        reference = "PO-2024-999999" if pick == 255 else order.reference
        self._bank(reference, outcome, settled_on)

    def _bank(self, reference: str, outcome: str, settled_on: date) -> None:
        row = {"bank_reference": reference, "outcome": outcome, "settled_on": settled_on.isoformat()}
        if outcome == "returned":
            row["reason"] = "户名不符"
        found: list[str] = []
        body = {"document": self.document(), "rows": [row]}
        does = lambda model, _: found.append(model.take_row(reference, outcome, settled_on, caller="finance"))  # noqa: E731
        answer = self.act("/v1/bank-confirmations", body, does)
        assert answer is not None
        assert [each["status"] for each in answer["results"]] == found

    def settle(self, pick: int) -> None:
        self._settle(chosen(list(self.model.unreconciled), pick))

    def _settle(self, kept: Kept) -> None:
        version = 1 if self.model.unreconciled[kept] else 2
        path = f"/v1/bank-confirmations/{self._kept_id(kept)}:settle"
        self.act(path, {"reason": "已与银行核对"}, lambda model, _: model.settle(kept), version=version)

    def _kept_id(self, kept: Kept) -> str:
        query = """
            SELECT id FROM budget.bank_confirmation
            WHERE status = 'reconcile' AND (bank_reference, outcome, settled_on) = ($1, $2, $3) AND amount_fen IS NOT DISTINCT FROM $4
        """
        return str(self.world.value(query, *kept))

    def decide_late(self, pick: int, *, outcome: str, everybody: bool, stale: bool) -> None:
        late = chosen(self.model.lates, pick)
        self._decide_late(late, outcome=outcome, auth=EVERYBODY if everybody else APPROVER, version=late.version + stale)

    def _decide_late(self, late: Late, *, outcome: str, auth: Staff, version: int) -> None:
        path = f"/v1/late-payments/{self._kept_id(late.kept)}:decide"
        does = lambda model, _: model.decide_late(late, outcome=outcome, caller=NAMES[auth], version=version)  # noqa: E731
        self.act(path, {"outcome": outcome, "reason": "经与银行核实"}, does, auth=auth, version=version)

    # Recovery.

    def order_clawback(self, pick: int, *, fen: int, dry_run: bool) -> None:
        order = chosen([order for order in self.model.orders if order.state == "paid"] or self.model.orders, pick)
        # Mostly not more than was paid.
        fen = order.case.fen if pick > 200 else fen if pick % 4 == 0 else 1 + fen % order.case.fen
        body = {"payment_order_id": order.id, "amount_fen": fen, "document": self.document(), "reason": "项目未实施"}
        made: list[Clawback] = []
        answer = self.act("/v1/clawbacks", body, lambda model, of: made.append(model.order_clawback(of, fen=fen)), about=order, dry_run=dry_run)
        if answer is not None and not dry_run:
            made[0].id = answer["id"]

    def receive(self, pick: int, *, fen: int, stale: bool, early: bool) -> None:
        clawback = chosen(self.model.clawbacks, pick)
        fen = clawback.ordered_fen - clawback.received_fen or fen if pick > 127 else fen
        on = date(2024, 9, 1) if early else self.model.today
        self._receive(clawback, fen=fen, on=on, version=clawback.version + stale)

    def _receive(self, clawback: Clawback, *, fen: int, on: date, version: int) -> None:
        body = {"amount_fen": fen, "received_on": on.isoformat(), "bank_reference": f"R{self.count}"}
        does = lambda model, _: model.receive(clawback, fen=fen, received_on=on, version=version)  # noqa: E731
        self.act(f"/v1/clawbacks/{clawback.id}:receive", body, does, version=version)

    def remit(self, pick: int, *, stale: bool) -> None:
        """Of what came in; where nothing was ordered back yet, that and its receipt come first."""
        if not self.model.clawbacks:
            self.order_clawback(pick, fen=700, dry_run=False)
        for clawback in self.model.clawbacks[-1:]:
            if not clawback.to_remit_fen:
                self.receive(pick, fen=700, stale=False, early=False)
        if self.model.clawbacks:
            self._remit(chosen(self.model.clawbacks, pick), stale=stale)

    def _remit(self, clawback: Clawback, *, stale: bool = False) -> None:
        version = clawback.version + stale
        path = f"/v1/clawbacks/{clawback.id}:remit"
        self.act(path, {"document": self.document()}, lambda model, _: model.remit(clawback, version=version), version=version)

    # Two people move and correct.

    def free_pools(self) -> list[Account]:
        return [each for each, held in self.model.fen.items() if each.name == AVAILABLE and held]

    def make_transfer(self, pick: int, *, other: int, fen: int, dry_run: bool) -> None:
        sources = self.free_pools()
        source, (line, place) = chosen(sources, pick), POOLS[other % len(POOLS)]
        target = source._replace(line=line, place=place)
        fen = self.model.fen[source] if other > 200 else fen
        body = {"fiscal_year": source.year, "origin_year": source.origin, "from_line_id": source.line, "from_jurisdiction_id": source.place}
        body |= {"to_line_id": line, "to_jurisdiction_id": place, "amount_fen": fen, "document": self.document(), "reason": "调整"}
        self._make("/v1/transfers", body, Draft("finance", fen, source, target), dry_run=dry_run)

    def reverse(self, pick: int, *, fen: int | None) -> None:
        before = len(self.model.drafts)
        self.make_reversal(pick % 3 + 1, fen=fen)
        for draft in self.model.drafts[before:]:
            self._decide_draft(draft, step="approve", auth=FINANCE_2, version=draft.version)

    def make_reversal(self, pick: int, *, fen: int | None) -> None:
        meant = [seq for seq, row in enumerate(self.model.journal, 1) if row.kind in ("appropriate", "allot", "transfer")]
        last = len(self.model.journal)
        # Now and then a row that is not there, or one of any kind.
        seq = last + 1 if pick == 255 else 1 + pick % last if pick % 8 == 0 or not meant else chosen(meant[-3:], pick)
        asked = fen or (self.model.journal[seq - 1].fen if seq <= len(self.model.journal) else 1)
        body = {"reverses_seq": seq, "amount_fen": asked, "document": self.document(), "reason": "填写有误"}
        self._make("/v1/reversals", body, Draft("finance", asked, reverses_seq=seq), dry_run=False)

    def _make(self, path: str, body: dict[str, Any], draft: Draft, *, dry_run: bool) -> None:
        answer = self.act(path, body, lambda model, made: model.make_draft(made), about=draft, dry_run=dry_run)
        if answer is not None and not dry_run:
            draft.id = answer["id"]

    def decide_draft(self, pick: int, *, step: str, same_person: bool, stale: bool, dry_run: bool) -> None:
        draft, auth = chosen(self.model.drafts, pick), FINANCE if same_person else FINANCE_2
        self._decide_draft(draft, step=step, auth=auth, version=draft.version + stale, dry_run=dry_run and step == "approve")

    def _decide_draft(self, draft: Draft, *, step: str, auth: Staff, version: int, dry_run: bool = False) -> None:
        does = Model.approve_draft if step == "approve" else Model.reject_draft
        path = f"/v1/{'reversals' if draft.reverses_seq else 'transfers'}/{draft.id}:{step}"
        decide = lambda model, about: does(model, about, caller=NAMES[auth], version=version)  # noqa: E731
        self.act(path, None, decide, about=draft, auth=auth, version=version, dry_run=dry_run)
