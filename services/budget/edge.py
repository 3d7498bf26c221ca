"""What the edges of every noun of the budget need: the act that a call or an event is, the seal, keysets of lists."""

import hashlib
from uuid import UUID

from services.budget.ledger.rules import Act
from services.budget.sealing import Seal
from services.budget.settings import BudgetSettings
from shared.clock import Moment
from shared.events import Event, encode
from shared.idempotency import Attempt
from shared.live import Live
from shared.paging import CursorUnreadable, read_cursor

BIGINT_END = 2**63


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


def after_id(cursor: str | None) -> UUID | None:
    """The last id of the page before; None for the first page."""
    values = read_cursor(cursor, str)
    if values is None:
        return None
    try:
        return UUID(values[0])
    except ValueError as error:
        raise _unreadable() from error


def after_number(cursor: str | None) -> int:
    """The last number of the page before, of a column that holds a BIGINT; 0 for the first page."""
    (number,) = read_cursor(cursor, int) or (0,)
    if not 0 <= number < BIGINT_END:
        raise _unreadable()
    return int(number)


def _unreadable() -> CursorUnreadable:
    return CursorUnreadable("Start again without a cursor.", detail_zh="请去掉游标，从第一页重新开始。", pointer="/cursor")
