"""Payment orders that wait for approval: their ids, and the requests that approve them one by one."""

import uuid
from dataclasses import dataclass, field

from tests.load.series import Key

# The ids rise with the number of the row, as those of the product do with time; they begin before any that is made while something is measured.
FIRST_ID_MS = 1_735_689_600_000
APPLICATION, PROPOSAL, ORDER, ACCOUNT = range(4)
# Of an order that was made and checked.
VERSION = 2


def id_of(number: int, *, role: int) -> uuid.UUID:
    """Of the case, the proposal or the order that was filled in at that place, from 1; `id_in_sql` writes the same."""
    return uuid.UUID(f"{FIRST_ID_MS + number:012x}{0x7000 + role:04x}8000{number:012x}")


def id_in_sql(*, role: int) -> str:
    """`id_of` of the column or variable n."""
    return f"(lpad(to_hex({FIRST_ID_MS} + n), 12, '0') || '{0x7000 + role:04x}8000' || lpad(to_hex(n), 12, '0'))::uuid"


@dataclass(frozen=True, kw_only=True)
class Approvals:
    """Each order once, from the one at place `first` on; with a token where the service asks who approves."""

    name: str
    first: int
    token: str | None = field(repr=False)

    def request(self, number: int, *, host: str, path: str, key: Key | None) -> bytes:
        """The POST as it goes over the wire; `path` has a place for the order's id. People do not sign, so there is never a key."""
        assert key is None
        where = path.format(order_id=id_of(self.first + number, role=ORDER))
        headers = {"host": host, "content-length": "0", "if-match": f'"{VERSION}"', "idempotency-key": str(uuid.uuid4())}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {where} HTTP/1.1\r\n{head}\r\n".encode()
