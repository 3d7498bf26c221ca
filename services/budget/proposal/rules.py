"""Decisions about proposals as they come, many at once: what is refused, for whom the money suffices, and who waits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple
from uuid import UUID

from services.budget.allotment.rules import is_plain
from services.budget.close.rules import YearClosed, entry_day, year_closed, year_for_proposal
from services.budget.entry.rules import Outcome, Voucher
from services.budget.freeze.rules import Freeze
from services.budget.ledger.rules import Act, CaseMoney, Kind, Part, move, spread
from services.budget.policy.catalogue import Catalogue, Fund, WaitingRule
from services.budget.waiting.rules import LIVE, Purse, ReservationState, short_by_fen
from shared.errors import Conflict, Refusal
from shared.money import wan_text


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


class NotAllReserved(Conflict):
    code = "not-all-reserved"
    title_en = "Not every award can be reserved for, so none was"
    title_zh = "未能全部预留，本次均未办理"
    remedy_en = "Send it without atomic, or without the award that is named."
    remedy_zh = "请去掉 atomic 参数，或去掉所列案件后重试。"


class NamedTwice(Refusal):
    code = "named-twice"
    title_en = "A case is named twice in this call"
    title_zh = "同一请求中重复列出案件"


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


class Known(NamedTuple):
    """One proposal of a case that the budget has heard of."""

    proposal_id: UUID
    state: ReservationState


class Asked(NamedTuple):
    """A proposal, the act that brought it, and the trace that this act belongs to. `once`: the key of the act is good for one proposal."""

    proposal: Proposal
    act: Act
    traceparent: str | None = None
    once: bool = False


@dataclass
class Picture:
    """The money and the cases that a batch of proposals meets, as far as it concerns them; each decision changes it for the next."""

    # By year; without one there is no fund whose money could be spent in it.
    purses: dict[int, Purse]
    known: dict[UUID, list[Known]] = field(default_factory=dict)
    # What waits in each year: asked only where the list is strict, because there nobody overtakes.
    waiting_fen: dict[int, int] = field(default_factory=dict)
    # Keys of callers that have rows in the journal already.
    used_keys: set[tuple[str, str]] = field(default_factory=set)
    closed: Collection[int] = ()


class Answer(NamedTuple):
    """What one award gets: reserved, waiting, refused, or released because its release came first."""

    asked: Asked
    award: Award
    state: ReservationState
    money: CaseMoney | None = None
    refusal: Refusal | None = None
    short_by_fen: int = 0
    parts: tuple[Part, ...] = ()
    freeze: Freeze | None = None


class Repeated(NamedTuple):
    """An award that had its answer before, and the state that it is in."""

    asked: Asked
    award: Award
    state: ReservationState


@dataclass
class Decisions:
    """Of a whole batch; `vouchers` has one for each answer that the journal keeps, in the order of `journaled`."""

    answers: list[Answer] = field(default_factory=list)
    repeated: list[Repeated] = field(default_factory=list)
    vouchers: list[Voucher] = field(default_factory=list)
    journaled: list[Answer] = field(default_factory=list)


def decide(batch: Sequence[Asked], *, picture: Picture, catalogue: Catalogue) -> Decisions:
    """Answer every award, proposal after proposal; the picture is as the batch leaves it afterwards. A key that was used up is passed over."""
    decisions = Decisions()
    for asked in batch:
        if asked.once:
            used = (asked.act.caller, asked.act.key)
            if used in picture.used_keys:
                continue
            picture.used_keys.add(used)
        fund = catalogue.fund(asked.proposal.policy_id)
        answers = _answers(asked, fund=fund, picture=picture, decisions=decisions)
        decisions.answers += answers
        for answer in answers:
            if answer.state is not ReservationState.RELEASED:
                decisions.journaled.append(answer)
                decisions.vouchers.append(_voucher(answer))
    return decisions


def _answers(asked: Asked, *, fund: Fund | None, picture: Picture, decisions: Decisions) -> list[Answer]:
    proposal = asked.proposal
    answers: list[Answer] = []
    waiting: list[tuple[Award, CaseMoney]] = []
    ahead_fen = sum(picture.waiting_fen.values())
    for award in proposal.awards:
        known = picture.known.setdefault(award.application_id, [])
        before = _state_of(proposal.proposal_id, known=known)
        if before is not None and before is not ReservationState.RELEASED_EARLY:
            decisions.repeated.append(Repeated(asked, award, before))
            continue
        if before is ReservationState.RELEASED_EARLY:
            known[:] = [each for each in known if each.proposal_id != proposal.proposal_id]
            answer = Answer(asked, award, ReservationState.RELEASED)
        elif isinstance(money := _money_or_refusal(award, proposal=proposal, fund=fund, known=known, picture=picture), Refusal):
            answer = Answer(asked, award, ReservationState.REFUSED, refusal=money)
        elif parts := _parts(money, picture=picture):
            answer = Answer(asked, award, ReservationState.RESERVED, money, parts=parts)
        else:
            picture.waiting_fen[money.fiscal_year] = picture.waiting_fen.get(money.fiscal_year, 0) + money.amount_fen
            waiting.append((award, money))
            known.append(Known(proposal.proposal_id, ReservationState.WAITING))
            continue
        known.append(Known(proposal.proposal_id, answer.state))
        answers.append(answer)
    return answers + _waiting_answers(asked, waiting, ahead_fen=ahead_fen, picture=picture)


def _parts(money: CaseMoney, *, picture: Picture) -> tuple[Part, ...] | None:
    """Those who wait already could not be served with what there is: whatever adds money serves the list at once."""
    purse = picture.purses[money.fiscal_year]
    overtakes = purse.fund.waiting.waiting_rule is WaitingRule.STRICT and picture.waiting_fen.get(money.fiscal_year, 0) > 0
    return None if overtakes else purse.take(money)


def _waiting_answers(asked: Asked, waiting: Sequence[tuple[Award, CaseMoney]], *, ahead_fen: int, picture: Picture) -> list[Answer]:
    if not waiting:
        return []
    purse = picture.purses[waiting[0][1].fiscal_year]
    short = short_by_fen([money for _, money in waiting], ahead_fen=ahead_fen, purse=purse)
    return [
        Answer(asked, award, ReservationState.WAITING, money, short_by_fen=by_fen, freeze=purse.freeze_of(money))
        for (award, money), by_fen in zip(waiting, short, strict=True)
    ]


def _voucher(answer: Answer) -> Voucher:
    act = answer.asked.act
    if answer.state is ReservationState.REFUSED:
        assert answer.refusal is not None
        money = _unfunded(answer.award, proposal=answer.asked.proposal)
        leg = move(money, kind=Kind.RESERVE, document=money.case_number, effective_on=act.on)
        return Voucher(legs=(leg,), act=act, outcome=Outcome.REFUSED, reason=f"{answer.refusal.code}: {answer.refusal.detail_zh}")
    assert answer.money is not None
    leg = move(answer.money, kind=Kind.RESERVE, document=answer.money.case_number, effective_on=act.on)
    if answer.state is ReservationState.WAITING:
        reason = f"frozen: {answer.freeze.document}" if answer.freeze else f"short-by-fen: {answer.short_by_fen}"
        return Voucher(legs=(leg,), act=act, outcome=Outcome.WAITING, reason=reason)
    return Voucher(legs=(leg,) if is_plain(answer.parts, fiscal_year=leg.dr.fiscal_year) else spread(leg, parts=answer.parts), act=act)


def _unfunded(award: Award, *, proposal: Proposal) -> CaseMoney:
    """What stands in the journal of an award that no rule of a fund was found for."""
    return CaseMoney(
        application_id=award.application_id,
        proposal_id=proposal.proposal_id,
        case_number=award.case_number,
        applicant_uscc=award.applicant_uscc,
        fiscal_year=proposal.fiscal_year,
        line_id=award.line_id,
        jurisdiction_id=award.jurisdiction_id,
        amount_fen=award.amount_fen,
        policy_version=proposal.policy_id,
        funding_source="none",
        expenditure_category="none",
    )


def _state_of(proposal_id: UUID, *, known: Sequence[Known]) -> ReservationState | None:
    for each in known:
        if each.proposal_id == proposal_id:
            return each.state
    return None


def check_named_once(application_ids: Sequence[UUID]) -> None:
    seen: set[UUID] = set()
    for place, application_id in enumerate(application_ids):
        if application_id in seen:
            raise NamedTwice(
                f"{application_id} stands further up already.",
                detail_zh=f"案件{application_id}在本次请求中重复。",
                pointer=f"/awards/{place}/application_id",
            )
        seen.add(application_id)


def is_plain_year(fiscal_year: int, *, picture: Picture) -> bool:
    """Nothing but the whole fund's money of its own year, no order to stop, no rank to keep: then memory is enough to decide by."""
    purse = picture.purses.get(fiscal_year)
    if purse is None or purse.freezes or fiscal_year in picture.closed or purse.fund.waiting.waiting_rule is WaitingRule.STRICT:
        return False
    return all(is_plain([pool], fiscal_year=fiscal_year) for pool in purse.pools)


def in_open_year(asked: Asked, *, closed: Collection[int], catalogue: Catalogue) -> Asked:
    """A proposal of a year that was closed meanwhile is one of the next where policy data says so; else it stays, and is refused.

    Nor is anything booked on a day of a closed year.
    """
    fund = catalogue.fund(asked.proposal.policy_id)
    if fund is None or not closed:
        return asked
    try:
        year = year_for_proposal(asked.proposal.fiscal_year, closed=closed, late_proposal=fund.year_end.late_proposal)
    except YearClosed:
        return asked
    act = replace(asked.act, on=entry_day(asked.act.on, fiscal_year=year, closed=closed))
    return asked._replace(proposal=replace(asked.proposal, fiscal_year=year), act=act)


def _money_or_refusal(award: Award, *, proposal: Proposal, fund: Fund | None, known: Sequence[Known], picture: Picture) -> CaseMoney | Refusal:
    purse = picture.purses.get(proposal.fiscal_year)
    if fund is None:
        return UnknownPolicy(f"No fund belongs to the policy {proposal.policy_id}.", detail_zh=f"政策{proposal.policy_id}没有对应的专项资金。")
    # In the year after its last it spends what was carried (预算法 42, 实施条例 50), unless that year is another fund's.
    if not fund.spends_in(proposal.fiscal_year) or purse is None or purse.fund.id != fund.id:
        return year_outside_term(proposal.fiscal_year, fund=fund)
    if proposal.fiscal_year in picture.closed:
        return year_closed(proposal.fiscal_year, on=date(proposal.fiscal_year, 12, 31))
    line = fund.line(award.line_id)
    if line is None:
        return UnknownLine(f"The fund of {fund.id} has no line {award.line_id}.", detail_zh=f"{fund.title_zh}没有项目{award.line_id}。")
    if award.amount_fen > line.cap_fen:
        return AboveCap(
            f"{wan_text(award.amount_fen)} 万元 are above the cap of {wan_text(line.cap_fen)} 万元 ({line.clause}).",
            detail_zh=f"金额{wan_text(award.amount_fen)}万元，超出最高{wan_text(line.cap_fen)}万元（{line.clause}）。",
        )
    if known and any(each.state in LIVE for each in known):
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
        f"The fund of {fund.id} is for the fiscal years {fund.first_year} to {fund.last_year} and, with what was carried, "
        f"{fund.last_year + 1}; not for {fiscal_year} ({fund.clause}).",
        detail_zh=f"{fund.title_zh}的预算年度为{fund.first_year}年至{fund.last_year}年，结转资金可用至{fund.last_year + 1}年，"
        f"不含{fiscal_year}年（{fund.clause}）。",
    )
