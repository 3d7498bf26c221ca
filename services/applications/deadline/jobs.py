"""What the calendar brings about by itself."""

from services.applications.deadline import commands
from services.applications.policy.in_use import catalogue
from shared.jobs import Job
from shared.live import Live


async def lapse_uncorrected(live: Live) -> int:
    async with live.transaction() as tx:
        return await commands.lapse_uncorrected(tx, catalogue=catalogue(), moment=live.now())


async def compute_open_deadlines(live: Live) -> int:
    async with live.transaction() as tx:
        return await commands.compute_open_deadlines(tx, calendar=live.calendar)


LAPSE_UNCORRECTED = Job(name="lapse_uncorrected", every_s=30.0, run=lapse_uncorrected)
# A calendar is loaded when the process starts, so this has work to do once after an update of the tables.
COMPUTE_OPEN_DEADLINES = Job(name="compute_open_deadlines", every_s=600.0, run=compute_open_deadlines)
