"""Orders of applications to pay: from here on an award is payable."""

from sqlalchemy.dialects.postgresql import insert

from services.budget.payment.tables import payable
from shared.db import Tx
from shared.events.applications import AwardConfirmed
from shared.inbox import Handler

# A repeat says nothing new. One that comes after the money was released stays a fact without effect: nothing is held that could be paid.
_CONFIRMED = insert(payable).on_conflict_do_nothing()


async def on_award_confirmed(tx: Tx, event: AwardConfirmed) -> None:
    await tx.execute(
        _CONFIRMED,
        {
            "application_id": event.application_id,
            "proposal_id": event.proposal_id,
            "amount_fen": event.amount_fen,
            "notice_number": event.notice_number,
            "confirmed_on": event.confirmed_on,
        },
    )


HANDLERS = (Handler(event=AwardConfirmed, kind="effect", handle=on_award_confirmed),)
