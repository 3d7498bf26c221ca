"""Decisions over HTTP: acceptance and the review stages, for officers and for district systems that name theirs."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.applications.intake.commands import Ground
from services.applications.matter.api import SameMatterView
from services.applications.policy.in_use import catalogue
from services.applications.review import commands
from services.applications.review.commands import Answer, Asked
from services.applications.review.rules import DECISIONS_PER_CALL_MAX, REASON_CHARS_MAX, Verdict, officer_of
from services.applications.wire import MinutesNumber, OfficerName
from shared.auth import may
from shared.caller import Caller
from shared.errors import Refusal
from shared.idempotency import Once
from shared.money import Fen
from shared.told import ToldAs
from shared.web import Live, Wire, invalid, problem_of_row, router

reviews = router("reviews")

DECISION_EXAMPLE: dict[str, Any] = {
    "application_id": "01994e6e-7c1a-7000-8000-000000000001",
    "stage": "joint",
    "verdict": "approve",
    "reason": "材料齐全，符合条件",
    "amount_fen": 4_000_000,
    "minutes_number": "联审纪要〔2025〕9号",
}


class TakeDecision(Wire):
    """`stage` is acceptance, district, city or joint; only the joint stage sets the sum and has minutes. Refusing and returning need a reason."""

    application_id: UUID
    stage: str = Field(max_length=40)
    verdict: Verdict
    reason: str | None = Field(default=None, max_length=REASON_CHARS_MAX)
    amount_fen: Fen | None = None
    minutes_number: MinutesNumber | None = Field(default=None, description="Of the minutes of the joint review | 联审会议纪要文号")

    def asked(self) -> Asked:
        return Asked(
            application_id=self.application_id,
            stage=self.stage,
            verdict=self.verdict,
            reason=self.reason,
            amount_fen=self.amount_fen,
            minutes_number=self.minutes_number,
        )


class TakeDecisions(Wire):
    """Up to 300 decisions, each read and judged by itself. At the joint stage their order is the rank in which the budget serves the cases."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decisions": [DECISION_EXAMPLE], "officer": "hc-0012"}]})

    decisions: list[Annotated[Any, ToldAs(TakeDecision)]] = Field(min_length=1, max_length=DECISIONS_PER_CALL_MAX)
    officer: OfficerName | None = Field(
        default=None, description="Systems name the officer who decided; staff leave it out | 系统报送须填写，工作人员勿填"
    )


class DecisionResult(BaseModel):
    index: int
    status: Literal["decided", "refused"]
    application_id: UUID | None = None
    case_number: str | None = None
    version: int | None = None
    state: str | None = None
    stage: str | None = None
    same_matters: list[SameMatterView] = []
    problem: dict[str, Any] | None = None

    @classmethod
    def of(cls, answer: Answer, *, index: int) -> "DecisionResult":
        if answer.refusal is not None:
            return cls.refused(answer.refusal, index=index, application_id=answer.application_id)
        assert answer.case is not None
        case = answer.case
        compared = catalogue().policy(case.policy_id).compared_lines_on(case.filed_on)
        return cls(
            index=index,
            status="decided",
            application_id=case.id,
            case_number=case.case_number,
            version=case.version,
            state=case.state,
            stage=case.stage,
            same_matters=[SameMatterView.of(each, clause=compared.clause) for each in answer.same_matters],
        )

    @classmethod
    def refused(cls, refusal: Refusal, *, index: int, application_id: UUID | None = None) -> "DecisionResult":
        return cls(index=index, status="refused", application_id=application_id, problem=problem_of_row(refusal, place=f"/decisions/{index}"))


class DecisionResults(BaseModel):
    """One result a decision, in the order of the decisions."""

    results: list[DecisionResult]


@reviews.post("/v1/reviews", response_model=DecisionResults, summary="Decide on up to 300 cases | 提交受理与审核意见（最多300条）")
async def take_decisions(body: TakeDecisions, caller: Annotated[Caller, may("reviews:decide")], once: Once, live: Live) -> Response:
    async with live.transaction() as tx:
        if (answer := await once.first_answer(tx)) is not None:
            return answer
        readable, results = _read(body.decisions)
        answers = await commands.take_decisions(
            tx,
            list(readable.values()),
            ground=Ground(catalogue=catalogue(), calendar=live.calendar, city=live.city),
            caller=caller,
            officer=officer_of(caller, named=body.officer),
            moment=live.now(),
        )
        for index, each in zip(readable, answers, strict=True):
            results[index] = DecisionResult.of(each, index=index)
        return await once.keep(tx, DecisionResults(results=[results[index] for index in range(len(body.decisions))]), status=200)


def _read(decisions: Sequence[Any]) -> tuple[dict[int, Asked], dict[int, DecisionResult]]:
    """The decisions that could be read, by index, and the answers of the others."""
    readable: dict[int, Asked] = {}
    results: dict[int, DecisionResult] = {}
    for index, raw in enumerate(decisions):
        try:
            readable[index] = _DECISION.validate_python(raw).asked()
        except ValidationError as error:
            results[index] = DecisionResult.refused(invalid(error.errors()), index=index)
    return readable, results


_DECISION = TypeAdapter(TakeDecision)
