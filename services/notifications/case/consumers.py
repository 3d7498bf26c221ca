"""Each step of a case, as applications tells it: the organisation gets a message, the portal gets records."""

from services.notifications.case.commands import change_case, remember_case
from services.notifications.case.queries import case_of
from services.notifications.message.commands import tell
from services.notifications.policy import Policy
from services.notifications.policy.steps import CASE_EVENTS
from services.notifications.portal.commands import report
from shared.city import City
from shared.db import Tx
from shared.events.applications import ApplicationCorrected, ApplicationFiled, CaseEvent
from shared.inbox import Handler


def handlers(policy: Policy, *, city: City) -> tuple[Handler, ...]:
    """One effect per step: a message and the records stand or fall together."""

    async def on_step(tx: Tx, event: CaseEvent) -> None:
        if isinstance(event, ApplicationFiled):
            await remember_case(tx, event)
        elif isinstance(event, ApplicationCorrected):
            await change_case(tx, event)
        case = await case_of(tx, event.application_id)
        await tell(tx, event, case=case, wording=policy.wording, city=city)
        await report(tx, event, case=case, policy=policy, city=city)

    return tuple(Handler(event=kind, kind="effect", handle=on_step) for kind in CASE_EVENTS.values())
