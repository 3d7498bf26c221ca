"""What the rows of an exported journal may say, added up from the first: which verify.py asks of each row, with Python alone."""

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

APPROVED, UNALLOTTED, FREE, RESERVED, IN_TRANSIT, PAID = "来源:年度批复", "指标:待分配", "指标:可用", "指标:已预留", "支付申请:在途", "支付:已支付"
TO_REMIT, LATE, REMITTED, CARRIED, LAPSED = "支付:上缴待缴", "支付:上年追回", "支付:上缴财政", "结转核销:结转", "结转核销:核销"
# How the vouchers of each kind are numbered, and from which account to which they move money; a reversal goes the way of its original back.
MOVES = {
    "appropriate": ("AP", {(APPROVED, UNALLOTTED)}),
    "allot": ("AL", {(UNALLOTTED, FREE), (FREE, FREE)}),
    "reserve": ("RS", {(FREE, RESERVED)}),
    "release": ("RL", {(RESERVED, FREE)}),
    "order": ("PO", {(RESERVED, IN_TRANSIT)}),
    "confirm": ("PC", {(IN_TRANSIT, PAID)}),
    "return": ("PR", {(IN_TRANSIT, RESERVED), (PAID, RESERVED), (LATE, RESERVED)}),
    "transfer": ("TR", {(FREE, FREE)}),
    "clawback": ("CB", {(PAID, TO_REMIT), (PAID, FREE), (LATE, REMITTED)}),
    "remit": ("RM", {(TO_REMIT, REMITTED)}),
    "carry": ("CO", {move for each in (UNALLOTTED, FREE, RESERVED) for move in ((each, CARRIED), (CARRIED, each))}),
    "lapse": ("LA", {(UNALLOTTED, LAPSED), (FREE, LAPSED)}),
    "reverse": ("RV", set()),
}
# Money moves from the debited to the credited account; only where it comes from do debits prevail. What a case has, nobody else spends.
DEBIT_SIDED, OF_CASES = (APPROVED, LATE), (RESERVED, IN_TRANSIT, PAID)
UNSIGNED, SIGNERS_MIN = [None, None, None], {"order": 3, "transfer": 2, "reverse": 2}
CLOSING, REVERSIBLE = ("carry", "lapse"), ("appropriate", "allot", "transfer", "reserve")


class Bad(Exception):
    """What is wrong with the row that the verifier stands at."""


def name_of(account: str) -> str:
    return account.partition("/")[2].partition("[")[0]


class Balances(dict[str, int]):
    """Credits less debits of each account; `of_cases` has what each case holds in the accounts of cases."""

    def __init__(self) -> None:
        self.debit_sided, self.of_cases = set[str](), dict[str, defaultdict[str, int]]()

    def __missing__(self, account: str) -> int:
        if name_of(account) in DEBIT_SIDED:
            self.debit_sided.add(account)
        if name_of(account) in OF_CASES:
            self.of_cases[account] = defaultdict(int)
        return 0


class Books:
    """What the rows so far add up to. `policy`: caps_fen of an award by rule, yearly_ceilings_fen by year."""

    def __init__(self, policy: Mapping[str, Mapping[str, int]]) -> None:
        self.caps_fen, self.ceilings_fen = policy["caps_fen"], policy["yearly_ceilings_fen"]
        self.balances, self.numbers, self.last, self.booked_at = Balances(), defaultdict[tuple[str, int], int](int), ("", 0), ""
        self.awarded_fen, self.shut_years = defaultdict[str, int](int), set[int]()
        # Of each row: what it moved, by which of the ways (0 is none), and how much of it was reversed.
        self.amounts_fen, self.went, self.reversed_fen = array("q", [0]), array("q", [0]), defaultdict[int, int](int)
        self.ways: dict[tuple[str, int, str, str], int] = {("", 0, "", ""): 0}

    def take(self, row: Sequence[Any]) -> None:
        outcome, voucher, kind, dr, cr, at = row[1], row[2], row[4], row[5], row[6], row[23]
        if at < self.booked_at:
            raise Bad(f"booked at {at}, before the row before")
        self.booked_at = at
        if outcome == "posted":
            self.post(row)
        elif outcome not in ("refused", "waiting") or not voucher is dr is cr is None:
            raise Bad(f"{outcome}, with voucher {voucher}, debit {dr} and credit {cr}")
        if row[18:21] != UNSIGNED or kind in SIGNERS_MIN:
            self.check_signers(row)
        self.amounts_fen.append(row[7] if outcome == "posted" else 0)
        self.went.append(self.ways[kind, row[8], dr, cr] if outcome == "posted" else 0)

    def post(self, row: Sequence[Any]) -> None:
        _, _, voucher, leg, kind, dr, cr, amount_fen, year, _, _, _, case, _, rule = row[:15]
        if (kind, year, dr, cr) not in self.ways:
            self.check_way(kind=kind, year=year, dr=dr, cr=cr)
        if leg == 1:
            self.numbers[kind, year] = number = self.numbers[kind, year] + 1
            if voucher != f"{MOVES[kind][0]}-{year}-{number:06d}":
                raise Bad(f"voucher {voucher} stands where {MOVES[kind][0]}-{year}-{number:06d} is due")
        elif (voucher, leg - 1) != self.last:
            raise Bad(f"leg {leg} of voucher {voucher} does not follow on the leg before")
        self.last = (voucher, leg)
        if dr == cr or amount_fen <= 0:
            raise Bad(f"{amount_fen} fen from {dr} to {cr}")
        if kind in CLOSING:
            self.shut_years.add(year)
        elif year in self.shut_years:
            raise Bad(f"{kind} in {year}, which was closed before")
        balances = self.balances
        balances[dr] = left_fen = balances[dr] - amount_fen
        balances[cr] = grown_fen = balances[cr] + amount_fen
        if left_fen < 0 and dr not in balances.debit_sided:
            raise Bad(f"{dr} falls to {left_fen} fen")
        if grown_fen > 0 and cr in balances.debit_sided:
            raise Bad(f"{cr} falls to {-grown_fen} fen")
        if left_fen < 0 and name_of(dr) == APPROVED and -left_fen > self.ceilings_fen[str(year)]:
            raise Bad(f"{-left_fen} fen appropriated, more than the ceiling of {year}, {self.ceilings_fen[str(year)]}")
        if (held := balances.of_cases.get(cr)) is not None:
            held[case] += amount_fen
        if (held := balances.of_cases.get(dr)) is not None:
            held[case] = held_fen = held[case] - amount_fen
            if held_fen < 0:
                raise Bad(f"case {case} gives {-held_fen} fen more than it has in {dr}")
        if kind == "release" or (kind == "reverse" and dr in balances.of_cases):
            self.awarded_fen[case] -= amount_fen
        elif kind == "reserve":
            self.awarded_fen[case] = awarded_fen = self.awarded_fen[case] + amount_fen
            if awarded_fen > self.caps_fen[rule]:
                raise Bad(f"case {case} is awarded {awarded_fen} fen, more than the {self.caps_fen[rule]} of {rule}")

    def check_way(self, *, kind: str, year: int, dr: str, cr: str) -> None:
        """Money leaves an account of the year for one of it, or carried for one of the next; appropriated is all of a year on one account."""
        fits = kind == "reverse" or (name_of(dr), name_of(cr)) in MOVES[kind][1]
        years = f"{year}/", f"{year + (name_of(dr) == CARRIED)}/"
        if not fits or (dr[:5], cr[:5]) != years or (name_of(dr) == APPROVED and dr != f"{year}/{APPROVED}"):
            raise Bad(f"{kind} of {year} from {dr} to {cr}")
        self.ways[kind, year, dr, cr] = len(self.ways)

    def check_signers(self, row: Sequence[Any]) -> None:
        kind, dr, cr, amount_fen, year, (maker, checker, approver, original_seq, reason) = *row[4:9], row[18:23]
        names = [name for name in (maker, checker, approver) if name is not None]
        if len(set(names)) < len(names) or len(names) < SIGNERS_MIN.get(kind, 0):
            raise Bad(f"maker {maker}, checker {checker}, approver {approver} are not different people, or one is missing")
        if kind == "reverse":
            self.reversed_fen[original_seq] += amount_fen
            ways = [(each, year, cr, dr) for each in REVERSIBLE]
            if original_seq < 1 or self.went[original_seq] not in [self.ways[each] for each in ways if each in self.ways]:
                raise Bad(f"a reversal from {dr} to {cr} of row {original_seq}, which went another way")
            if not reason or checker is None or self.reversed_fen[original_seq] > self.amounts_fen[original_seq]:
                raise Bad(f"a reversal of row {original_seq} without reason or second person, or of more than it moved")
