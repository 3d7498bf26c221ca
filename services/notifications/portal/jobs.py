"""Pushing case records to the portal: claim, call outside any transaction, record the answer."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

import structlog
from prometheus_client import Counter

from services.notifications.portal import commands
from services.notifications.portal.clients import CALLS_MAX, Answer, Portal, send_record
from services.notifications.portal.commands import Claim
from services.notifications.portal.rules import RecordKind
from shared import clock
from shared.jobs import Job
from shared.live import Live
from shared.masking import masked_mobile

log = structlog.get_logger()

CALLS = Counter("portal_calls_total", "Calls to the portal, by kind of record and outcome", ["kind", "outcome"])
PUSH_EVERY_S = 1.0


def push_job(portal: Portal, *, paths: Mapping[str, str]) -> Job:
    async def run(live: Live) -> int:
        return await push_due(live, portal=portal, paths=paths, at=clock.wall())

    return Job(name="portal-push", every_s=PUSH_EVERY_S, run=run)


async def push_due(live: Live, *, portal: Portal, paths: Mapping[str, str], at: datetime) -> int:
    """One record of each case that is due at `at` (wall time); returns how many the portal took. One stuck case holds up no other."""
    async with live.transaction() as tx:
        claims = await commands.claim_due(tx, at=at)
    gate = asyncio.Semaphore(CALLS_MAX)

    async def push(claim: Claim) -> bool:
        async with gate:
            answer = await send_record(portal, path=paths[claim.kind], content=content_of(claim))
        await _record(live, claim, answer=answer, at=at)
        return answer.taken

    async with asyncio.TaskGroup() as calls:
        pushed = [calls.create_task(push(claim)) for claim in claims]
    return sum(task.result() for task in pushed)


def content_of(claim: Claim) -> Mapping[str, str]:
    """What was written down, and in a basic record the mobile number as it is known at this moment: erased means not sent."""
    if claim.kind is not RecordKind.BASIC:
        return claim.content
    return {**claim.content, "applicantmobile": claim.mobile or ""}


async def _record(live: Live, claim: Claim, *, answer: Answer, at: datetime) -> None:
    # A portal that complains about a number may repeat it.
    detail = answer.detail.replace(claim.mobile, masked_mobile(claim.mobile)) if claim.mobile else answer.detail
    async with live.transaction() as tx:
        if answer.taken:
            await commands.record_accepted(tx, claim, answer=detail, at=at)
        else:
            await commands.record_failed(tx, claim, answer=detail, at=at)
    CALLS.labels(claim.kind, "taken" if answer.taken else "failed").inc()
    if not answer.taken:
        log.warning("portal_call_failed", record_id=str(claim.record_id), attempts=claim.attempts + 1)
