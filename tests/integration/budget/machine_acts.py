"""The acts of the machine, each of them one call or one event or a short way of several."""

import copy
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from shared.events.applications import AwardConfirmed, AwardsProposed, ReleaseRequested
from tests.building import Staff
from tests.integration.budget import acting
from tests.integration.budget.acting import ACCOUNT_NUMBER, USCC
from tests.integration.budget.machine_books import AVAILABLE, LIVE, Account, Case, Freeze, Refused
from tests.integration.budget.machine_judge import FINANCE, Judge, chosen, person
from tests.integration.budget.machine_matters import Clawback, Draft, Late, Order
from tests.integration.budget.machine_model import Model
from tests.integration.budget.machine_world import FIRST_DAY

LINES, PLACES = ("2023-15/7n", "2023-15/2", "2023-15/99"), ("huancui", "wendeng")
POOLS = ((None, None), ("2023-15/7n", None), ("2023-15/7n", "huancui"), ("2023-15/2", None), (None, "huancui"))
FINANCE_2, DECIDER = person("finance-2", "city-finance"), person("approver-2", "money-approver")
MAKER, CHECKER, APPROVER = person("maker-1", "money-maker"), person("checker-1", "money-checker"), person("approver-1", "money-approver")
EVERYBODY = person("everybody", "city-finance", "money-maker", "money-checker", "money-approver")
NAMES = {FINANCE: "finance", FINANCE_2: "finance-2", MAKER: "maker", CHECKER: "checker", APPROVER: "approver", DECIDER: "decider"}
NAMES[EVERYBODY] = "everybody"


def _named(case: Case) -> acting.Case:
    return acting.Case(case.application, case.proposal, case.fen)


def _reservation(awards: list[Case], *, year: int) -> dict[str, Any]:
    rows = [
        {
            "application_id": str(case.application),
            "case_number": f"P-{case.application.hex[-8:]}",
            "applicant_uscc": USCC,
            "line_id": case.line,
            "jurisdiction_id": case.place,
            "amount_fen": case.fen,
        }
        for case in awards
    ]
    return {"policy_id": "2023-15", "fiscal_year": year, "awards": rows}


class Acts(Judge):
    # Money in, and pools.

    def document(self) -> str:
        return f"文〔2024〕{self.count + 1}号"

    def appropriate(self, *, year: int, fen: int) -> None:
        body = {"fiscal_year": year, "amount_fen": fen, "document": self.document(), "approved_on": self.model.today.isoformat()}
        self.act("/v1/appropriations", body, lambda model, _: model.appropriate(year=year, fen=fen))

    def allot(self, pick: int, *, fen: int, dry_run: bool) -> None:
        year = self.model.today.year - pick % 2
        line, place = POOLS[pick // 2 % len(POOLS)]
        body = {"fiscal_year": year, "line_id": line, "jurisdiction_id": place, "amount_fen": fen, "document": self.document()}
        body |= {"approved_on": self.model.today.isoformat()}
        self.act("/v1/allotments", body, lambda model, _: model.allot(year=year, line=line, place=place, fen=fen), dry_run=dry_run)

    # Awards.

    def reserve(self, pick: int, *, fens: list[int], mode: str) -> None:
        year = max(2024, self.model.today.year - (pick % 8 == 7) + (pick % 32 == 8))
        awards = [self._award(pick // 3 + place, year=year, fen=fen) for place, fen in enumerate(fens)]
        if len({case.application for case in awards}) < len(awards):
            return
        if mode == "event":
            self._propose(awards, year=year)
        elif mode == "single":
            answer = self.act("/v1/reservations", _reservation(awards, year=year), lambda model, _: model.propose(awards))
            assert answer is not None
            self._compare(answer, awards)
        else:
            self._all_or_none(awards, year=year, mode=mode)

    def _award(self, pick: int, *, year: int, fen: int) -> Case:
        """Mostly a new case; now and then one that is known."""
        known = [case.application for case in self.model.cases]
        application = chosen(known, pick) if known and pick % 10 == 9 else uuid.UUID(int=(self.count << 64) + pick)
        return Case(application, uuid.UUID(int=self.count + 1), year, LINES[(pick % 12) // 5], PLACES[pick % 2], fen, rank=0)

    def _all_or_none(self, awards: list[Case], *, year: int, mode: str) -> None:
        """Sent with `atomic`, or only rehearsed: the answer of each award is that of the model in both."""
        foreseen_model, foreseen = copy.deepcopy((self.model, awards))
        statuses = list(foreseen_model.propose(foreseen).values())

        def decide(model: Model, cases: list[Case]) -> None:
            if mode == "atomic" and statuses != ["reserved"] * len(awards):
                raise Refused(409, "not-all-reserved", "insufficient-budget")
            model.propose(cases)

        if mode == "atomic":
            answer = self.act("/v1/reservations?atomic=true", _reservation(awards, year=year), decide, about=awards)
            if answer is not None:
                self._compare(answer, awards)
            return
        rehearsed = self.act("/v1/reservations", _reservation(awards, year=year), decide, about=awards, dry_run=True)
        assert rehearsed is not None
        assert {each["application_id"]: each["status"] for each in rehearsed["results"]} == {str(each.application): each.state for each in foreseen}

    def _compare(self, answer: dict[str, Any], awards: list[Case]) -> None:
        assert {each["application_id"]: each["status"] for each in answer["results"]} == {str(case.application): case.state for case in awards}
        query = "SELECT proposal_id FROM budget.reservation WHERE application_id = $1 ORDER BY place DESC LIMIT 1"
        for case in awards:
            case.proposal = self.world.value(query, case.application)

    def _propose(self, awards: list[Case], *, year: int) -> None:
        proposed = [acting.award(case.fen, line_id=case.line, application_id=case.application, jurisdiction_id=case.place) for case in awards]
        event = acting.proposed(*proposed, proposal_id=awards[0].proposal, fiscal_year=year)
        self._hear(event, lambda: self.model.propose(awards))

    def _hear(self, event: AwardsProposed | ReleaseRequested | AwardConfirmed, does: Callable[[], object]) -> None:
        self.count += 1
        happened_at = datetime.combine(self.model.today, FIRST_DAY.timetz())
        self.world.hear(event.model_copy(update={"happened_at": happened_at, "happened_on": self.model.today}))
        does()
        self.look()

    def release(self, pick: int) -> None:
        if self.model.cases:
            case = chosen(self.model.cases, pick)
            self._hear(acting.release_of(_named(case)), lambda: self.model.release(case))

    # Payments.

    def of(self, *states: str) -> list[Case]:
        return [case for case in self.model.cases if case.state in states]

    def confirm(self, pick: int, *, wrong: bool) -> None:
        cases = [case for case in self.of(*LIVE) if case.awarded_fen is None]
        if cases:
            case = chosen(cases, pick)
            case.awarded_fen = case.fen + wrong
            self._hear(acting.confirmation_of(_named(case), amount_fen=case.awarded_fen), lambda: None)

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
        auth = EVERYBODY if everybody else APPROVER if step == "approve" else CHECKER
        version = order.version + stale
        does = {"check": Model.check_order, "approve": Model.approve_order, "reject": Model.reject_order}[step]
        body = {"check": {"account_number": ACCOUNT_NUMBER}, "approve": None, "reject": {"reason": "户名不符"}}[step]
        path = f"/v1/payment-orders/{order.id}:{step}"
        answer = self.act(path, body, lambda model, _: does(model, order, caller=NAMES[auth], version=version), auth=auth, version=version)
        if answer is not None:
            assert (answer["state"], answer["version"], answer["bank_reference"] or "") == (order.state, order.version, order.reference)

    def order_whole(self, pick: int) -> None:
        if not (cases := self.of("reserved")):
            return
        case = chosen(cases, pick)
        if case.awarded_fen is None:
            case.awarded_fen = case.fen
            self._hear(acting.confirmation_of(_named(case)), lambda: None)
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
            settled_on = order.ordered_on
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
        reference, outcome, on = key = chosen(list(self.model.unreconciled), pick)
        query = "SELECT id FROM budget.bank_confirmation WHERE status = 'reconcile' AND (bank_reference, outcome, settled_on) = ($1, $2, $3)"
        found = self.world.value(query, reference, outcome, on)
        version = 1 if self.model.unreconciled[key] else 2
        path = f"/v1/bank-confirmations/{found}:settle"
        self.act(path, {"reason": "已与银行核对"}, lambda model, _: model.settle(key), version=version)

    def decide_late(self, pick: int, *, outcome: str, everybody: bool, stale: bool) -> None:
        late = chosen(self.model.lates, pick)
        self._decide_late(late, outcome=outcome, auth=EVERYBODY if everybody else APPROVER, version=late.version + stale)

    def _decide_late(self, late: Late, *, outcome: str, auth: Staff, version: int) -> None:
        query = """
            SELECT id FROM budget.late_payment l JOIN budget.bank_confirmation b ON b.id = l.bank_confirmation_id
            WHERE (bank_reference, settled_on) = ($1, $2)
        """
        path = f"/v1/late-payments/{self.world.value(query, late.order.reference, late.settled_on)}:decide"
        does = lambda model, _: model.decide_late(late, outcome=outcome, caller=NAMES[auth], version=version)  # noqa: E731
        self.act(path, {"outcome": outcome, "reason": "经与银行核实"}, does, auth=auth, version=version)

    # Recovery.

    def order_clawback(self, pick: int, *, fen: int, dry_run: bool) -> None:
        order = chosen([order for order in self.model.orders if order.state == "paid"] or self.model.orders, pick)
        fen = order.case.fen if pick > 200 else fen
        body = {"payment_order_id": order.id, "amount_fen": fen, "document": self.document(), "reason": "项目未实施"}
        made: list[Clawback] = []
        answer = self.act("/v1/clawbacks", body, lambda model, of: made.append(model.order_clawback(of, fen=fen)), about=order, dry_run=dry_run)
        if answer is not None and not dry_run:
            made[0].id = answer["id"]

    def receive(self, pick: int, *, fen: int, stale: bool, early: bool) -> None:
        clawback = chosen(self.model.clawbacks, pick)
        fen = clawback.ordered_fen - clawback.received_fen or fen if pick > 127 else fen
        on = date(2024, 9, 1) if early else self.model.today
        body = {"amount_fen": fen, "received_on": on.isoformat(), "bank_reference": f"R{self.count}"}
        version = clawback.version + stale
        does = lambda model, _: model.receive(clawback, fen=fen, received_on=on, version=version)  # noqa: E731
        self.act(f"/v1/clawbacks/{clawback.id}:receive", body, does, version=version)

    def remit(self, pick: int, *, stale: bool) -> None:
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

    # Orders to stop, and the end of a year.

    def freeze(self, pick: int) -> None:
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
            self.model.today = date(self.model.today.year + 1, 1, 5)
            self.world.move_to(datetime.combine(self.model.today, FIRST_DAY.timetz()))

    def close_year(self, year: int, *, dry_run: bool = False) -> None:
        body = {"fiscal_year": year, "document": self.document()}
        if not dry_run:
            self.act("/v1/year-closes", body, lambda model, _: model.close_year(year))
            return
        foreseen = self.model.obstacles(year)

        def preview(model: Model, _: object) -> None:
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
        for frozen in self.model.in_force():
            self._lift(frozen)
        for late in [late for late in self.model.lates if late.outcome is None]:
            self._decide_late(late, outcome="bank_error", auth=DECIDER, version=late.version)
        for order in [order for order in self.model.orders if order.case.year == year]:
            if order.state in ("made", "checked"):
                self._step(order, step="reject")
            elif order.state == "in_transit":
                self._bank(order.reference, "paid", self.model.today)
        for clawback in [each for each in self.model.clawbacks if each.to_remit_fen and each.order.case.year == year]:
            self._remit(clawback)
        for draft in [draft for draft in self.model.drafts if draft.state == "made"]:
            self._decide_draft(draft, step="reject", auth=FINANCE_2, version=draft.version)
        for place, is_open in enumerate(reversed(self.model.unreconciled.values())):
            if is_open:
                self.settle(place)
        for case in self.of("reserved"):
            if case.year == year and any(pool.origin < year for pool, _ in case.drawn()):
                self._hear(acting.release_of(_named(case)), lambda released=case: self.model.release(released))
        self.close_year(year)
