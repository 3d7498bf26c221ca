"""What a posting is: accounts of the budget-quota rules, one debit and one credit, and what each movement of money must name."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.budget.policy.catalogue import Fund
from shared.caller import Caller, NotYourJurisdiction


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
    """Its code is unique. Money is kept fund-wide until a line or a jurisdiction narrows it; what is reserved belongs to one case."""

    name: AccountName
    fiscal_year: int
    origin_year: int
    line_id: str | None = None
    jurisdiction_id: str | None = None
    application_id: UUID | None = None

    @property
    def code(self) -> str:
        """For instance 2025/指标:可用, or 2025/支付:已支付[line=2023-15/2,jurisdiction=north]."""
        origin = None if self.origin_year == self.fiscal_year else self.origin_year
        parts = {"line": self.line_id, "jurisdiction": self.jurisdiction_id, "case": self.application_id, "origin": origin}
        narrowed = ",".join(f"{name}={value}" for name, value in parts.items() if value is not None)
        return f"{self.fiscal_year}/{self.name}[{narrowed}]" if narrowed else f"{self.fiscal_year}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Act:
    """What a change is written for: who asked, under which key, with what content, and when in business time."""

    caller: str
    key: str
    fingerprint: bytes
    at: datetime
    on: date


@dataclass(frozen=True, kw_only=True)
class Signers:
    maker: str | None = None
    checker: str | None = None
    approver: str | None = None


UNSIGNED = Signers()


@dataclass(frozen=True, kw_only=True)
class CaseMoney:
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


@dataclass(frozen=True, kw_only=True)
class Posting:
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


# From which account to which: the first is debited, the second credited.
_MOVES: Mapping[Kind, tuple[AccountName, AccountName]] = {
    Kind.RESERVE: (AccountName.AVAILABLE, AccountName.RESERVED),
    Kind.RELEASE: (AccountName.RESERVED, AccountName.AVAILABLE),
    Kind.ORDER: (AccountName.RESERVED, AccountName.IN_TRANSIT),
    Kind.CONFIRM: (AccountName.IN_TRANSIT, AccountName.PAID),
}


def appropriate(fund: Fund, *, fiscal_year: int, amount_fen: int, document: str, effective_on: date, maker: str) -> tuple[Posting, Posting]:
    """The year's money comes in and is free for the whole fund at once."""

    def posting(kind: Kind, *, source: AccountName, target: AccountName) -> Posting:
        return Posting(
            kind=kind,
            dr=Account(name=source, fiscal_year=fiscal_year, origin_year=fiscal_year),
            cr=Account(name=target, fiscal_year=fiscal_year, origin_year=fiscal_year),
            amount_fen=amount_fen,
            policy_version=fund.version,
            funding_source=fund.funding_source,
            document=document,
            effective_on=effective_on,
            signers=Signers(maker=maker),
        )

    return (
        posting(Kind.APPROPRIATE, source=AccountName.APPROVED, target=AccountName.UNALLOTTED),
        posting(Kind.ALLOT, source=AccountName.UNALLOTTED, target=AccountName.AVAILABLE),
    )


def move(case: CaseMoney, *, kind: Kind, document: str, effective_on: date, signers: Signers = UNSIGNED) -> Posting:
    """Reserve, release, order or confirm the whole money of a case."""
    source, target = _MOVES[kind]
    return _case_move(case, kind=kind, source=source, target=target, document=document, effective_on=effective_on, signers=signers)


def return_money(case: CaseMoney, *, was: AccountName, document: str, effective_on: date, signers: Signers) -> Posting:
    """The bank sent it back: reserved for the same case again, spendable by nobody else (预算法 57: payment follows the budget)."""
    assert was in (AccountName.IN_TRANSIT, AccountName.PAID)
    return _case_move(case, kind=Kind.RETURN, source=was, target=AccountName.RESERVED, document=document, effective_on=effective_on, signers=signers)


def available_account(fiscal_year: int) -> Account:
    return Account(name=AccountName.AVAILABLE, fiscal_year=fiscal_year, origin_year=fiscal_year)


def require_whole_city(caller: Caller) -> None:
    """The fund is the city's: who is bound to a district neither moves it nor reads it as a whole."""
    if caller.jurisdictions is not None:
        raise NotYourJurisdiction(
            "This concerns the fund as a whole; you are bound to single jurisdictions.", detail_zh="此事项涉及全市资金，您的权限仅限于所辖区域。"
        )


def _case_account(case: CaseMoney, name: AccountName) -> Account:
    if name is AccountName.AVAILABLE:
        return available_account(case.fiscal_year)
    return Account(
        name=name,
        fiscal_year=case.fiscal_year,
        origin_year=case.fiscal_year,
        line_id=case.line_id,
        jurisdiction_id=case.jurisdiction_id,
        application_id=case.application_id if name is AccountName.RESERVED else None,
    )


def _case_move(
    case: CaseMoney, *, kind: Kind, source: AccountName, target: AccountName, document: str, effective_on: date, signers: Signers
) -> Posting:
    return Posting(
        kind=kind,
        dr=_case_account(case, source),
        cr=_case_account(case, target),
        amount_fen=case.amount_fen,
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
