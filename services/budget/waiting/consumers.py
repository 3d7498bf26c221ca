"""Orders of applications to give money back. What a rule refuses is answered by an event, never by an error."""

from services.budget import policy
from services.budget.edge import act_of_event
from services.budget.waiting import commands
from shared.db import Tx
from shared.events.applications import ReleaseRequested
from shared.inbox import Handler


async def on_release_requested(tx: Tx, event: ReleaseRequested) -> None:
    await commands.release(
        tx,
        application_id=event.application_id,
        proposal_id=event.proposal_id,
        reason=event.reason,
        act=act_of_event(event, key=event.proposal_id),
        catalogue=policy.current(),
    )


HANDLERS = (Handler(event=ReleaseRequested, kind="effect", handle=on_release_requested),)
