"""Orders of applications to pay."""

from services.budget.edge import act_of_event
from services.budget.payment import commands
from shared.db import Tx
from shared.events.applications import AwardConfirmed
from shared.inbox import Handler


async def on_award_confirmed(tx: Tx, event: AwardConfirmed) -> None:
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
