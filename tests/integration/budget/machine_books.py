"""The books as plain Python has them: accounts, vouchers, pools and the waiting list. Shares no code with the service."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple
from uuid import UUID

APPROVED, UNALLOTTED, AVAILABLE, RESERVED = "来源:年度批复", "指标:待分配", "指标:可用", "指标:已预留"
IN_TRANSIT, PAID, TO_REMIT, REMITTED = "支付申请:在途", "支付:已支付", "支付:上缴待缴", "支付:上缴财政"
RECOVERED_LATE, CARRIED, LAPSED = "支付:上年追回", "结转核销:结转", "结转核销:核销"
DEBIT_SIDED = (APPROVED, RECOVERED_LATE)
LIVE = ("waiting", "reserved", "in_transit", "paid")
USCC, OTHER_USCC = "91990000MA0000015Q", "91990000MA0000031E"
YEARS = (2023, 2024, 2025)
CEILING_FEN = 200_000_000
CAPS_FEN = {"2023-15/7n": 200_000_000, "2023-15/2": 3_000_000}
PREFIX = {"appropriate": "AP", "allot": "AL", "reserve": "RS", "release": "RL", "order": "PO", "confirm": "PC", "return": "PR"}
PREFIX |= {"transfer": "TR", "clawback": "CB", "carry": "CO", "lapse": "LA", "remit": "RM", "reverse": "RV"}


class Refused(Exception):
    """What the service must answer; whoever raises it has changed nothing."""

    def __init__(self, status: int, *codes: str, told: Mapping[str, object] | None = None) -> None:
        super().__init__(f"{status} {' or '.join(codes)} {told or ''}")
        self.status, self.codes, self.told = status, codes, told or {}


class Account(NamedTuple):
    name: str
    year: int
    origin: int
    line: str | None = None
    place: str | None = None

    @property
    def code(self) -> str:
        parts = {"line": self.line, "jurisdiction": self.place, "origin": None if self.origin == self.year else self.origin}
        narrowed = ",".join(f"{name}={value}" for name, value in parts.items() if value is not None)
        return f"{self.year}/{self.name}[{narrowed}]" if narrowed else f"{self.year}/{self.name}"

    def __deepcopy__(self, _: object) -> "Account":
        return self


class Row(NamedTuple):
    """A row of the journal, as far as a rule decides it."""

    outcome: str
    kind: str
    voucher: str | None
    dr: str | None
    cr: str | None
    fen: int
    year: int

    def __deepcopy__(self, _: object) -> "Row":
        return self


class Leg(NamedTuple):
    dr: Account
    cr: Account
    fen: int

    def __deepcopy__(self, _: object) -> "Leg":
        return self


class Drawn(NamedTuple):
    pool: Account
    fen: int


@dataclass(eq=False)
class Case:
    """One proposal of one application. `parts` is empty where all is from the whole fund's money of the case's year."""

    application: UUID
    proposal: UUID
    year: int
    line: str
    place: str
    fen: int
    rank: int
    state: str = "waiting"
    parts: list[Drawn] = field(default_factory=list)
    awarded_fen: int | None = None

    @property
    def uscc(self) -> str:
        """Every third case is of another organisation."""
        return OTHER_USCC if self.application.int % 3 == 2 else USCC

    def drawn(self) -> list[Drawn]:
        return self.parts or [Drawn(Account(AVAILABLE, self.year, self.year), self.fen)]

    def legs(self, source: str, target: str) -> list[Leg]:
        """All its money from one account name to another, years of origin apart."""
        summed: Counter[tuple[Account, Account]] = Counter()
        for pool, fen in self.drawn():
            summed[self._at(source, pool), self._at(target, pool)] += fen
        return [Leg(dr, cr, fen) for (dr, cr), fen in summed.items()]

    def _at(self, name: str, pool: Account) -> Account:
        return pool if name == AVAILABLE else Account(name, pool.year, pool.origin, self.line, self.place)


@dataclass(eq=False)
class Freeze:
    scope: str
    application: UUID | None = None
    line: str | None = None
    uscc: str | None = None
    place: str | None = None
    version: int = 1
    id: str = ""
    is_lifted: bool = False
    is_of_open_misuse: bool = False

    def stops(self, case: Case) -> bool:
        if self.scope in ("case", "organisation"):
            return case.application == self.application if self.scope == "case" else case.uscc == self.uscc
        return self.stops_pool(case.line, case.place)

    def stops_pool(self, line: str | None, place: str | None) -> bool:
        return self.scope == "fund" or (self.scope == "line" and self.line == line) or (self.scope == "jurisdiction" and self.place == place)


@dataclass
class Books:
    today: date
    fen: Counter[Account] = field(default_factory=Counter)  # credits less debits
    journal: list[Row] = field(default_factory=list)
    legs: dict[int, Leg] = field(default_factory=dict)
    numbers: Counter[tuple[str, int]] = field(default_factory=Counter)
    closed: set[int] = field(default_factory=set)
    funds: set[int] = field(default_factory=set)
    freezes: list[Freeze] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    ranks: int = 0
    known: defaultdict[UUID, list[Case]] = field(default_factory=lambda: defaultdict(list))
    # Application and proposal of each release that came before its proposal.
    early: list[tuple[UUID, UUID]] = field(default_factory=list)

    def post(self, kind: str, legs: Sequence[Leg]) -> str:
        year = legs[0].dr.year
        self.numbers[kind, year] += 1
        voucher = f"{PREFIX[kind]}-{year}-{self.numbers[kind, year]:06d}"
        for leg in legs:
            self.fen[leg.dr] -= leg.fen
            self.fen[leg.cr] += leg.fen
            self.journal.append(Row("posted", kind, voucher, leg.dr.code, leg.cr.code, leg.fen, leg.dr.year))
            self.legs[len(self.journal)] = leg
        return voucher

    def shown(self) -> dict[str, int]:
        """Each account that holds something, as the service shows it."""
        return {each.code: -fen if each.name in DEBIT_SIDED else fen for each, fen in self.fen.items() if fen}

    def pools(self, year: int) -> list[Account]:
        return [each for each, fen in self.fen.items() if each.name == AVAILABLE and each.year == year and fen > 0]

    def live_case(self, application: UUID) -> Case | None:
        return next((case for case in self.known[application] if case.state in LIVE), None)

    def check_open(self, year: int) -> None:
        if year in self.closed:
            raise Refused(409, "year-closed")

    def check_free(self, *accounts: Account) -> None:
        if any(freeze.stops_pool(account.line, account.place) for freeze in self.in_force() for account in accounts):
            raise Refused(409, "frozen")

    def in_force(self) -> list[Freeze]:
        return [freeze for freeze in self.freezes if not freeze.is_lifted]

    def is_frozen(self, case: Case) -> bool:
        return any(freeze.stops(case) for freeze in self.in_force())

    def check_sufficient(self, source: Account, fen: int) -> None:
        if fen > self.fen[source]:
            raise Refused(409, "insufficient-budget")

    # Money in, and between pools.

    def appropriate(self, *, year: int, fen: int) -> None:
        if year not in YEARS:
            raise Refused(422, "no-fund-for-year")
        self.check_open(year)
        incoming, waiting, free = (Account(name, year, year) for name in (APPROVED, UNALLOTTED, AVAILABLE))
        if fen - self.fen[incoming] > CEILING_FEN:
            raise Refused(422, "above-ceiling")
        self.funds.add(year)
        self.post("appropriate", [Leg(incoming, waiting, fen)])
        self.post("allot", [Leg(waiting, free, fen)])
        self.serve(year)

    def allot(self, *, year: int, line: str | None, place: str | None, fen: int) -> None:
        if year not in YEARS:
            raise Refused(422, "no-fund-for-year")
        if line is None and place is None:
            raise Refused(422, "nothing-narrowed")
        source, target = Account(AVAILABLE, year, year), Account(AVAILABLE, year, year, line, place)
        self.check_open(year)
        self.check_free(source, target)
        self.check_sufficient(source, fen)
        self.post("allot", [Leg(source, target, fen)])
        self.serve(year)

    # Awards.

    def draw(self, case: Case) -> list[Drawn] | None:
        """Carried money first, the narrowest pool first among money of one year."""
        serving = [pool for pool in self.pools(case.year) if pool.line in (None, case.line) and pool.place in (None, case.place)]
        parts, missing = list[Drawn](), case.fen
        for pool in sorted(serving, key=lambda each: (each.origin, (each.line is None) * 2 + (each.place is None))):
            if taken := min(missing, self.fen[pool]):
                parts.append(Drawn(pool, taken))
                missing -= taken
        return None if missing or self.is_frozen(case) else parts

    def reserve(self, case: Case, parts: list[Drawn]) -> None:
        is_plain = [part.pool for part in parts] == [Account(AVAILABLE, case.year, case.year)]
        case.parts, case.state = [] if is_plain else parts, "reserved"
        self.post("reserve", case.legs(AVAILABLE, RESERVED))

    def propose(self, awards: Sequence[Case]) -> dict[UUID, str]:
        """Answer each award of one proposal: what is decided first, then who waits."""
        waiting: list[Case] = []
        for case in awards:
            if (case.application, case.proposal) in self.early:
                self.early.remove((case.application, case.proposal))
                case.state = "released"
                self._keep(case)
            elif self._is_refused(case):
                case.state = "refused"
                self._answer(case)
            elif (parts := self.draw(case)) is not None:
                self.reserve(case, parts)
                self._keep(case)
            else:
                waiting.append(case)
        for case in waiting:
            self._answer(case)
        return {case.application: case.state for case in awards}

    def _is_refused(self, case: Case) -> bool:
        outside = case.year not in (*YEARS, YEARS[-1] + 1) or case.year in self.closed
        return outside or case.fen > CAPS_FEN.get(case.line, 0) or self.live_case(case.application) is not None

    def _answer(self, case: Case) -> None:
        self.journal.append(Row(case.state, "reserve", None, None, None, case.fen, case.year))
        self._keep(case)

    def _keep(self, case: Case) -> None:
        self.ranks += 1
        case.rank = case.rank or self.ranks
        self.cases.append(case)
        self.known[case.application].append(case)

    def serve(self, year: int) -> None:
        for case in self.ranked(year, "waiting"):
            if (parts := self.draw(case)) is not None:
                self.reserve(case, parts)

    def ranked(self, year: int, state: str) -> Sequence[Case]:
        return sorted((case for case in self.cases if (case.year, case.state) == (year, state)), key=lambda each: each.rank)

    # Orders to stop.

    def lift(self, freeze: Freeze, *, version: int) -> None:
        if freeze.is_lifted:
            raise Refused(409, "freeze-lifted")
        if freeze.is_of_open_misuse:
            raise Refused(409, "freeze-of-misuse-case")
        if version != freeze.version:
            raise Refused(412, "freeze-stale")
        self.end(freeze)

    def end(self, freeze: Freeze) -> None:
        freeze.is_lifted = True
        freeze.version += 1
        for year in sorted({case.year for case in self.cases if case.state == "waiting"}):
            self.funds.add(year)
            self.serve(year)
