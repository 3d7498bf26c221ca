"""What is due after a change of keys: account numbers that an earlier key sealed are sealed with the present one."""

from uuid import UUID

import structlog
from prometheus_client import Gauge

from services.budget.edge import seal_of
from services.budget.payee import commands
from services.budget.settings import BudgetSettings
from shared.jobs import Job
from shared.live import Live

log = structlog.get_logger()

ACCOUNTS_PER_TRANSACTION_MAX = 200

UNREADABLE = Gauge("payee_accounts_unreadable", "Sealed account numbers that no key of the settings opens")


async def seal_anew(live: Live, *, rows_max: int = ACCOUNTS_PER_TRANSACTION_MAX) -> int:
    """Everything that an earlier key has sealed, a portion a transaction; without an earlier key nothing is due.

    An earlier key may leave the settings once a run has done nothing and `payee_accounts_unreadable` is 0.
    """
    assert isinstance(live.settings, BudgetSettings), "the budget is built with its own settings"
    if live.settings.payee_account_previous_keys is None:
        return 0
    seal, sealed, unreadable = seal_of(live), 0, 0
    after_id: UUID | None = None
    while True:
        async with live.transaction() as tx:
            portion = await commands.seal_anew(tx, after_id=after_id, seal=seal, rows_max=rows_max)
        sealed += portion.sealed
        unreadable += len(portion.unreadable)
        for account_id in portion.unreadable:
            log.error("payee_account_unreadable", payee_account_id=str(account_id))
        if portion.last_id is None:
            UNREADABLE.set(unreadable)
            return sealed
        after_id = portion.last_id


SEAL_ANEW = Job(name="seal-payee-accounts-anew", every_s=3600, run=seal_anew)
