"""What an export of the books says: rows, sheets and beancount text of an entry, and the rules as the verifier takes them."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from services.budget.entry.rules import Entry, exported
from services.budget.ledger.rules import AccountName
from services.budget.policy.catalogue import Catalogue

COLUMNS = (*Entry._fields, "chain")


def line_of(entry: Entry, *, chain: bytes) -> str:
    """One row of the exported journal: an array, in which no name can stand twice."""
    return _line((*exported(entry).values(), chain.hex()))


def _line(values: Sequence[object]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n"


# The first line of an exported journal.
HEADER = _line(COLUMNS)


def policy_of(catalogue: Catalogue) -> dict[str, dict[str, int]]:
    """The most that one award may be, by the rule that each row names, and the most that may be appropriated in each year."""
    caps_fen = {fund.version_of(line): line.cap_fen for fund in catalogue.funds for line in fund.lines}
    ceilings_fen = {str(year): fund.yearly_ceiling_fen for fund in catalogue.funds for year in range(fund.first_year, fund.last_year + 1)}
    return {"caps_fen": caps_fen, "yearly_ceilings_fen": ceilings_fen}


Cell = str | Decimal | int

VOUCHERS = (
    "凭证号",
    "分录",
    "记账日期",
    "业务日期",
    "类别",
    "借方科目",
    "贷方科目",
    "金额（元）",
    "文号",
    "资助项目",
    "区市",
    "制单",
    "复核",
    "审批",
    "序号",
)
DETAILS = ("科目", "序号", "凭证号", "记账日期", "业务日期", "文号", "借方（元）", "贷方（元）", "方向", "余额（元）")
BALANCES = ("科目", "借方发生额（元）", "贷方发生额（元）", "方向", "余额（元）")
# Only where money comes from do debits prevail.
_DEBIT_SIDED = (AccountName.APPROVED, AccountName.RECOVERED_LATE)
# Beancount takes account names in ASCII, under five roots.
_BEANCOUNT = {
    AccountName.APPROVED: "Equity:Approved",
    AccountName.UNALLOTTED: "Assets:Unallotted",
    AccountName.AVAILABLE: "Assets:Available",
    AccountName.RESERVED: "Assets:Reserved",
    AccountName.IN_TRANSIT: "Assets:InTransit",
    AccountName.PAID: "Expenses:Paid",
    AccountName.TO_REMIT: "Liabilities:ToRemit",
    AccountName.RECOVERED_LATE: "Equity:RecoveredLate",
    AccountName.REMITTED: "Liabilities:Remitted",
    AccountName.CARRIED: "Equity:Carried",
    AccountName.LAPSED: "Equity:Lapsed",
}


@dataclass
class Turnover:
    """What was debited to and credited to one account so far."""

    dr_fen: int = 0
    cr_fen: int = 0


@dataclass
class Turnovers:
    """By account code; the accounts of a fiscal year begin with nothing, since what is carried in is an entry."""

    of: dict[str, Turnover] = field(default_factory=dict)

    def add(self, account: str, *, dr_fen: int = 0, cr_fen: int = 0) -> Turnover:
        turnover = self.of.setdefault(account, Turnover())
        turnover.dr_fen += dr_fen
        turnover.cr_fen += cr_fen
        return turnover


def yuan(fen: int) -> Decimal:
    return Decimal(fen).scaleb(-2)


def voucher_row(entry: Entry) -> tuple[Cell, ...]:
    days = entry.booked_at.date().isoformat(), entry.effective_on.isoformat()
    signers = entry.maker or "", entry.checker or "", entry.approver or ""
    places = entry.line_id or "", entry.jurisdiction_id or ""
    return (
        entry.voucher or "",
        entry.leg,
        *days,
        entry.kind,
        entry.dr or "",
        entry.cr or "",
        yuan(entry.amount_fen),
        entry.document,
        *places,
        *signers,
        entry.seq,
    )


def detail_rows(entry: Entry, *, fiscal_year: int, turnovers: Turnovers) -> Iterator[tuple[Cell, ...]]:
    """A line for each of the two accounts that is of the year; `turnovers` move along."""
    assert entry.dr is not None
    assert entry.cr is not None
    days = entry.booked_at.date().isoformat(), entry.effective_on.isoformat()
    for account, dr_fen, cr_fen in ((entry.dr, entry.amount_fen, 0), (entry.cr, 0, entry.amount_fen)):
        if account.startswith(f"{fiscal_year}/"):
            after = _side_and_balance(account, turnover=turnovers.add(account, dr_fen=dr_fen, cr_fen=cr_fen))
            yield account, entry.seq, entry.voucher or "", *days, entry.document, yuan(dr_fen), yuan(cr_fen), *after


def balance_rows(turnovers: Turnovers) -> Iterator[tuple[Cell, ...]]:
    for account, turnover in sorted(turnovers.of.items()):
        yield account, yuan(turnover.dr_fen), yuan(turnover.cr_fen), *_side_and_balance(account, turnover=turnover)


def beancount_name(account: str) -> str:
    """For instance Assets:Reserved:Y2025:O2025:L2023-15-7n:Jnorth.

    Every account has all four parts, so that none contains another: to beancount the balance of an account is that of all below it too.
    """
    code, _, narrowed = account.removesuffix("]").partition("[")
    fiscal_year, _, name = code.partition("/")
    parts = {"origin": fiscal_year, "line": "-", "jurisdiction": "-"} | dict(each.split("=", 1) for each in narrowed.split(",") if each)
    written = [f"{part[0].upper()}{re.sub('[^A-Za-z0-9-]', '-', value)}" for part, value in parts.items()]
    return ":".join([_BEANCOUNT[AccountName(name)], f"Y{fiscal_year}", *written])


def beancount_entry(entry: Entry) -> str:
    assert entry.dr is not None
    assert entry.cr is not None
    payee, document = (text.replace("\\", "/").replace('"', "'") for text in (entry.voucher or "", entry.document))
    amount = f"{yuan(entry.amount_fen):f}"
    return (
        f'{entry.booked_at.date().isoformat()} * "{payee}" "{document}"\n  seq: {entry.seq}\n'
        f"  {beancount_name(entry.dr)}  -{amount} CNY\n  {beancount_name(entry.cr)}  {amount} CNY\n\n"
    )


def beancount_opening(account: str) -> str:
    return f"1970-01-01 open {beancount_name(account)} CNY\n"


def beancount_closing(turnovers: Turnovers, *, last_on: date) -> Iterator[str]:
    """What each account must hold the day after, to the fen (`~ 0`: a difference of one fen would pass otherwise). bean-check re-adds it."""
    after = (last_on + timedelta(days=1)).isoformat()
    for account, turnover in sorted(turnovers.of.items()):
        yield f"{after} balance {beancount_name(account)}  {yuan(turnover.cr_fen - turnover.dr_fen):f} ~ 0 CNY\n"


@dataclass
class PaidAccount:
    """One account number of a year: which organisations were paid there, and how their payment orders stand."""

    number_last_4: str
    usccs: set[str] = field(default_factory=set)
    orders: Counter[str] = field(default_factory=Counter)


def came_back(account: PaidAccount, *, more_than: int) -> str | None:
    """What is odd about it, or None."""
    returned, paid = account.orders["returned"], account.orders["paid"]
    return f"退回 {returned} 笔，支付 {paid} 笔" if returned > more_than and paid else None


def shared(account: PaidAccount, *, more_than: int) -> str | None:
    return "、".join(sorted(account.usccs)) if len(account.usccs) > more_than else None


def _side_and_balance(account: str, *, turnover: Turnover) -> tuple[str, Decimal]:
    name = account.partition("/")[2].partition("[")[0]
    grown_fen = turnover.cr_fen - turnover.dr_fen
    return ("借", yuan(-grown_fen)) if name in _DEBIT_SIDED else ("贷", yuan(grown_fen))
