"""What the model keeps of a payment and of what may become of it: accounts, orders, late news, recovery, drafts of two people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from tests.integration.budget.machine_books import Account, Case, Freeze


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
    # Where it was handed down or asked for: "quota" or "treasury".
    way: str = ""


@dataclass(eq=False)
class Late:
    """News that a returned payment arrived."""

    order: Order
    settled_on: date
    fen: int | None
    received_by: str
    outcome: str | None = None
    version: int = 1
    id: str = ""

    @property
    def kept(self) -> tuple[str, str, date, int | None]:
        """The row of the bank that brought it."""
        return self.order.reference, "paid", self.settled_on, self.fen


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


@dataclass(eq=False)
class Quota:
    """A document that hands money down to a district; `vouchers` are those that the district reported, by order."""

    number: str
    year: int
    place: str
    on: date
    order_ids: Sequence[str]
    vouchers: dict[str, str] = field(default_factory=dict)
    version: int = 1
    id: str = ""


class Report(NamedTuple):
    """What a district says of one payment."""

    order_id: str
    outcome: str
    on: date
    voucher: str | None
    fen: int | None


@dataclass(eq=False)
class Request:
    """Many payments that the treasury is asked for; `differences` of all sheets that came back."""

    year: int
    order_ids: Sequence[str]
    version: int = 1
    exports: int = 0
    differences: list[tuple[str, int | None, str]] = field(default_factory=list)
    id: str = ""


class SheetRow(NamedTuple):
    """A row of the treasury's sheet."""

    reference: str
    outcome: str
    on: date
    fen: int | None
    payee: str | None


@dataclass(eq=False)
class Misuse:
    """A decision against an organisation or a jurisdiction, with its freeze and what it orders back."""

    freeze: Freeze
    clawbacks: list[Clawback]
    state: str = "open"
    version: int = 1
    id: str = ""

    @property
    def ordered_fen(self) -> int:
        return sum(each.ordered_fen for each in self.clawbacks if each.state != "cancelled")

    @property
    def received_fen(self) -> int:
        return sum(each.received_fen for each in self.clawbacks if each.state != "cancelled")


@dataclass(eq=False)
class Target:
    """What the money of a line was to achieve."""

    year: int
    line: str
    indicator: str
    percent: int
    is_evaluated: bool = False
    id: str = ""
