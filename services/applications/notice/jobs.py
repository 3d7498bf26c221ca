"""Closing public notices on the first working day after their last day, from the hour that their rule names."""

from zoneinfo import ZoneInfo

from services.applications.intake.commands import Ground
from services.applications.notice.commands import close_notice
from services.applications.notice.queries import due_notices
from services.applications.notice.rules import closing_today
from services.applications.policy.in_use import catalogue
from shared.jobs import Job
from shared.live import Live

CLOSED_PER_RUN_MAX = 20


async def close_notices(live: Live) -> int:
    """Each notice in a transaction of its own: the cases of two notices, locked one after the other, would stand in no one order."""
    ground = Ground(catalogue=catalogue(), calendar=live.calendar, city=live.city)
    moment = live.now()
    rules = closing_today(ground.catalogue.notice_rules(), at=moment.at, zone=ZoneInfo(live.city.timezone))
    async with live.transaction() as tx:
        due = await due_notices(tx, on=moment.on, closing_today=rules, most=CLOSED_PER_RUN_MAX)
    done = 0
    for notice_id in due:
        async with live.transaction() as tx:
            done += await close_notice(tx, notice_id=notice_id, ground=ground, moment=moment)
    return done


CLOSE_NOTICES = Job(name="close_notices", every_s=1.0, run=close_notices)
