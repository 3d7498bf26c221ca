"""What a posting is: accounts of the budget-quota rules, one debit and one credit, and what each movement of money must name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import NamedTuple
from uuid import UUID

from services.budget.policy.catalogue import Allotment, Fund
from shared.caller import Caller, NotYourJurisdiction
from shared.errors import Conflict
from shared.money import yuan_text


class AccountName(StrEnum):
    """Class and name; which side each of them counts on is in the table account_name."""

    APPROVED = "来源:年度批复"
    UNALLOTTED = "指标:待分配"
    AVAILABLE = "指标:可用"
    RESERVED = "指标:已预留"
    IN_TRANSIT = "支付申请:在途"
    PAID = "支付:已支付"
    TO_REMIT = "支付:上缴待缴"
    RECOVERED_LATE = "支付:上年追回"
    REMITTED = "支付:上缴财政"
    CARRIED = "结转核销:结转"
    LAPSED = "结转核销:核销"


class Kind(StrEnum):
    """What a voucher is for; each kind is numbered by itself, without gaps in a fiscal year."""

    APPROPRIATE = "appropriate"
    ALLOT = "allot"
    RESERVE = "reserve"
    RELEASE = "release"
    ORDER = "order"
    CONFIRM = "confirm"
    RETURN = "return"
    TRANSFER = "transfer"
    CLAWBACK = "clawback"
    CARRY = "carry"
    LAPSE = "lapse"
    REMIT = "remit"
    REVERSE = "reverse"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Money is kept fund-wide until a line or a jurisdiction narrows it. What is reserved belongs to one case, which stands beside the account."""

    name: AccountName
    fiscal_year: int
    origin_year: int
    line_id: str | None = None
    jurisdiction_id: str | None = None

    @cached_property
    def code(self) -> str:
        """For instance 2025/指标:可用, or 2025/支付:已支付[line=2023-15/2,jurisdiction=north]."""
        origin = None if self.origin_year == self.fiscal_year else self.origin_year
        parts = {"line": self.line_id, "jurisdiction": self.jurisdiction_id, "origin": origin}
        narrowed = ",".join(f"{name}={value}" for name, value in parts.items() if value is not None)
        return f"{self.fiscal_year}/{self.name}[{narrowed}]" if narrowed else f"{self.fiscal_year}/{self.name}"


# How the callers begin that are events.
EVENT = "event:"


@dataclass(frozen=True, kw_only=True)
class Act:
    """What a change is written for: who asked, under which key, with what content, and when in business time."""

    caller: str
    key: str
    fingerprint: bytes
    at: datetime
    on: date

    @property
    def is_call(self) -> bool:
        """Then its key is good for one content. That of an event is the proposal, about which many may come."""
        return not self.caller.startswith(EVENT)


class Signers(NamedTuple):
    maker: str | None = None
    checker: str | None = None
    approver: str | None = None


UNSIGNED = Signers()


class CaseMoney(NamedTuple):
    """The money of one proposal of one case, with all that each of its postings must name."""

    application_id: UUID
    proposal_id: UUID
    case_number: str
    applicant_uscc: str
    fiscal_year: int
    line_id: str
    jurisdiction_id: str
    amount_fen: int
    policy_version: str
    funding_source: str
    expenditure_category: str


class Posting(NamedTuple):
    kind: Kind
    dr: Account
    cr: Account
    amount_fen: int
    policy_version: str
    funding_source: str
    document: str
    effective_on: date
    line_id: str | None = None
    jurisdiction_id: str | None = None
    application_id: UUID | None = None
    proposal_id: UUID | None = None
    expenditure_category: str | None = None
    signers: Signers = UNSIGNED


class Part(NamedTuple):
    """What a case has from one pool, an account of the name AVAILABLE; a release gives it back there."""

    pool: Account
    amount_fen: int


@dataclass(frozen=True, kw_only=True)
class Terms:
    """One level of the budget as of a row of the journal: what is free there, and what its cases hold in front of it.

    `allotted_fen` is free further down: whatever was allotted already, or to a narrower pool, stands in the way.
    """

    level: Account
    available_fen: int
    reserved_fen: int
    in_transit_fen: int
    paid_fen: int
    as_of_seq: int
    allotted_fen: int = 0


class InsufficientBudget(Conflict):
    code = "insufficient-budget"
    title_en = "Less is free than is asked for"
    title_zh = "可用资金不足"
    remedy_en = "Ask for no more than is free, or release reservations first; what is on its way or paid stays where it is."
    remedy_zh = "请按可用余额办理，或先释放预留资金；在途和已支付资金不得变动。"


def check_sufficient(terms: Terms, *, requested_fen: int) -> None:
    """All that is free may be taken; a fen more is refused with every term (预算法 13: nothing outside the budget)."""
    if requested_fen <= terms.available_fen:
        return
    held_fen = terms.reserved_fen + terms.in_transit_fen + terms.paid_fen + terms.allotted_fen
    allotted_en = f", allotted {yuan_text(terms.allotted_fen)}" if terms.allotted_fen else ""
    allotted_zh = f"、已分配未使用{yuan_text(terms.allotted_fen)}元" if terms.allotted_fen else ""
    raise InsufficientBudget(
        f"{yuan_text(requested_fen)} yuan are asked of {terms.level.code}, {yuan_text(terms.available_fen)} yuan are free; in the way stand "
        f"{yuan_text(held_fen)} yuan: reserved {yuan_text(terms.reserved_fen)}, in transit {yuan_text(terms.in_transit_fen)}, "
        f"paid {yuan_text(terms.paid_fen)}{allotted_en} (as of entry {terms.as_of_seq}).",
        detail_zh=f"需从{terms.level.code}调出{yuan_text(requested_fen)}元，可用{yuan_text(terms.available_fen)}元；已占用{yuan_text(held_fen)}元，"
        f"其中预留{yuan_text(terms.reserved_fen)}元、在途{yuan_text(terms.in_transit_fen)}元、已支付{yuan_text(terms.paid_fen)}元{allotted_zh}（截至第{terms.as_of_seq}号分录）。",
        facts={
            "level": terms.level.code,
            "requested_fen": requested_fen,
            "available_fen": terms.available_fen,
            "reserved_fen": terms.reserved_fen,
            "in_transit_fen": terms.in_transit_fen,
            "paid_fen": terms.paid_fen,
            "allotted_fen": terms.allotted_fen,
            "as_of_seq": terms.as_of_seq,
        },
    )


# From which account to which: the first is debited, the second credited.
_MOVES: Mapping[Kind, tuple[AccountName, AccountName]] = {
    Kind.RESERVE: (AccountName.AVAILABLE, AccountName.RESERVED),
    Kind.RELEASE: (AccountName.RESERVED, AccountName.AVAILABLE),
    Kind.ORDER: (AccountName.RESERVED, AccountName.IN_TRANSIT),
    Kind.CONFIRM: (AccountName.IN_TRANSIT, AccountName.PAID),
}


def appropriate(fund: Fund, *, fiscal_year: int, amount_fen: int, document: str, effective_on: date, maker: str) -> tuple[Posting, ...]:
    """The year's money comes in, and is free for the whole fund at once unless policy data has it allotted by line."""
    incoming = approved_account(fiscal_year)
    unallotted = unallotted_account(fiscal_year)
    appropriated = move_in_fund(
        fund,
        kind=Kind.APPROPRIATE,
        dr=incoming,
        cr=unallotted,
        amount_fen=amount_fen,
        document=document,
        effective_on=effective_on,
        signers=Signers(maker=maker),
    )
    if fund.allotment.allotment is Allotment.BY_LINE:
        return (appropriated,)
    return appropriated, appropriated._replace(kind=Kind.ALLOT, dr=unallotted, cr=available_account(fiscal_year))


def move_in_fund(
    fund: Fund, *, kind: Kind, dr: Account, cr: Account, amount_fen: int, document: str, effective_on: date, signers: Signers = UNSIGNED
) -> Posting:
    """Money that belongs to no case; where it goes says of which line and jurisdiction it is, else where it came from."""
    return Posting(
        kind=kind,
        dr=dr,
        cr=cr,
        amount_fen=amount_fen,
        policy_version=fund.version,
        funding_source=fund.funding_source,
        document=document,
        effective_on=effective_on,
        line_id=cr.line_id or dr.line_id,
        jurisdiction_id=cr.jurisdiction_id or dr.jurisdiction_id,
        signers=signers,
    )


def move(case: CaseMoney, *, kind: Kind, document: str, effective_on: date, signers: Signers = UNSIGNED) -> Posting:
    """Reserve, release, order or confirm the whole money of a case."""
    dr, cr = _between(*_MOVES[kind], case.fiscal_year, case.line_id, case.jurisdiction_id)
    return case_posting(case, kind=kind, dr=dr, cr=cr, amount_fen=case.amount_fen, document=document, effective_on=effective_on, signers=signers)


def return_money(case: CaseMoney, *, was: AccountName, document: str, effective_on: date, signers: Signers) -> Posting:
    """The bank sent it back: reserved for the same case again, spendable by nobody else (预算法 57: payment follows the budget)."""
    assert was in (AccountName.IN_TRANSIT, AccountName.PAID)
    dr, cr = _between(was, AccountName.RESERVED, case.fiscal_year, case.line_id, case.jurisdiction_id)
    return case_posting(
        case, kind=Kind.RETURN, dr=dr, cr=cr, amount_fen=case.amount_fen, document=document, effective_on=effective_on, signers=signers
    )


def spread(posting: Posting, *, parts: Sequence[Part]) -> tuple[Posting, ...]:
    """A movement of a case's whole money, over the pools that it is from: a leg for each two accounts.

    Reserve takes from each pool and release gives back to each; in between the years of origin stay apart.
    """
    assert sum(part.amount_fen for part in parts) == posting.amount_fen, "the parts are the whole money of the case"
    by_accounts: dict[tuple[Account, Account], int] = {}
    for part in parts:
        accounts = (_of_pool(posting.dr, pool=part.pool), _of_pool(posting.cr, pool=part.pool))
        by_accounts[accounts] = by_accounts.get(accounts, 0) + part.amount_fen
    return tuple(posting._replace(dr=dr, cr=cr, amount_fen=fen) for (dr, cr), fen in by_accounts.items())


def return_after_close(case: CaseMoney, *, open_year: int, document: str, effective_on: date, signers: Signers) -> Posting:
    """What the bank sends back once the year of its payment is closed: the closed year stays as it is, the open one holds it for the same case."""
    assert case.fiscal_year < open_year
    recovered = Account(name=AccountName.RECOVERED_LATE, fiscal_year=open_year, origin_year=case.fiscal_year)
    reserved = case_account(case, name=AccountName.RESERVED, fiscal_year=open_year, origin_year=case.fiscal_year)
    return case_posting(
        case,
        kind=Kind.RETURN,
        dr=recovered,
        cr=reserved,
        amount_fen=case.amount_fen,
        document=document,
        effective_on=effective_on,
        signers=signers,
    )


def approved_account(fiscal_year: int) -> Account:
    return _of_year(AccountName.APPROVED, fiscal_year=fiscal_year)


def available_account(fiscal_year: int) -> Account:
    return _of_year(AccountName.AVAILABLE, fiscal_year=fiscal_year)


def unallotted_account(fiscal_year: int) -> Account:
    return _of_year(AccountName.UNALLOTTED, fiscal_year=fiscal_year)


def case_account(case: CaseMoney, *, name: AccountName, fiscal_year: int, origin_year: int) -> Account:
    """Of the line and jurisdiction of a case; that the money is the case's own is said by the posting, which names it."""
    return account(name, fiscal_year=fiscal_year, origin_year=origin_year, line_id=case.line_id, jurisdiction_id=case.jurisdiction_id)


# Accounts are few, and every posting names two.
@lru_cache(maxsize=10_000)
def account(name: AccountName, *, fiscal_year: int, origin_year: int, line_id: str | None, jurisdiction_id: str | None) -> Account:
    return Account(name=name, fiscal_year=fiscal_year, origin_year=origin_year, line_id=line_id, jurisdiction_id=jurisdiction_id)


def require_whole_city(caller: Caller) -> None:
    """The fund is the city's: who is bound to a district neither moves it nor reads it as a whole."""
    if caller.jurisdictions is not None:
        raise NotYourJurisdiction(
            "This concerns the fund as a whole; you are bound to single jurisdictions.", detail_zh="此事项涉及全市资金，您的权限仅限于所辖区域。"
        )


def _of_year(name: AccountName, *, fiscal_year: int) -> Account:
    return account(name, fiscal_year=fiscal_year, origin_year=fiscal_year, line_id=None, jurisdiction_id=None)


def _of_pool(account: Account, *, pool: Account) -> Account:
    return pool if account.name is AccountName.AVAILABLE else replace(account, fiscal_year=pool.fiscal_year, origin_year=pool.origin_year)


@lru_cache(maxsize=10_000)
def _between(source: AccountName, target: AccountName, fiscal_year: int, line_id: str, jurisdiction_id: str) -> tuple[Account, Account]:
    """The two accounts of a movement within the case's own year: free money is the fund's, all else of its line and jurisdiction."""

    def of(name: AccountName) -> Account:
        if name is AccountName.AVAILABLE:
            return available_account(fiscal_year)
        return account(name, fiscal_year=fiscal_year, origin_year=fiscal_year, line_id=line_id, jurisdiction_id=jurisdiction_id)

    return of(source), of(target)


def case_posting(
    case: CaseMoney, *, kind: Kind, dr: Account, cr: Account, amount_fen: int, document: str, effective_on: date, signers: Signers
) -> Posting:
    return Posting(
        kind=kind,
        dr=dr,
        cr=cr,
        amount_fen=amount_fen,
        policy_version=case.policy_version,
        funding_source=case.funding_source,
        document=document,
        effective_on=effective_on,
        line_id=case.line_id,
        jurisdiction_id=case.jurisdiction_id,
        application_id=case.application_id,
        proposal_id=case.proposal_id,
        expenditure_category=case.expenditure_category,
        signers=signers,
    )
