"""Orders of applications to pay."""

from services.budget.award import commands as award
from services.budget.edge import act_of_event
from services.budget.payment import commands
from shared.db import Tx
from shared.events.applications import AwardConfirmed
from shared.inbox import Handler


async def on_award_confirmed(tx: Tx, event: AwardConfirmed) -> None:
    await _confirm(tx, event)
    marks = [(each.kind, each.value) for each in event.marks or ()]
    await award.keep_marks(tx, application_id=event.application_id, proposal_id=event.proposal_id, marks=marks)
    # Together or not at all; the first events told none of them.
    if event.decision_id is not None and event.decision_stage is not None and event.decided_on is not None:
        await award.keep_minutes(
            tx,
            application_id=event.application_id,
            proposal_id=event.proposal_id,
            decision_id=event.decision_id,
            stage=event.decision_stage,
            decided_on=event.decided_on,
            number=event.minutes_number,
        )


async def _confirm(tx: Tx, event: AwardConfirmed) -> None:
    await commands.confirm_award(
        tx,
        application_id=event.application_id,
        proposal_id=event.proposal_id,
        amount_fen=event.amount_fen,
        notice_number=event.notice_number,
        confirmed_on=event.confirmed_on,
        act=act_of_event(event, key=event.proposal_id),
    )


HANDLERS = (Handler(event=AwardConfirmed, kind="effect", handle=on_award_confirmed),)
