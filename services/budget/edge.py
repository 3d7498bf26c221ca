"""What the HTTP edge of every noun of the budget needs: the act that a call is, and keysets by id."""

from uuid import UUID

from services.budget.ledger.rules import Act
from shared.clock import Moment
from shared.idempotency import Attempt
from shared.paging import CursorUnreadable, read_cursor


def act_of(once: Attempt, *, moment: Moment) -> Act:
    """The caller, its key and fingerprint stay in the journal for ever."""
    return Act(caller=once.caller.id, key=once.key, fingerprint=once.fingerprint, at=moment.at, on=moment.on)


def after_id(cursor: str | None) -> UUID | None:
    """The last id of the page before; None for the first page."""
    values = read_cursor(cursor, str)
    if values is None:
        return None
    try:
        return UUID(values[0])
    except ValueError as error:
        raise CursorUnreadable("Start again without a cursor.", detail_zh="请去掉游标，从第一页重新开始。", pointer="/cursor") from error
