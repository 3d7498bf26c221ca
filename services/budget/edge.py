"""What the edges of every noun of the budget need: the act that a call or an event is, and the seal."""

import hashlib
from uuid import UUID

from services.budget.ledger.rules import Act
from services.budget.sealing import Seal
from services.budget.settings import BudgetSettings
from shared.clock import Moment
from shared.events import Event, encode
from shared.idempotency import Attempt
from shared.live import Live


def act_of(once: Attempt, *, moment: Moment) -> Act:
    """The caller, its key and fingerprint stay in the journal for ever."""
    return Act(caller=once.caller.id, key=once.key, fingerprint=once.fingerprint, at=moment.at, on=moment.on)


def act_of_event(event: Event, *, key: UUID) -> Act:
    """An event stands in the books as the caller that it is; `key` is the proposal that it is about."""
    body = encode(event)
    assert body is not None, "only tombstones have no body"
    return Act(caller=f"event:{event.type}", key=str(key), fingerprint=hashlib.sha256(body).digest(), at=event.happened_at, on=event.happened_on)


def seal_of(live: Live) -> Seal:
    assert isinstance(live.settings, BudgetSettings), "the budget is built with its own settings"
    return Seal(live.settings.sealing_key())
