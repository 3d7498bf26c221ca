"""Orders of applications that awards be funded. What a rule refuses is answered by an event, never by an error."""

from collections.abc import Sequence

from services.budget import policy
from services.budget.edge import act_of_event
from services.budget.proposal import commands
from services.budget.proposal.rules import Asked, Award, Proposal
from shared.db import Tx
from shared.events import HEADER_TRACE
from shared.events.applications import AwardsProposed
from shared.inbox import Handler, Received
from shared.observability import current_traceparent


async def on_awards_proposed(tx: Tx, event: AwardsProposed) -> None:
    await commands.take_proposals(tx, [_asked(event, traceparent=current_traceparent())], catalogue=policy.current())


async def on_many_proposed(tx: Tx, records: Sequence[Received]) -> None:
    """Answered in the order in which they came, by one set of statements for as many as it takes at once."""
    batch = [_asked(each.event, traceparent=each.headers.get(HEADER_TRACE)) for each in records if isinstance(each.event, AwardsProposed)]
    portion: list[Asked] = []
    for asked in batch:
        if sum(len(each.proposal.awards) for each in (*portion, asked)) > commands.AWARDS_PER_CALL_MAX:
            await commands.take_proposals(tx, portion, catalogue=policy.current())
            portion = []
        portion.append(asked)
    await commands.take_proposals(tx, portion, catalogue=policy.current())


HANDLERS = (Handler(event=AwardsProposed, kind="effect", handle=on_awards_proposed, handle_all=on_many_proposed),)


def _asked(event: AwardsProposed, *, traceparent: str | None) -> Asked:
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
    return Asked(proposal, act_of_event(event, key=event.proposal_id), traceparent)
