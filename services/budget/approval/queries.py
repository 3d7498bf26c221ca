"""What approvals of payment orders are decided by, in one snapshot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.budget.entry.rules import Books
from services.budget.freeze.queries import freeze_of
from services.budget.freeze.rules import Freeze
from services.budget.ledger.rules import CaseMoney, Kind
from services.budget.payee.rules import PayeeState
from services.budget.payment.rules import Approvable, Order, OrderState
from shared.db import ByName, Tx, fetch

_READ = "SELECT * FROM read_approvals($1, $2, $3)"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """`shown` has the columns of each order that its caller is shown, `not_plain` the orders whose money is not simply the whole fund's.

    `answers` are first answers, by caller and key.
    """

    books: Books
    found: Mapping[UUID, Approvable]
    shown: Mapping[UUID, Mapping[str, Any]]
    not_plain: frozenset[UUID]
    freezes: Sequence[Freeze]
    answers: Mapping[tuple[str, str], ByName]


async def read_picture(tx: Tx, order_ids: Sequence[UUID], *, keys: Sequence[tuple[str, str]]) -> Picture:
    """`keys` are callers and keys of the acts. By itself it locks nothing: what is written on top of it is checked as it is written."""
    (row,) = await fetch(tx, _READ, order_ids, [caller for caller, _ in keys], [key for _, key in keys])
    books = Books(
        seq=row["last_seq"],
        chain=row["chain"],
        booked_at=row["booked_at"],
        epoch=row["epoch"],
        numbers={(Kind.ORDER, year): number for year, number in zip(row["numbered_years"] or (), row["numbers"] or (), strict=True)},
        items=dict(zip(zip(row["item_callers"] or (), row["item_keys"] or (), strict=True), row["next_items"] or (), strict=True)),
    )
    orders = row["orders"] or ()
    return Picture(
        books=books,
        found={order["id"]: _approvable(order) for order in orders},
        shown={order["id"]: order for order in orders},
        not_plain=frozenset(order["id"] for order in orders if not order["is_plain"]),
        freezes=[freeze_of(each) for each in row["freezes"] or ()],
        answers={(answer["caller"], answer["key"]): answer for answer in row["answers"] or ()},
    )


def _approvable(order: Any) -> Approvable:
    return Approvable(
        order=Order(
            id=order["id"],
            state=OrderState(order["state"]),
            version=order["version"],
            maker=order["maker"],
            checker=order["checker"],
            account_state=PayeeState(order["account_state"]),
            account_entered_by=order["account_entered_by"],
            has_late_payment=order["has_late_payment"],
        ),
        # The type of the row has the columns of a case in this order.
        money=CaseMoney._make(order[8:19]),
        notice_number=order["notice_number"],
    )
