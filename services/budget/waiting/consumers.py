"""Orders of applications to the waiting list. What a rule refuses is answered by an event, never by an error."""

import hashlib

from services.budget import policy
from services.budget.ledger.rules import Act
from services.budget.waiting import commands
from services.budget.waiting.rules import Award, Proposal
from shared.db import Tx
from shared.events import encode
from shared.events.applications import AwardsProposed, ReleaseRequested
from shared.inbox import Handler


async def on_awards_proposed(tx: Tx, event: AwardsProposed) -> None:
    awards = tuple(
        Award(
            application_id=award.application_id,
            case_number=award.case_number,
            applicant_uscc=award.applicant_uscc,
            line_id=award.line_id,
            jurisdiction_id=award.jurisdiction_id,
            amount_fen=award.amount_fen,
        )
        for award in event.awards
    )
    proposal = Proposal(proposal_id=event.proposal_id, fiscal_year=event.fiscal_year, policy_id=event.policy_id, awards=awards)
    await commands.take_proposal(tx, proposal, act=_act(event), catalogue=policy.current())


async def on_release_requested(tx: Tx, event: ReleaseRequested) -> None:
    await commands.release(
        tx,
        application_id=event.application_id,
        proposal_id=event.proposal_id,
        reason=event.reason,
        act=_act(event),
        catalogue=policy.current(),
    )


HANDLERS = (
    Handler(event=AwardsProposed, kind="effect", handle=on_awards_proposed),
    Handler(event=ReleaseRequested, kind="effect", handle=on_release_requested),
)


def _act(event: AwardsProposed | ReleaseRequested) -> Act:
    """An event is written into the books as the caller that it is; its proposal is the key."""
    body = encode(event)
    assert body is not None, "only tombstones have no body"
    return Act(
        caller=f"event:{event.type}",
        key=str(event.proposal_id),
        fingerprint=hashlib.sha256(body).digest(),
        at=event.happened_at,
        on=event.happened_on,
    )
