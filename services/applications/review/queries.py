"""What the decisions of one call are judged by, read once for all its cases."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from services.applications.application.commands import Case, lock_cases
from services.applications.application.tables import application
from services.applications.item.rules import Applicant, Park
from services.applications.known import queries as known
from services.applications.matter.rules import Document
from services.applications.policy.catalogue import Decider
from services.applications.review.rules import Decision, Verdict
from services.applications.review.tables import decision
from shared.db import Tx


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Cases under lock, the decisions that stand on them, their evidence, and what the registry told."""

    cases: Mapping[UUID, Case]
    earlier: Mapping[UUID, Sequence[Decision]]
    documents: Mapping[UUID, Sequence[Document]]
    applicants: Mapping[str, Applicant]
    parks: Mapping[str, Park]


async def facts_for(tx: Tx, *, ids: Sequence[UUID]) -> Facts:
    cases = await lock_cases(tx, ids=ids)
    evidence = await tx.execute(select(application.c.id, application.c.content["evidence"].label("evidence")).where(application.c.id.in_(ids)))
    return Facts(
        cases=cases,
        earlier=await standing_decisions(tx, ids=ids),
        documents={row.id: [Document(kind=each["kind"], sha256=each["sha256"]) for each in row.evidence or []] for row in evidence},
        applicants=await known.applicants(tx, usccs={case.applicant_uscc for case in cases.values()}),
        parks=await known.parks(tx, park_codes={case.park_code for case in cases.values() if case.park_code is not None}),
    )


async def standing_decisions(tx: Tx, *, ids: Sequence[UUID]) -> dict[UUID, list[Decision]]:
    """All decisions of all rounds; of one that was taken anew only the newest."""
    newest: dict[UUID, dict[tuple[int, str, str], Decision]] = defaultdict(dict)
    for row in await tx.execute(select(decision).where(decision.c.application_id.in_(ids)).order_by(decision.c.id)):
        newest[row.application_id][row.round, row.stage, row.decider] = Decision(
            round=row.round,
            stage=row.stage,
            decider=Decider(row.decider),
            officer=row.officer,
            verdict=Verdict(row.verdict),
            reason=row.reason,
            amount_fen=row.amount_fen,
        )
    return {application_id: list(each.values()) for application_id, each in newest.items()}
