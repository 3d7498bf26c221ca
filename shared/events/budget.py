"""What the budget announces: its answer to each proposal, release and payment."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from shared.events import Event


class MoneyEvent(Event):
    """About the money of one proposal of one case; `fiscal_year` is the year whose books it is in."""

    topic: ClassVar[str] = "budget.events"

    application_id: UUID
    proposal_id: UUID
    amount_fen: int
    fiscal_year: int

    def key(self) -> str:
        return str(self.application_id)


class FundsReserved(MoneyEvent):
    type: ClassVar[str] = "budget.funds_reserved.v1"

    voucher: str


class FundsWaiting(MoneyEvent):
    type: ClassVar[str] = "budget.funds_waiting.v1"

    short_by_fen: int


class ReservationRefused(MoneyEvent):
    type: ClassVar[str] = "budget.reservation_refused.v1"

    reason_code: str
    reason: str


class FundsReleased(MoneyEvent):
    """Answers a release, also one that came before its proposal and one for a case that was only waiting (`amount_fen` then 0 freed)."""

    type: ClassVar[str] = "budget.funds_released.v1"

    voucher: str | None = None


class ReleaseRefused(MoneyEvent):
    type: ClassVar[str] = "budget.release_refused.v1"

    reason_code: str
    reason: str


class PaymentOrdered(MoneyEvent):
    """The approver signed: 已预留 → 在途. From here on a release is refused."""

    type: ClassVar[str] = "budget.payment_ordered.v1"

    payment_order_id: UUID
    voucher: str


class PaymentConfirmed(MoneyEvent):
    type: ClassVar[str] = "budget.payment_confirmed.v1"

    payment_order_id: UUID
    paid_on: date
    voucher: str


class PaymentReturned(MoneyEvent):
    """The bank sent the money back, or its approval was withdrawn before it left: it is reserved for the same case again."""

    type: ClassVar[str] = "budget.payment_returned.v1"

    payment_order_id: UUID
    reason: str
    voucher: str


class PaymentClawedBack(MoneyEvent):
    """Money of a payment came back on an order to recover it: `amount_fen` now, `received_fen` of `ordered_fen` altogether."""

    type: ClassVar[str] = "budget.payment_clawed_back.v1"

    payment_order_id: UUID
    clawback_id: UUID
    received_fen: int
    ordered_fen: int
    reason: str
    voucher: str


class AppropriationRecorded(Event):
    type: ClassVar[str] = "budget.appropriation_recorded.v1"
    topic: ClassVar[str] = "budget.events"

    fiscal_year: int
    amount_fen: int
    document: str

    def key(self) -> str:
        return str(self.fiscal_year)


EVENTS: tuple[type[Event], ...] = (
    FundsReserved,
    FundsWaiting,
    ReservationRefused,
    FundsReleased,
    ReleaseRefused,
    PaymentOrdered,
    PaymentConfirmed,
    PaymentReturned,
    PaymentClawedBack,
    AppropriationRecorded,
)
