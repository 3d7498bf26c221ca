"""What applications announces: the story of each case, and the two orders that the budget acts on."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.events import Event

AWARDS_PER_PROPOSAL_MAX = 1_000
# Of each kind of number that a filing may name.
MARKS_PER_KIND_MAX = 200
MARK_KINDS_MAX = 2


class Due(BaseModel):
    """ "N working days from D"; `due_on` is absent until the calendar of that year is published."""

    model_config = ConfigDict(frozen=True)

    working_days: int
    from_day: date
    due_on: date | None = None


class CaseEvent(Event):
    """One step of one case. `state` is the state after the step; `case_version` the row version after it."""

    topic: ClassVar[str] = "applications.events"

    application_id: UUID
    case_number: str
    case_version: int
    applicant_uscc: str
    item_id: str
    jurisdiction_id: str
    state: str

    def key(self) -> str:
        return str(self.application_id)


class ApplicationFiled(CaseEvent):
    type: ClassVar[str] = "applications.application_filed.v1"

    policy_id: str
    item_title_zh: str
    item_short_name_zh: str
    channel: str
    portal_number: str | None = None
    filed_on: date
    received_on: date
    requested_fen: int


class ApplicationCorrected(CaseEvent):
    """The applicant (or its district) sent a new version before acceptance; the first filing day stays, the item may be another one."""

    type: ClassVar[str] = "applications.application_corrected.v1"

    requested_fen: int
    # Not in events of the first days.
    item_title_zh: str | None = None
    item_short_name_zh: str | None = None


class CorrectionAsked(CaseEvent):
    """补正: everything that is missing, told once, with the day by which it is wanted."""

    type: ClassVar[str] = "applications.correction_asked.v1"

    stage: str
    reason: str
    due: Due


class ApplicationAccepted(CaseEvent):
    type: ClassVar[str] = "applications.application_accepted.v1"

    accepted_on: date


class ReviewDecided(CaseEvent):
    """A review stage was passed; refusals and returns have events of their own."""

    type: ClassVar[str] = "applications.review_decided.v1"

    stage: str
    stage_title_zh: str
    decided_on: date


class ApplicationProposed(CaseEvent):
    type: ClassVar[str] = "applications.application_proposed.v1"

    proposal_id: UUID
    amount_fen: int


class ApplicationFunded(CaseEvent):
    type: ClassVar[str] = "applications.application_funded.v1"

    proposal_id: UUID
    amount_fen: int


class ApplicationWaiting(CaseEvent):
    type: ClassVar[str] = "applications.application_waiting.v1"

    proposal_id: UUID
    amount_fen: int
    short_by_fen: int


class FundingRefused(CaseEvent):
    """The budget refused the proposal for a reason other than money; the case goes back to joint review."""

    type: ClassVar[str] = "applications.funding_refused.v1"

    proposal_id: UUID
    reason_code: str
    reason: str


class NoticeOpened(CaseEvent):
    """公示: first and last day are both shown to the public; the notice closes by a job on `closes_on`."""

    type: ClassVar[str] = "applications.notice_opened.v1"

    notice_id: UUID
    notice_number: str
    first_day: date
    last_day: date
    closes_on: date
    amount_fen: int


class CaseSuspended(CaseEvent):
    type: ClassVar[str] = "applications.case_suspended.v1"

    objection_id: UUID
    reason: str


class CaseResumed(CaseEvent):
    type: ClassVar[str] = "applications.case_resumed.v1"

    objection_id: UUID
    reason: str


class ReleaseRequested(CaseEvent):
    """Order to the budget: give the money of this proposal back, then the case may end in `target`."""

    type: ClassVar[str] = "applications.release_requested.v1"

    proposal_id: UUID
    target: str
    reason: str


class ReleaseUndone(CaseEvent):
    """The budget answered that the money is already on its way; the case went back to where it was."""

    type: ClassVar[str] = "applications.release_undone.v1"

    proposal_id: UUID
    reason: str


class AwardMark(BaseModel):
    """A number that the filing named, of an invoice or an identity card, as a keyed digest.

    Only applications has the key: equal numbers have equal marks, and nobody else can tell or try what number a mark is of.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str = Field(min_length=1, max_length=40)
    value: str = Field(pattern=r"^[0-9a-f]{64}$")


class AwardConfirmed(CaseEvent):
    """Order to the budget: this award may be paid.

    By `decision_id`, of `decision_stage` on `decided_on`, the record of the review that set the sum is found in applications;
    `minutes_number` is that of its minutes, where the officers gave one.
    """

    type: ClassVar[str] = "applications.award_confirmed.v1"

    proposal_id: UUID
    amount_fen: int
    confirmed_on: date
    notice_number: str
    # Not in events of the first days.
    decision_id: int | None = None
    decision_stage: str | None = None
    decided_on: date | None = None
    minutes_number: str | None = None
    marks: tuple[AwardMark, ...] | None = Field(default=None, max_length=MARK_KINDS_MAX * MARKS_PER_KIND_MAX)


class PaymentStarted(CaseEvent):
    type: ClassVar[str] = "applications.payment_started.v1"

    amount_fen: int


class ApplicationPaid(CaseEvent):
    type: ClassVar[str] = "applications.application_paid.v1"

    amount_fen: int
    paid_on: date


class PaymentReturned(CaseEvent):
    type: ClassVar[str] = "applications.payment_returned.v1"

    amount_fen: int
    reason: str


class ApplicationClawedBack(CaseEvent):
    """All that was ordered back of a payment is received; `amount_fen` is the sum of it."""

    type: ClassVar[str] = "applications.application_clawed_back.v1"

    amount_fen: int
    reason: str


class ApplicationRefused(CaseEvent):
    type: ClassVar[str] = "applications.application_refused.v1"

    stage: str
    reason: str


class ApplicationWithdrawn(CaseEvent):
    type: ClassVar[str] = "applications.application_withdrawn.v1"

    reason: str


class ApplicationLapsed(CaseEvent):
    """`stage`: where the case stood, a stage of the review or a state; absent from events of before it was told."""

    type: ClassVar[str] = "applications.application_lapsed.v1"

    stage: str | None = None
    reason: str


class ProposedAward(BaseModel):
    """One line of a proposal, in rank order: what the budget must know to reserve, and nothing else."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    application_id: UUID
    case_number: str
    applicant_uscc: str
    line_id: str
    jurisdiction_id: str
    amount_fen: int = Field(gt=0)


class AwardsProposed(Event):
    """Order to the budget: put these cases into the waiting list, first is served first (1 to 1,000 cases)."""

    type: ClassVar[str] = "applications.awards_proposed.v1"
    topic: ClassVar[str] = "applications.events"

    proposal_id: UUID
    fiscal_year: int
    policy_id: str
    awards: tuple[ProposedAward, ...] = Field(min_length=1, max_length=AWARDS_PER_PROPOSAL_MAX)

    def key(self) -> str:
        return str(self.proposal_id)


EVENTS: tuple[type[Event], ...] = (
    ApplicationFiled,
    ApplicationCorrected,
    CorrectionAsked,
    ApplicationAccepted,
    ReviewDecided,
    ApplicationProposed,
    ApplicationFunded,
    ApplicationWaiting,
    FundingRefused,
    NoticeOpened,
    CaseSuspended,
    CaseResumed,
    ReleaseRequested,
    ReleaseUndone,
    AwardConfirmed,
    PaymentStarted,
    ApplicationPaid,
    PaymentReturned,
    ApplicationClawedBack,
    ApplicationRefused,
    ApplicationWithdrawn,
    ApplicationLapsed,
    AwardsProposed,
)
