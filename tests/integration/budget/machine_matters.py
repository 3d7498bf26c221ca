"""What the model keeps of a payment and of what may become of it: accounts, orders, late news, recovery, drafts of two people."""

from dataclasses import dataclass
from datetime import date

from tests.integration.budget.machine_books import Account, Case


@dataclass(eq=False)
class Payee:
    entered_by: str
    entered_at: int
    state: str = "entered"


@dataclass(eq=False)
class Order:
    case: Case
    maker: str
    payee: Payee
    made_at: int
    state: str = "made"
    version: int = 1
    id: str = ""
    checker: str = ""
    reference: str = ""
    ordered_on: date = date.max
    paid_on: date | None = None
    returned_on: date | None = None


@dataclass(eq=False)
class Late:
    """News that a returned payment arrived."""

    order: Order
    settled_on: date
    received_by: str
    outcome: str | None = None
    version: int = 1
    id: str = ""


@dataclass(eq=False)
class Clawback:
    order: Order
    ordered_fen: int
    state: str = "open"
    received_fen: int = 0
    to_remit_fen: int = 0
    version: int = 1
    id: str = ""


@dataclass(eq=False)
class Draft:
    """A transfer (legs from pool to pool) or a reversal (of a row) that waits for a second person."""

    maker: str
    fen: int
    source: Account | None = None
    target: Account | None = None
    reverses_seq: int = 0
    state: str = "made"
    version: int = 1
    id: str = ""
