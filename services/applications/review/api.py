"""Decisions over HTTP: acceptance and the review stages, for officers and for district systems that name theirs."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from services.applications.intake.commands import Ground
from services.applications.policy.in_use import catalogue
from services.applications.review import commands
from services.applications.review.commands import Answer, Asked
from services.applications.review.rules import DECISIONS_PER_CALL_MAX, OfficerMissing, Verdict
from shared.auth import may
from shared.caller import Caller
from shared.idempotency import Once
from shared.web import Live, Wire, problem_of_row, router

reviews = router("reviews")

DECISION_EXAMPLE: dict[str, Any] = {
    "application_id": "01994e6e-7c1a-7000-8000-000000000001",
    "stage": "joint",
    "verdict": "approve",
    "reason": "材料齐全，符合条件",
    "amount_fen": 4_000_000,
}


class TakeDecision(Wire):
    """`stage` is acceptance, district, city or joint; only the joint stage sets the sum. Refusing and returning need a reason."""

    application_id: UUID
    stage: str = Field(max_length=40)
    verdict: Verdict
    reason: str | None = Field(default=None, max_length=2_000)
    amount_fen: int | None = Field(default=None, strict=True, le=10**15)

    def asked(self) -> Asked:
        return Asked(application_id=self.application_id, stage=self.stage, verdict=self.verdict, reason=self.reason, amount_fen=self.amount_fen)


class TakeDecisions(Wire):
    """Up to 300 decisions, each judged by itself. At the joint stage their order is the rank in which the budget serves the cases."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decisions": [DECISION_EXAMPLE], "officer": "hc-0012"}]})

    decisions: list[TakeDecision] = Field(min_length=1, max_length=DECISIONS_PER_CALL_MAX)
    # A system names the officer who decided; that person counts for "nobody twice". Staff are known by their token.
    officer: str | None = Field(default=None, min_length=1, max_length=60, pattern=r"^[A-Za-z0-9._-]+$")


class DecisionResult(BaseModel):
    index: int
    status: str
    application_id: UUID
    case_number: str | None = None
    version: int | None = None
    state: str | None = None
    stage: str | None = None
    problem: dict[str, Any] | None = None

    @classmethod
    def of(cls, answer: Answer, *, index: int) -> "DecisionResult":
        if answer.refusal is not None:
            told = problem_of_row(answer.refusal, place=f"/decisions/{index}")
            return cls(index=index, status="refused", application_id=answer.application_id, problem=told)
        assert answer.case is not None
        case = answer.case
        return cls(
            index=index,
            status="decided",
            application_id=case.id,
            case_number=case.case_number,
            version=case.version,
            state=case.state,
            stage=case.stage,
        )


class DecisionResults(BaseModel):
    results: list[DecisionResult]


@reviews.post("/v1/reviews", response_model=DecisionResults, summary="Decide on up to 300 cases | 提交受理与审核意见（最多300条）")
async def take_decisions(body: TakeDecisions, caller: Annotated[Caller, may("reviews:decide")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        answers = await commands.take_decisions(
            tx,
            [each.asked() for each in body.decisions],
            ground=Ground(catalogue=catalogue(), calendar=live.calendar, city=live.city),
            caller=caller,
            officer=officer_of(caller, named=body.officer),
            moment=live.now(),
        )
        results = [DecisionResult.of(each, index=index) for index, each in enumerate(answers)]
        return await once.keep(tx, DecisionResults(results=results), status=200)


def officer_of(caller: Caller, *, named: str | None) -> str:
    """The person who decides: the token's, or the one whom a system names."""
    if caller.kind == "staff":
        return caller.id
    if named is None:
        raise OfficerMissing("Name the officer who decided.", detail_zh="请注明作出审核意见的工作人员。", pointer="/officer")
    return f"{caller.id}#{named}"
