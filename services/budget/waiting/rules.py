"""Decisions about proposals: what is refused, whom the money suffices for, and what a release finds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from services.budget.ledger.rules import CaseMoney
from services.budget.policy.catalogue import Fund, WaitingRule
from shared.errors import Conflict, Refusal
from shared.money import wan_text, yuan_text


class ReservationState(StrEnum):
    """`RELEASED_EARLY` is a tombstone: the release came before its proposal."""

    WAITING = "waiting"
    RESERVED = "reserved"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    RELEASED = "released"
    RELEASED_EARLY = "released_early"
    REFUSED = "refused"


LIVE = frozenset({ReservationState.WAITING, ReservationState.RESERVED, ReservationState.IN_TRANSIT, ReservationState.PAID})


class UnknownPolicy(Refusal):
    code = "unknown-policy"
    title_en = "No fund of this policy"
    title_zh = "该政策没有对应资金"


class YearOutsideTerm(Refusal):
    code = "year-outside-term"
    title_en = "A fiscal year outside the term of the policy"
    title_zh = "预算年度不在政策期限内"


class UnknownLine(Refusal):
    code = "unknown-line"
    title_en = "No such budget line"
    title_zh = "没有该资金项目"


class AboveCap(Refusal):
    code = "above-cap"
    title_en = "Above the cap of the budget line"
    title_zh = "超出该项目的最高金额"


class AlreadyHeld(Conflict):
    code = "already-held"
    title_en = "The case already has another proposal"
    title_zh = "该案件已有其他资金安排"


class MoneyOnItsWay(Conflict):
    code = "money-on-its-way"
    title_en = "The payment is on its way"
    title_zh = "款项已在支付途中"


class AlreadyPaid(Conflict):
    code = "already-paid"
    title_en = "The award is paid"
    title_zh = "款项已支付"


@dataclass(frozen=True, kw_only=True)
class Award:
    application_id: UUID
    case_number: str
    applicant_uscc: str
    line_id: str
    jurisdiction_id: str
    amount_fen: int


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """An ordered list of awards to be funded in one fiscal year."""

    proposal_id: UUID
    fiscal_year: int
    policy_id: str
    awards: tuple[Award, ...]


@dataclass(frozen=True)
class Known:
    """One proposal of a case that the budget has heard of."""

    proposal_id: UUID
    state: ReservationState


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Every award of a proposal is in one of these, in the order of the list. `repeated` had its answer before."""

    listed: Sequence[CaseMoney]
    refused: Sequence[tuple[Award, Refusal]]
    released_early: Sequence[Award]
    repeated: Sequence[tuple[Award, ReservationState]]


class Release(StrEnum):
    """What a release does to a proposal that is known."""

    FREE_MONEY = "free_money"
    LEAVE_LIST = "leave_list"
    NEVER_HELD = "never_held"
    REPEATED = "repeated"


def judge_proposal(proposal: Proposal, *, fund: Fund | None, known: Mapping[UUID, Sequence[Known]]) -> Judged:
    """`fund` is that of the proposal's policy, `known` what was heard before of each case."""
    listed: list[CaseMoney] = []
    refused: list[tuple[Award, Refusal]] = []
    released_early: list[Award] = []
    repeated: list[tuple[Award, ReservationState]] = []
    seen: dict[UUID, ReservationState] = {}
    for award in proposal.awards:
        before = _state_of(proposal.proposal_id, known=known.get(award.application_id, ())) or seen.get(award.application_id)
        if before is ReservationState.RELEASED_EARLY and award.application_id not in seen:
            released_early.append(award)
            seen[award.application_id] = ReservationState.RELEASED
        elif before is not None:
            repeated.append((award, before))
        elif isinstance(money := _money_or_refusal(award, proposal=proposal, fund=fund, known=known), Refusal):
            refused.append((award, money))
            seen[award.application_id] = ReservationState.REFUSED
        else:
            listed.append(money)
            seen[award.application_id] = ReservationState.WAITING
    return Judged(listed=listed, refused=refused, released_early=released_early, repeated=repeated)


def choose_served(waiting: Iterable[CaseMoney], *, available_fen: int, rule: WaitingRule) -> list[CaseMoney]:
    """Whom the money suffices for, in rank order; together they never need more than is available."""
    served: list[CaseMoney] = []
    for money in waiting:
        if money.amount_fen <= available_fen:
            served.append(money)
            available_fen -= money.amount_fen
        elif rule is WaitingRule.STRICT:
            break
    return served


def short_by_fen(waiting: Iterable[CaseMoney], *, ahead_fen: int, available_fen: int, rule: WaitingRule) -> list[int]:
    """How much more must come before each of these is funded. `ahead_fen` waits before the first of them, and counts under the strict rule."""
    short: list[int] = []
    for money in waiting:
        ahead_fen += money.amount_fen
        needed_fen = ahead_fen if rule is WaitingRule.STRICT else money.amount_fen
        short.append(needed_fen - available_fen)
    return short


def judge_release(state: ReservationState, *, money_fen: int) -> Release:
    """Raises MoneyOnItsWay or AlreadyPaid: the approver's act was the last moment at which the money could be had back."""
    if state is ReservationState.IN_TRANSIT:
        raise MoneyOnItsWay(
            f"{yuan_text(money_fen)} yuan were approved for payment; wait for the bank's answer.",
            detail_zh=f"{yuan_text(money_fen)}元已经财政审批支付，请等待银行回执。",
        )
    if state is ReservationState.PAID:
        raise AlreadyPaid(
            f"{yuan_text(money_fen)} yuan were paid; they can only be recovered.", detail_zh=f"{yuan_text(money_fen)}元已支付，只能按规定追回。"
        )
    if state is ReservationState.RESERVED:
        return Release.FREE_MONEY
    if state is ReservationState.WAITING:
        return Release.LEAVE_LIST
    return Release.NEVER_HELD if state is ReservationState.REFUSED else Release.REPEATED


def _state_of(proposal_id: UUID, *, known: Sequence[Known]) -> ReservationState | None:
    return next((each.state for each in known if each.proposal_id == proposal_id), None)


def _money_or_refusal(award: Award, *, proposal: Proposal, fund: Fund | None, known: Mapping[UUID, Sequence[Known]]) -> CaseMoney | Refusal:
    if fund is None:
        return UnknownPolicy(f"No fund belongs to the policy {proposal.policy_id}.", detail_zh=f"政策{proposal.policy_id}没有对应的专项资金。")
    if not fund.covers(proposal.fiscal_year):
        return year_outside_term(proposal.fiscal_year, fund=fund)
    line = fund.line(award.line_id)
    if line is None:
        return UnknownLine(f"The fund of {fund.id} has no line {award.line_id}.", detail_zh=f"{fund.title_zh}没有项目{award.line_id}。")
    if award.amount_fen > line.cap_fen:
        return AboveCap(
            f"{wan_text(award.amount_fen)} 万元 are above the cap of {wan_text(line.cap_fen)} 万元 ({line.clause}).",
            detail_zh=f"金额{wan_text(award.amount_fen)}万元，超出最高{wan_text(line.cap_fen)}万元（{line.clause}）。",
        )
    if any(each.state in LIVE for each in known.get(award.application_id, ())):
        return AlreadyHeld(
            f"Case {award.case_number} has another proposal that is not released.", detail_zh=f"案件{award.case_number}已有未释放的资金安排。"
        )
    return CaseMoney(
        application_id=award.application_id,
        proposal_id=proposal.proposal_id,
        case_number=award.case_number,
        applicant_uscc=award.applicant_uscc,
        fiscal_year=proposal.fiscal_year,
        line_id=line.id,
        jurisdiction_id=award.jurisdiction_id,
        amount_fen=award.amount_fen,
        policy_version=fund.version_of(line),
        funding_source=fund.funding_source,
        expenditure_category=line.expenditure_category,
    )


def year_outside_term(fiscal_year: int, *, fund: Fund) -> YearOutsideTerm:
    return YearOutsideTerm(
        f"The fund of {fund.id} is for the fiscal years {fund.first_year} to {fund.last_year}, not {fiscal_year} ({fund.clause}).",
        detail_zh=f"{fund.title_zh}的预算年度为{fund.first_year}年至{fund.last_year}年，不含{fiscal_year}年（{fund.clause}）。",
    )
