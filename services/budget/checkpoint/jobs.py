"""Checkpoints every hour in which something was booked, compared with the outside witness before and written to it after."""

import asyncio
from pathlib import Path

import structlog
from prometheus_client import Gauge

from services.budget.checkpoint import commands, queries
from services.budget.checkpoint.clients import newest_witnessed, write_once
from services.budget.checkpoint.rules import BooksContradicted, is_due
from services.budget.settings import BudgetSettings
from services.budget.signing import signer_of
from shared.jobs import Job
from shared.live import Live

log = structlog.get_logger()

CONTRADICTED = Gauge("ledger_contradicted", "1 while the journal contradicts what was witnessed: look at once, sign nothing")
WITNESSED_PER_RUN_MAX = 100


async def keep_checkpoints(live: Live) -> int:
    """Compare, make one if it is due, hand on what the witness does not have. Raises BooksContradicted, and signs nothing then."""
    assert isinstance(live.settings, BudgetSettings), "the budget is built with its own settings"
    try:
        done = await _keep_checkpoints(live, folder=live.settings.witness_folder)
    except BooksContradicted as error:
        CONTRADICTED.set(1)
        log.error("journal_contradicts_witness", what=str(error))
        raise
    CONTRADICTED.set(0)
    return done


async def _keep_checkpoints(live: Live, *, folder: Path | None) -> int:
    witnessed = await asyncio.to_thread(newest_witnessed, folder) if folder is not None else None
    now = live.now().at
    async with live.transaction() as tx:
        if witnessed is not None:
            await commands.check_witnessed(tx, witnessed=witnessed)
        last = await queries.latest_checkpoint(tx)
        if is_due(last_made_at=last["made_at"] if last else None, now=now):
            await commands.make_checkpoint(tx, signer=signer_of(live), at=now)
    return await _hand_on(live, folder=folder, after_seq=witnessed.seq if witnessed else 0) if folder is not None else 0


async def _hand_on(live: Live, *, folder: Path, after_seq: int) -> int:
    async with live.transaction() as tx:
        unseen = await queries.checkpoints(tx, after_seq=after_seq, rows_max=WITNESSED_PER_RUN_MAX)
    for each in unseen:
        async with live.transaction() as tx:
            leaves = await queries.leaves(tx, after_seq=after_seq, until_seq=each["seq"])
        await asyncio.to_thread(write_once, folder, seq=each["seq"], note=each["note"], leaves=leaves)
        after_seq = each["seq"]
    return len(unseen)


# Made once an hour; looked at more often, so that books which contradict their witness are noticed within seconds.
KEEP_CHECKPOINTS = Job(name="keep_checkpoints", every_s=5.0, run=keep_checkpoints)
