"""How an act of the machine is judged: predicted by the model, sent to the budget, and compared; what is refused leaves every row as it was."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from tests.building import EVERYWHERE, Staff, staff_token
from tests.integration.budget.machine_books import Refused
from tests.integration.budget.machine_paper_model import PaperModel
from tests.integration.budget.machine_world import FIRST_DAY, State, World

A_DAY_S = 86_400
T = TypeVar("T")


def person(name: str, *roles: str, jurisdictions: Sequence[str] = EVERYWHERE) -> Staff:
    return Staff(staff_token(name, roles=roles, jurisdictions=jurisdictions, valid_s=A_DAY_S))


FINANCE, AUDITOR = person("finance-1", "city-finance"), person("auditor-1", "auditor")
FINANCE_2, DECIDER = person("finance-2", "city-finance"), person("approver-2", "money-approver")
MAKER, CHECKER, APPROVER = person("maker-1", "money-maker"), person("checker-1", "money-checker"), person("approver-1", "money-approver")
EVERYBODY = person("everybody", "city-finance", "money-maker", "money-checker", "money-approver")
DISTRICTS = {place: person(f"district-{place}", "district-finance", jurisdictions=[place]) for place in ("huancui", "wendeng")}
NAMES = {FINANCE: "finance", FINANCE_2: "finance-2", MAKER: "maker", CHECKER: "checker", APPROVER: "approver", DECIDER: "decider"}
NAMES |= {EVERYBODY: "everybody"} | {auth: place for place, auth in DISTRICTS.items()}


@dataclass(frozen=True)
class Sent:
    """A call that was answered for good."""

    path: str
    body: dict[str, Any] | None
    auth: Staff
    version: int | None
    key: str
    content: bytes


def chosen(items: Sequence[T], pick: int) -> T:
    """The newest first: what was just begun is what a rule most often goes on with."""
    return items[-1 - pick % len(items)]


class Judge:
    def __init__(self, world: World) -> None:
        self.world = world
        self.model = PaperModel(today=FIRST_DAY.date())
        self.state: State = world.state()
        self.answered: list[Sent] = []
        self.count = 0

    def act(
        self,
        path: str,
        body: dict[str, Any] | None,
        does: Callable[[PaperModel, Any], object],
        *,
        about: object = None,
        auth: Staff = FINANCE,
        version: int | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any] | None:
        """Its answer, also of a dry run; None when it was refused, as the model said it would be."""
        self.count += 1
        sent = Sent(f"{path}?dry_run=true" if dry_run else path, body, auth, version, f"call-{self.count}", b"")
        answer = self._send(sent)
        model, subject = copy.deepcopy((self.model, about)) if dry_run else (self.model, about)
        try:
            does(model, subject)
        except Refused as refused:
            self._compare_refusal(answer, refused)
            return None
        assert answer.status_code in (200, 201), f"{path}: {answer.status_code} {answer.text}"
        if dry_run:
            self.assert_untouched()
            return dict(answer.json())
        self.answered.append(Sent(sent.path, body, auth, version, sent.key, answer.content))
        self.look()
        return dict(answer.json())

    def _compare_refusal(self, answer: httpx.Response, refused: Refused) -> None:
        assert (answer.status_code, answer.json().get("code")) in [(refused.status, code) for code in refused.codes], f"{refused}, not {answer.text}"
        assert {name: answer.json().get(name) for name in refused.told} == refused.told, answer.text
        self.assert_untouched()

    def _send(self, sent: Sent) -> httpx.Response:
        return self.world.post(sent.path, sent.body, auth=sent.auth, key=sent.key, version=sent.version)

    def look(self) -> None:
        """The books hold what the model holds."""
        self.state = self.world.state()
        assert self.state.balances == self.model.shown()
        assert self.state.last_seq == len(self.model.journal)
        self.assert_conserved()

    def assert_untouched(self) -> None:
        now = self.world.state()
        assert now == self.state, [(before, after) for before, after in zip(self.state.kept, now.kept, strict=True) if before != after]

    def assert_conserved(self) -> None:
        """What came in is what is held anywhere, and nothing is below zero."""
        debits = sum(fen for account, fen in self.state.balances.items() if "来源:年度批复" in account or "支付:上年追回" in account)
        assert debits * 2 == sum(self.state.balances.values())
        assert min(self.state.balances.values(), default=0) >= 0

    def assert_books_verify(self) -> None:
        """Row by row what the model booked, with numbers that follow on, and good for the verifier of outsiders."""
        assert self.world.journal() == [tuple(row) for row in self.model.journal]
        assert self.world.verify(auth=AUDITOR) == len(self.model.journal)
        held = self.world.run(self.world.eye.fetch("SELECT application_id, proposal_id, state FROM budget.reservation"))
        expected = {(case.application, case.proposal): case.state for case in self.model.cases} | dict.fromkeys(self.model.early, "released_early")
        assert {(each["application_id"], each["proposal_id"]): each["state"] for each in held} == expected

    def repeat(self, pick: int) -> None:
        """The same key and the same content: the first answer, byte for byte, and nothing done again."""
        sent = chosen(self.answered, pick)
        answer = self._send(sent)
        assert (answer.content, answer.headers["idempotency-replayed"]) == (sent.content, "true"), f"{answer.status_code} {answer.text}"
        self.assert_untouched()

    def reuse_key(self, pick: int) -> None:
        sent = chosen(self.answered, pick)
        answer = self.world.post_spaced(sent.path, sent.body, auth=sent.auth, key=sent.key, version=sent.version)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused"), answer.text
        self.assert_untouched()
