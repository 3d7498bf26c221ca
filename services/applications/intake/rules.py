"""Decisions about filing and about the states of a case: the one table of who may move it from where to where."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from services.applications.claim.rules import Claim, check_amount, check_days, complete_claim, once_key
from services.applications.evidence.rules import Evidence, check_evidence, missing_evidence
from services.applications.item.rules import UNVERIFIED_TITLES_ZH, Applicant, Park, Unverified, check_eligibility, item_for_filing
from services.applications.policy.catalogue import Acceptance, Catalogue, Decider, Item, MoneyStepId, Policy, Stage
from shared.errors import Conflict, Refusal


class StepNotAllowed(Conflict):
    code = "step-not-allowed"
    title_en = "The state of the case does not allow this step"
    title_zh = "案件当前状态不允许此操作"


class ApplicantUnverified(Conflict):
    code = "applicant-unverified"
    title_en = "Acceptance waits for facts from the registry"
    title_zh = "登记信息尚未核实，暂不能受理"
    remedy_en = "The fact arrives by itself once the registry has it; then accept the application."
    remedy_zh = "相关信息登记入库后会自动更新，届时即可受理。"


class State(StrEnum):
    FILED = "filed"
    RETURNED = "returned"
    ACCEPTED = "accepted"
    # The stage of the review is kept beside the state.
    IN_REVIEW = "in_review"
    PROPOSED = "proposed"
    WAITING_FOR_FUNDS = "waiting_for_funds"
    FUNDED = "funded"
    ON_NOTICE = "on_notice"
    SUSPENDED = "suspended"
    CONFIRMED = "confirmed"
    PAYING = "paying"
    PAID = "paid"
    # What was ordered back of the payment is received. The support was had, so the once key stays.
    CLAWED_BACK = "clawed_back"
    # On its way out while money may be held; origin and target are kept beside the state.
    RELEASING = "releasing"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


# Each end gives the once key back: the support was not had.
ENDED = frozenset({State.REFUSED, State.WITHDRAWN, State.LAPSED})
# Until its acceptance the filing may be corrected, and what the registry knows of the applicant is looked at anew.
BEFORE_ACCEPTANCE = frozenset({State.FILED, State.RETURNED})
# Here the budget holds money for the case, or may do so at any moment: every exit goes through RELEASING.
MONEY_MAY_BE_HELD = frozenset({State.PROPOSED, State.WAITING_FOR_FUNDS, State.FUNDED, State.ON_NOTICE, State.SUSPENDED, State.CONFIRMED})


class Actor(StrEnum):
    """Whose act moves the case. A district's or the portal's system acts as the filer or as the reviewer it names."""

    FILER = "filer"
    ACCEPTOR = "acceptor"
    REVIEWER = "reviewer"
    CITY = "city"
    BUDGET = "budget"
    CLOCK = "clock"


class Transition(NamedTuple):
    """`event` is what applications announces about it; None as `source` is the birth of the case."""

    source: State | None
    target: State
    by: Actor
    event: str


def _rows(sources: tuple[State | None, ...], target: State, by: Actor, event: str) -> tuple[Transition, ...]:
    return tuple(Transition(source, target, by, f"applications.{event}.v1") for source in sources)


# Where a refused release may find the case again: where it was, or where the payment had got to in the meantime.
_RELEASE_UNDONE_TO = (*sorted(MONEY_MAY_BE_HELD), State.PAYING, State.PAID)

TRANSITIONS: tuple[Transition, ...] = (
    *_rows((None,), State.FILED, Actor.FILER, "application_filed"),
    *_rows((State.FILED, State.RETURNED), State.FILED, Actor.FILER, "application_corrected"),
    *_rows((State.FILED,), State.RETURNED, Actor.ACCEPTOR, "correction_asked"),
    *_rows((State.FILED,), State.REFUSED, Actor.ACCEPTOR, "application_refused"),
    *_rows((State.FILED,), State.ACCEPTED, Actor.ACCEPTOR, "application_accepted"),
    *_rows((State.RETURNED,), State.LAPSED, Actor.CLOCK, "application_lapsed"),
    *_rows((State.ACCEPTED, State.IN_REVIEW), State.IN_REVIEW, Actor.REVIEWER, "review_decided"),
    *_rows((State.ACCEPTED, State.IN_REVIEW), State.RETURNED, Actor.REVIEWER, "correction_asked"),
    *_rows((State.ACCEPTED, State.IN_REVIEW), State.REFUSED, Actor.REVIEWER, "application_refused"),
    *_rows((State.FILED, State.RETURNED, State.ACCEPTED, State.IN_REVIEW), State.WITHDRAWN, Actor.FILER, "application_withdrawn"),
    *_rows((State.IN_REVIEW,), State.PROPOSED, Actor.CITY, "application_proposed"),
    *_rows((State.PROPOSED, State.WAITING_FOR_FUNDS), State.FUNDED, Actor.BUDGET, "application_funded"),
    *_rows((State.PROPOSED,), State.WAITING_FOR_FUNDS, Actor.BUDGET, "application_waiting"),
    *_rows((State.PROPOSED,), State.IN_REVIEW, Actor.BUDGET, "funding_refused"),
    # The waiting list lapses at the end of the year where policy data says so: nothing is held, so nothing is asked.
    *_rows((State.WAITING_FOR_FUNDS,), State.LAPSED, Actor.BUDGET, "application_lapsed"),
    *_rows((State.FUNDED,), State.ON_NOTICE, Actor.CITY, "notice_opened"),
    *_rows((State.ON_NOTICE,), State.SUSPENDED, Actor.CITY, "case_suspended"),
    *_rows((State.SUSPENDED,), State.ON_NOTICE, Actor.CITY, "case_resumed"),
    *_rows((State.ON_NOTICE,), State.CONFIRMED, Actor.CLOCK, "award_confirmed"),
    *_rows((State.CONFIRMED,), State.PAYING, Actor.BUDGET, "payment_started"),
    *_rows((State.PAYING,), State.PAID, Actor.BUDGET, "application_paid"),
    *_rows((State.PAYING, State.PAID), State.CONFIRMED, Actor.BUDGET, "payment_returned"),
    *_rows((State.PAID,), State.CLAWED_BACK, Actor.BUDGET, "application_clawed_back"),
    *_rows(tuple(sorted(MONEY_MAY_BE_HELD)), State.RELEASING, Actor.FILER, "release_requested"),
    *_rows(tuple(sorted(MONEY_MAY_BE_HELD)), State.RELEASING, Actor.CITY, "release_requested"),
    *_rows((State.RELEASING,), State.REFUSED, Actor.BUDGET, "application_refused"),
    *_rows((State.RELEASING,), State.WITHDRAWN, Actor.BUDGET, "application_withdrawn"),
    *_rows((State.RELEASING,), State.LAPSED, Actor.BUDGET, "application_lapsed"),
    *(row for target in _RELEASE_UNDONE_TO for row in _rows((State.RELEASING,), target, Actor.BUDGET, "release_undone")),
)
_BY_STEP = {(each.source, each.target, each.by): each for each in TRANSITIONS}
# Who may ask for which end of a case that money may be held for.
_EXIT_BY_TARGET = {State.WITHDRAWN: Actor.FILER, State.REFUSED: Actor.CITY}


class BudgetAnswer(StrEnum):
    """What the budget says about the case, by the name of its event."""

    FUNDS_RESERVED = "budget.funds_reserved.v1"
    FUNDS_WAITING = "budget.funds_waiting.v1"
    RESERVATION_REFUSED = "budget.reservation_refused.v1"
    FUNDS_RELEASED = "budget.funds_released.v1"
    RELEASE_REFUSED = "budget.release_refused.v1"
    PAYMENT_ORDERED = "budget.payment_ordered.v1"
    PAYMENT_CONFIRMED = "budget.payment_confirmed.v1"
    PAYMENT_RETURNED = "budget.payment_returned.v1"
    PAYMENT_CLAWED_BACK = "budget.payment_clawed_back.v1"

    @property
    def step_id(self) -> MoneyStepId:
        return MoneyStepId(self.value.split(".")[1])


_MOVED_BY_ANSWER = {
    (State.PROPOSED, BudgetAnswer.FUNDS_RESERVED): State.FUNDED,
    (State.PROPOSED, BudgetAnswer.FUNDS_WAITING): State.WAITING_FOR_FUNDS,
    (State.PROPOSED, BudgetAnswer.RESERVATION_REFUSED): State.IN_REVIEW,
    (State.WAITING_FOR_FUNDS, BudgetAnswer.FUNDS_RESERVED): State.FUNDED,
    (State.WAITING_FOR_FUNDS, BudgetAnswer.FUNDS_RELEASED): State.LAPSED,
    (State.CONFIRMED, BudgetAnswer.PAYMENT_ORDERED): State.PAYING,
    (State.PAYING, BudgetAnswer.PAYMENT_CONFIRMED): State.PAID,
    (State.PAYING, BudgetAnswer.PAYMENT_RETURNED): State.CONFIRMED,
    (State.PAID, BudgetAnswer.PAYMENT_RETURNED): State.CONFIRMED,
    (State.PAID, BudgetAnswer.PAYMENT_CLAWED_BACK): State.CLAWED_BACK,
}


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a case stands. While RELEASING, `target` is the end it is on its way to and `origin` where a refused release puts it back."""

    state: State
    target: State | None = None
    origin: State | None = None

    def __post_init__(self) -> None:
        assert (self.state is State.RELEASING) == (self.target is not None) == (self.origin is not None)


def check_transition(source: State | None, *, target: State, by: Actor) -> Transition:
    """The row of the table that allows this step, or StepNotAllowed."""
    found = _BY_STEP.get((source, target, by))
    if found is None:
        raise _step_not_allowed(source, target=target, by=by)
    return found


def leave(state: State, *, target: State, by: Actor) -> tuple[Position, Transition]:
    """Refuse or withdraw a case; where money may be held this only asks the budget to release it."""
    if state not in MONEY_MAY_BE_HELD:
        return Position(state=target), check_transition(state, target=target, by=by)
    if _EXIT_BY_TARGET.get(target) is not by:
        raise _step_not_allowed(state, target=target, by=by)
    return Position(state=State.RELEASING, target=target, origin=state), check_transition(state, target=State.RELEASING, by=by)


def after_answer(position: Position, *, answer: BudgetAnswer) -> tuple[Position, Transition | None] | None:
    """Where an answer about this proposal puts the case. None: it came late, is recorded in the history and dropped.

    While RELEASING, answers that crossed the release on their way move only the origin, and nothing is announced yet. A refused reservation
    moves nothing: no money is held, so the release will be granted.
    """
    if position.state is not State.RELEASING:
        target = _MOVED_BY_ANSWER.get((position.state, answer))
        return None if target is None else _moved(position.state, target=target)
    assert position.target is not None
    assert position.origin is not None
    if answer is BudgetAnswer.FUNDS_RELEASED:
        return _moved(State.RELEASING, target=position.target)
    if answer is BudgetAnswer.RELEASE_REFUSED:
        return _moved(State.RELEASING, target=position.origin)
    origin = _MOVED_BY_ANSWER.get((position.origin, answer))
    return (Position(state=State.RELEASING, target=position.target, origin=origin), None) if origin in _RELEASE_UNDONE_TO else None


def _moved(state: State, *, target: State) -> tuple[Position, Transition]:
    return Position(state=target), check_transition(state, target=target, by=Actor.BUDGET)


def _step_not_allowed(source: State | None, *, target: State, by: Actor) -> StepNotAllowed:
    from_zh, from_en = (STATE_TEXTS[source].title_zh, STATE_TEXTS[source].title_en) if source else ("新建", "new")
    possible = sorted(each.target.value for each in TRANSITIONS if each.source is source and each.by is by)
    return StepNotAllowed(
        f"The case is {from_en!r}; from there the {by} cannot bring it to {STATE_TEXTS[target].title_en!r}.",
        detail_zh=f"案件当前为“{from_zh}”，不能由此变更为“{STATE_TEXTS[target].title_zh}”。",
        facts={"state": source.value if source else "new", "possible": possible},
    )


class StateText(NamedTuple):
    """What people read; `{stage}` is the title of the review stage."""

    title_zh: str
    title_en: str
    next_zh: str
    next_en: str


STATE_TEXTS: dict[State, StateText] = {
    State.FILED: StateText("已申报", "filed", "等待受理审查。", "The documents are checked for acceptance."),
    State.RETURNED: StateText("待补正", "returned", "请在期限内补正后重新提交。", "Correct what is listed and send it again by the day shown."),
    State.ACCEPTED: StateText("已受理", "accepted", "等待{stage}。", "Waits for: {stage}."),
    State.IN_REVIEW: StateText("审核中", "in review", "正在进行{stage}。", "In progress: {stage}."),
    State.PROPOSED: StateText("已提请安排资金", "proposed", "等待资金安排结果。", "Waits for the budget's answer."),
    State.WAITING_FOR_FUNDS: StateText("等待资金", "waiting for funds", "审核已通过，按排序等待资金。", "Approved; waits for money in its rank."),
    State.FUNDED: StateText("资金已预留", "funded", "等待公示。", "Waits for the public notice."),
    State.ON_NOTICE: StateText("公示中", "on public notice", "公示期满无异议的，确认支持。", "Confirmed when the notice ends without objection."),
    State.SUSPENDED: StateText("异议处理中", "suspended", "异议处理完毕后继续办理。", "Goes on once the objection is decided."),
    State.CONFIRMED: StateText("已确认", "confirmed", "等待资金拨付。", "Waits for payment."),
    State.PAYING: StateText("拨付中", "being paid", "等待银行到账确认。", "Waits for the bank's confirmation."),
    State.PAID: StateText("已拨付", "paid", "请按规定用途使用资金并接受监督。", "Use the money for its purpose; its use is supervised."),
    State.CLAWED_BACK: StateText("已追回", "clawed back", "应追回资金已全部收回。", "All that was ordered back is received."),
    State.RELEASING: StateText("资金退回中", "releasing", "预留资金退回后办结。", "Ends when the reserved money has been released."),
    State.REFUSED: StateText(
        "不予支持", "refused", "如有异议，可依法申请行政复议或者提起行政诉讼。", "Reconsideration or a court may be asked, as the law provides."
    ),
    State.WITHDRAWN: StateText("已撤回", "withdrawn", "在政策有效期内可重新申报。", "May be filed again inside the term of the policy."),
    State.LAPSED: StateText("已失效", "lapsed", "在政策有效期内可重新申报。", "May be filed again inside the term of the policy."),
}
STATE_TITLES_ZH = {state: text.title_zh for state, text in STATE_TEXTS.items()}

WAITING_ON_TITLES_ZH = {
    "applicant": "申报单位",
    Decider.DISTRICT_HR.value: "区市人力资源社会保障部门",
    Decider.CITY_HR.value: "市人力资源社会保障部门",
    Decider.CITY_FINANCE.value: "市财政部门",
    Decider.PANEL.value: "评审专家",
    "budget": "资金管理",
    "public": "社会公众",
}
_WAITING_ON = {
    State.RETURNED: "applicant",
    State.PROPOSED: "budget",
    State.WAITING_FOR_FUNDS: "budget",
    State.FUNDED: Decider.CITY_HR.value,
    State.ON_NOTICE: "public",
    State.SUSPENDED: Decider.CITY_HR.value,
    State.CONFIRMED: "budget",
    State.PAYING: "budget",
    State.RELEASING: "budget",
}


def waiting_on(state: State, *, acceptance: Acceptance, pending: tuple[Decider, ...]) -> tuple[str, ...]:
    """Who has to act next; nobody once the case is over. `pending` are the deciders that the stage still lacks, none once all stages passed."""
    if state is State.FILED:
        return (acceptance.decider.value,)
    if state in (State.ACCEPTED, State.IN_REVIEW):
        return tuple(decider.value for decider in pending) or (Decider.CITY_HR.value,)
    return (_WAITING_ON[state],) if state in _WAITING_ON else ()


def next_step(state: State, *, stage: Stage | None) -> tuple[str, str]:
    """What happens next, in Chinese and English. No stage in review means that all are passed."""
    text = STATE_TEXTS[state]
    if state is State.IN_REVIEW and stage is None:
        return "审核已通过，等待提请安排资金。", "Approved; waits to be proposed for funding."
    titles = (stage.title_zh, stage.title_en) if stage else ("审核", "review")
    return text.next_zh.format(stage=titles[0]), text.next_en.format(stage=titles[1])


@dataclass(frozen=True, kw_only=True)
class Filing:
    """`filed_on` is the applicant's act and never moves; `received_on` the day it reached the city."""

    item_id: str
    claim: Claim
    requested_fen: int
    filed_on: date
    received_on: date
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A filing that may be taken. `unverified` and `missing_evidence` hold up its acceptance, not its receipt."""

    item: Item
    claim: Claim
    once_key: str | None
    unverified: tuple[Unverified, ...]
    missing_evidence: tuple[str, ...]


def judge_filing(catalogue: Catalogue, *, filing: Filing, applicant: Applicant | None, park: Park | None) -> Judgement:
    """Every check of a filing in one order, for filing, correcting and validating alike; the first refusal is the answer."""
    item = item_for_filing(catalogue, item_id=filing.item_id, filed_on=filing.filed_on)
    policy = catalogue.policy(item.policy_id)
    check_days(policy, filed_on=filing.filed_on, received_on=filing.received_on)
    check_amount(item, amount_fen=filing.requested_fen, pointer="/requested_fen")
    claim = complete_claim(item, claim=filing.claim, policy=policy, filed_on=filing.filed_on)
    check_evidence(filing.evidence, policy=policy, on=filing.filed_on)
    kinds = [each.kind for each in filing.evidence]
    return Judgement(
        item=item,
        claim=claim,
        once_key=once_key(item, claim=claim),
        unverified=check_eligibility(item, claim=claim, policy=policy, applicant=applicant, park=park, filed_on=filing.filed_on),
        missing_evidence=missing_evidence(item, policy=policy, kinds=kinds, on=filing.filed_on),
    )


@dataclass(frozen=True, kw_only=True)
class OpenPoints:
    """What stands between a filing and its acceptance as things are now; `ruled_out` when a known fact speaks against it altogether."""

    unverified: tuple[Unverified, ...] = ()
    missing_evidence: tuple[str, ...] = ()
    ruled_out: Refusal | None = None


def open_points(
    item: Item, *, policy: Policy, claim: Claim, kinds: Iterable[str], applicant: Applicant | None, park: Park | None, filed_on: date
) -> OpenPoints:
    """For people who look at a filing; `kinds` are those of its evidence. Nothing is refused here: acceptance does that."""
    missing = missing_evidence(item, policy=policy, kinds=kinds, on=filed_on)
    try:
        unverified = check_eligibility(item, claim=claim, policy=policy, applicant=applicant, park=park, filed_on=filed_on)
    except Refusal as ruled_out:
        return OpenPoints(missing_evidence=missing, ruled_out=ruled_out)
    return OpenPoints(unverified=unverified, missing_evidence=missing)


def check_verified(unverified: tuple[Unverified, ...]) -> None:
    """For acceptance: every fact that the registry owes has come."""
    if unverified:
        raise ApplicantUnverified(
            f"Not known yet: {', '.join(unverified)}.",
            detail_zh=f"{'；'.join(UNVERIFIED_TITLES_ZH[each] for each in unverified)}。",
            facts={"unverified": [each.value for each in unverified]},
        )
