"""HTTP edge of proposals: awards that were decided outside of the case files, reserved for at once and answered at once."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field

from services.budget import policy
from services.budget.allotment.queries import terms
from services.budget.edge import DryRun, FiscalYear, JurisdictionId, LineId, PolicyId, act_of, example, require_jurisdiction
from services.budget.entry.commands import lock_books
from services.budget.entry.rules import Entry, Outcome
from services.budget.ledger.rules import available_account, check_sufficient, require_whole_city
from services.budget.proposal import commands, queries
from services.budget.proposal.rules import Asked, Award, NotAllReserved, Proposal, check_named_once, decide
from services.budget.writer import Writer
from shared.auth import may
from shared.caller import Caller
from shared.db import AnyRow, Tx
from shared.idempotency import Attempt, Once
from shared.key import key_reused
from shared.live import Live as LiveState
from shared.money import Fen
from shared.observability import current_traceparent
from shared.uscc import Uscc
from shared.web import Live, Wire
from shared.web import router as new_router

router = new_router("reservations")

AWARDS_PER_CALL_MAX = 1_000
# Proposals that come by this route are named after their caller and key, so that a call that is repeated is the same proposal.
_NAMES = UUID("019aa000-7a11-7000-8000-000000000001")


class AwardRow(Wire):
    application_id: UUID
    case_number: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[\x21-\x7e]+$")]
    applicant_uscc: Uscc
    line_id: LineId
    jurisdiction_id: JurisdictionId
    amount_fen: Fen


class ReserveFunds(Wire):
    """Awards in rank order; each is reserved for, waits for money, or is refused."""

    model_config = example(
        policy_id="2023-15",
        fiscal_year=2025,
        awards=[
            {
                "application_id": "019aa000-0000-7000-8000-000000000001",
                "case_number": "PAPER-2025-0001",
                "applicant_uscc": "91990000MA0000015Q",
                "line_id": "2023-15/2",
                "jurisdiction_id": "example-district",
                "amount_fen": 3_000_000,
            }
        ],
    )

    policy_id: PolicyId
    fiscal_year: FiscalYear
    awards: Annotated[list[AwardRow], Field(min_length=1, max_length=AWARDS_PER_CALL_MAX)]


class ReservationAnswer(BaseModel):
    """As the journal keeps it. `reason`: of a refusal its code and sentence, of waiting what is missing."""

    application_id: UUID
    status: Literal["reserved", "waiting", "refused"]
    amount_fen: int
    voucher: str | None
    reason: str | None

    @classmethod
    def of(cls, row: Entry | AnyRow) -> Self:
        assert row.application_id is not None, "every row of a proposal is about a case"
        statuses: dict[str, Literal["reserved", "waiting", "refused"]] = {"posted": "reserved", "waiting": "waiting", "refused": "refused"}
        return cls(application_id=row.application_id, status=statuses[row.outcome], amount_fen=row.amount_fen, voucher=row.voucher, reason=row.reason)


class ReservationAnswers(BaseModel):
    """One answer an award, in the order of the call."""

    results: list[ReservationAnswer]


async def writer(request: Request) -> Writer:
    held: Writer = request.app.state.writer
    return held


TheWriter: TypeAlias = Annotated[Writer, Depends(writer)]
Atomic = Annotated[bool, Query(description="All or none | 全部成功或全部不办")]


@router.post(
    "/v1/reservations",
    response_model=ReservationAnswers,
    summary="Reserve for awards decided outside of the case files | 为系统外已定资助预留资金",
)
async def reserve_funds(
    body: ReserveFunds,
    caller: Annotated[Caller, may("reservations:make")],
    once: Once,
    live: Live,
    writer: TheWriter,
    atomic: Atomic = False,
    dry_run: DryRun = False,
) -> Response | ReservationAnswers:
    require_whole_city(caller)
    check_named_once([award.application_id for award in body.awards])
    for place in {award.jurisdiction_id for award in body.awards}:
        require_jurisdiction(live, jurisdiction_id=place)
    asked = _asked(body, once=once, live=live)
    if (answered := await _first_answer(once, live=live)) is not None:
        return answered
    if dry_run:
        return await _rehearse(asked, live=live)
    entries = await (_reserve_all(asked, live=live) if atomic else writer.take(asked))
    if not entries:
        # The same key came at the same moment, and was answered there.
        answered = await _first_answer(once, live=live)
        assert answered is not None, "what is not new is in the journal"
        return answered
    return _answers(entries)


def _asked(body: ReserveFunds, *, once: Attempt, live: LiveState) -> Asked:
    proposal_id = uuid.uuid5(_NAMES, f"{once.caller.id}\n{once.key}")
    awards = tuple(
        Award(
            application_id=award.application_id,
            case_number=award.case_number,
            applicant_uscc=award.applicant_uscc,
            line_id=award.line_id,
            jurisdiction_id=award.jurisdiction_id,
            amount_fen=award.amount_fen,
        )
        for award in body.awards
    )
    proposal = Proposal(proposal_id=proposal_id, fiscal_year=body.fiscal_year, policy_id=body.policy_id, awards=awards)
    return Asked(proposal, act_of(once, moment=live.now()), traceparent=current_traceparent(), once=True)


async def _first_answer(once: Attempt, *, live: LiveState) -> Response | None:
    """What the journal has under this key; it keeps keys for ever. Raises KeyReused."""
    async with live.snapshot() as tx:
        rows = await queries.answered(tx, caller=once.caller.id, key=once.key)
        is_of_another_act = not rows and await once.is_kept(tx)
    if is_of_another_act or any(row.fingerprint != once.fingerprint for row in rows):
        raise key_reused(once.key)
    return _answers(rows, replayed=True) if rows else None


def _answers(rows: Sequence[Entry | AnyRow], *, replayed: bool = False) -> Response:
    body = ReservationAnswers(results=[ReservationAnswer.of(row) for row in rows if row.leg == 1])
    return Response(body.model_dump_json(), headers={"Idempotency-Replayed": "true"} if replayed else None, media_type="application/json")


async def _rehearse(asked: Asked, *, live: LiveState) -> ReservationAnswers:
    """Decided on the books as they are; numbers would only be given when it is written."""
    async with live.snapshot() as tx:
        books, picture = await commands.read_picture(tx, [asked], catalogue=policy.current())
    decisions = decide([asked], picture=picture, catalogue=policy.current())
    rows = [each.entry._replace(voucher=None) for each in books.write(decisions.vouchers) if each.entry.leg == 1]
    return ReservationAnswers(results=[ReservationAnswer.of(row) for row in rows])


async def _reserve_all(asked: Asked, *, live: LiveState) -> list[Entry]:
    """All awards or none. What is refused here is not kept in the journal: nothing of the call is."""
    async with live.transaction() as tx:
        _, written = await commands.take_proposals(tx, [asked], catalogue=policy.current())
        entries = [each.entry for each in written]
        failed = next((entry for entry in entries if entry.outcome != Outcome.POSTED), None)
        if failed is not None:
            await _refuse_all(tx, entries, failed=failed)
    return entries


async def _refuse_all(tx: Tx, entries: Sequence[Entry], *, failed: Entry) -> None:
    """Raises InsufficientBudget with every term where the whole fund has too little, else NotAllReserved."""
    if failed.outcome == Outcome.WAITING:
        level = await terms(tx, available_account(failed.fiscal_year), books=await lock_books(tx))
        reserved_fen = sum(entry.amount_fen for entry in entries if entry.outcome == Outcome.POSTED)
        before = replace(
            level,
            available_fen=level.available_fen + reserved_fen,
            reserved_fen=level.reserved_fen - reserved_fen,
            as_of_seq=entries[0].seq - 1,
        )
        check_sufficient(before, requested_fen=sum(entry.amount_fen for entry in entries))
    raise NotAllReserved(
        f"Award {failed.application_id}: {failed.reason}.",
        detail_zh=f"案件{failed.application_id}：{failed.reason}。",
        facts={"application_id": str(failed.application_id), "outcome": failed.outcome},
    )
