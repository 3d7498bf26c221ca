"""The acts of the machine about money that comes and awards that it is for: one by one, in batches, by events, and what comes too early or twice."""

import copy
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from shared.events.applications import AwardConfirmed, AwardsProposed, ReleaseRequested
from tests.integration.budget import acting
from tests.integration.budget.machine_books import Case, Refused
from tests.integration.budget.machine_judge import Judge, chosen
from tests.integration.budget.machine_paper_model import PaperModel
from tests.integration.budget.machine_world import FIRST_DAY, World

AWARDS_MAX = 1_000
LINES, PLACES = ("2023-15/7n", "2023-15/2", "2023-15/99"), ("huancui", "wendeng")
POOLS = ((None, None), ("2023-15/7n", None), ("2023-15/7n", "huancui"), ("2023-15/2", None), (None, "huancui"))


def named(case: Case) -> acting.Case:
    return acting.Case(case.application, case.proposal, case.fen)


def _reservation(awards: list[Case], *, year: int) -> dict[str, Any]:
    rows = [
        {
            "application_id": str(case.application),
            "case_number": f"P-{case.application.hex[-8:]}",
            "applicant_uscc": case.uscc,
            "line_id": case.line,
            "jurisdiction_id": case.place,
            "amount_fen": case.fen,
        }
        for case in awards
    ]
    return {"policy_id": "2023-15", "fiscal_year": year, "awards": rows}


def refuse(refused: Refused) -> None:
    raise refused


class AwardActs(Judge):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.proposals: list[AwardsProposed] = []

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
        self._reserve(awards, year=year, mode=mode)

    def reserve_many(self, pick: int, *, size: int, mode: str) -> None:
        """A batch; now and then one that is as large as may be, or one award larger."""
        size = (AWARDS_MAX + pick % 2) if size == AWARDS_MAX else size
        year, fens = self.model.today.year, (1, 30, 700) if mode == "atomic" else (700, 25_000, 100)
        first = self.count << 64
        awards = [
            Case(uuid.UUID(int=first + place), self._next_proposal(), year, LINES[place % 9 // 8], PLACES[place % 2], fens[place % 3], rank=0)
            for place in range(size)
        ]
        if self.model.cases and pick % 4 == 3:
            awards[pick % size] = self._award(9, year=year, fen=700)
        self._reserve(awards, year=year, mode=mode)

    def _reserve(self, awards: list[Case], *, year: int, mode: str) -> None:
        path, body = "/v1/reservations", _reservation(awards, year=year)
        is_twice = len({case.application for case in awards}) < len(awards)
        if mode == "event":
            if not is_twice and len(awards) <= AWARDS_MAX:
                self._propose(awards, year=year)
        elif len(awards) > AWARDS_MAX or is_twice:
            refused = Refused(422, "named-twice") if is_twice else Refused(422, "invalid")
            self.act(f"{path}?atomic=true" if mode == "atomic" else path, body, lambda *_: refuse(refused), dry_run=mode == "dry_run")
        elif mode == "single":
            answer = self.act(path, body, lambda model, _: model.propose(awards))
            assert answer is not None
            self._compare(answer, awards)
        else:
            self._all_or_none(awards, body, mode=mode)

    def _award(self, pick: int, *, year: int, fen: int) -> Case:
        """Mostly a new case; now and then one that is known."""
        known = [case.application for case in self.model.cases]
        application = chosen(known, pick) if known and pick % 10 == 9 else uuid.UUID(int=(self.count << 64) + pick)
        return Case(application, self._next_proposal(), year, LINES[(pick % 12) // 5], PLACES[pick % 2], fen, rank=0)

    def _next_proposal(self) -> uuid.UUID:
        return uuid.UUID(int=self.count + 1)

    def _all_or_none(self, awards: list[Case], body: dict[str, Any], *, mode: str) -> None:
        """Sent with `atomic`, or only rehearsed: the answer of each award is that of the model in both."""
        foreseen_model, foreseen = copy.deepcopy((self.model, awards))
        statuses = list(foreseen_model.propose(foreseen).values())

        def decide(model: PaperModel, cases: list[Case]) -> None:
            if mode == "atomic" and statuses != ["reserved"] * len(awards):
                raise Refused(409, "not-all-reserved", "insufficient-budget")
            model.propose(cases)

        if mode == "atomic":
            answer = self.act("/v1/reservations?atomic=true", body, decide, about=awards)
            if answer is not None:
                self._compare(answer, awards)
            return
        rehearsed = self.act("/v1/reservations", body, decide, about=awards, dry_run=True)
        assert rehearsed is not None
        assert {each["application_id"]: each["status"] for each in rehearsed["results"]} == {str(each.application): each.state for each in foreseen}

    def _compare(self, answer: dict[str, Any], awards: list[Case]) -> None:
        assert {each["application_id"]: each["status"] for each in answer["results"]} == {str(case.application): case.state for case in awards}
        query = "SELECT proposal_id FROM budget.reservation WHERE application_id = $1 ORDER BY place DESC LIMIT 1"
        # All of one call are of one proposal.
        proposal = self.world.value(query, awards[0].application)
        for case in awards:
            case.proposal = proposal

    def _propose(self, awards: list[Case], *, year: int) -> None:
        proposed = [
            acting.award(case.fen, line_id=case.line, application_id=case.application, jurisdiction_id=case.place, uscc=case.uscc) for case in awards
        ]
        event = acting.proposed(*proposed, proposal_id=awards[0].proposal, fiscal_year=year)
        self.proposals.append(event)
        self._hear(event, lambda: self.model.propose(awards))

    def propose_again(self, pick: int) -> None:
        """An order that is heard a second time has its answer already."""
        if self.proposals:
            self._hear(chosen(self.proposals, pick), lambda: None)

    def _hear(self, event: AwardsProposed | ReleaseRequested | AwardConfirmed, does: Callable[[], object]) -> None:
        self.count += 1
        happened_at = datetime.combine(self.model.today, FIRST_DAY.timetz())
        self.world.hear(event.model_copy(update={"happened_at": happened_at, "happened_on": self.model.today}))
        does()
        self.look()

    def release(self, pick: int) -> None:
        """One in three gives money back or leaves the list; the others come too late, or again."""
        held, done = self.of("reserved", "waiting"), self.of("in_transit", "paid", "released", "refused")
        if cases := (held if pick % 3 == 0 else done) or self.model.cases:
            case = chosen(cases, pick)
            self._hear(acting.release_of(named(case)), lambda: self.model.release(case))

    def release_early(self, pick: int) -> None:
        """Before its proposal; now and then a second time, and now and then of a case that has another proposal."""
        if pick % 4 == 3 and self.model.early:
            application, proposal = chosen(self.model.early, pick)
            self._hear(acting.release_of(acting.Case(application, proposal, 1)), lambda: None)
            return
        application = self._award(pick, year=2024, fen=1).application
        early = (application, self._next_proposal())
        self._hear(acting.release_of(acting.Case(*early, 1)), lambda: self.model.early.append(early))

    def propose_late(self, pick: int) -> None:
        """What was released before it came, with others that were not."""
        if not self.model.early:
            return
        application, proposal = chosen(self.model.early, pick)
        year = self.model.today.year
        late = Case(application, proposal, year, LINES[pick % 3], PLACES[pick % 2], 700, rank=0)
        other = Case(uuid.UUID(int=(self.count << 64) + 1), proposal, year, LINES[0], PLACES[0], 700, rank=0)
        self._propose([[late], [late, other], [other, late]][pick % 3], year=year)

    def of(self, *states: str) -> list[Case]:
        return [case for case in self.model.cases if case.state in states]
