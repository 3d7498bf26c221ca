"""Closing public notices on the first working day after their last day."""

from services.applications.intake.commands import Ground
from services.applications.notice.commands import close_due_notices
from services.applications.policy.in_use import catalogue
from shared.jobs import Job
from shared.live import Live


async def close_notices(live: Live) -> int:
    ground = Ground(catalogue=catalogue(), calendar=live.calendar, city=live.city)
    async with live.transaction() as tx:
        return await close_due_notices(tx, ground=ground, moment=live.now())


CLOSE_NOTICES = Job(name="close_notices", every_s=1.0, run=close_notices)
