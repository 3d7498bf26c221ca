"""What the decisions of one call are judged by, read once for all its cases."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select, text

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
            minutes_number=row.minutes_number,
        )
    return {application_id: list(each.values()) for application_id, each in newest.items()}


@dataclass(frozen=True, kw_only=True)
class Minutes:
    """Where the record of the review that set a sum is found: its last decision, and the number of its minutes if a side gave one."""

    decision_id: int
    stage: str
    decided_on: date
    number: str | None


# Only the joint stage's approvals have a sum. Of one that was taken anew the newest stands; the last one of all let the case pass.
_MINUTES = text("""
WITH standing AS (
    SELECT DISTINCT ON (application_id, round, stage, decider) application_id, round, stage, id, "on", minutes_number
    FROM decision WHERE application_id = ANY(CAST(:ids AS uuid[])) AND amount_fen IS NOT NULL
    ORDER BY application_id, round, stage, decider, attempt DESC
)
SELECT DISTINCT ON (s.application_id) s.application_id, s.id AS decision_id, s.stage, s."on" AS decided_on, (
    SELECT max(e.minutes_number) FROM standing e WHERE (e.application_id, e.round, e.stage) = (s.application_id, s.round, s.stage)
) AS number
FROM standing s ORDER BY s.application_id, s.id DESC
""")


async def minutes_of(tx: Tx, *, ids: Sequence[UUID]) -> dict[UUID, Minutes]:
    """By case; one whose sum no decision set is absent."""
    rows = (await tx.execute(_MINUTES, {"ids": list(ids)})).mappings()
    return {row["application_id"]: Minutes(**{name: row[name] for name in ("decision_id", "stage", "decided_on", "number")}) for row in rows}
