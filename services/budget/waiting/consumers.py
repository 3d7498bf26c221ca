"""Orders of applications to the waiting list. What a rule refuses is answered by an event, never by an error."""

from services.budget import policy
from services.budget.edge import act_of_event
from services.budget.waiting import commands
from services.budget.waiting.rules import Award, Proposal
from shared.db import Tx
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
    await commands.take_proposal(tx, proposal, act=act_of_event(event, key=event.proposal_id), catalogue=policy.current())


async def on_release_requested(tx: Tx, event: ReleaseRequested) -> None:
    await commands.release(
        tx,
        application_id=event.application_id,
        proposal_id=event.proposal_id,
        reason=event.reason,
        act=act_of_event(event, key=event.proposal_id),
        catalogue=policy.current(),
    )


HANDLERS = (
    Handler(event=AwardsProposed, kind="effect", handle=on_awards_proposed),
    Handler(event=ReleaseRequested, kind="effect", handle=on_release_requested),
)
