"""Events of cases for the tests of notifications: one told story, and any step that could happen."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from services.notifications.case.rules import Case
from services.notifications.policy.steps import CASE_EVENTS
from shared.events import applications
from shared.events.applications import ApplicationFiled, AwardMark, CaseEvent, Due
from shared.ids import new_id

CITY_ZONE = ZoneInfo("Asia/Shanghai")
FIRST_DAY = date(2023, 6, 12)
USCC = "91371002MA3D123476"
CASE_NUMBER = "WH-2025-371002-000123"


@dataclass
class Story:
    """One case whose steps follow each other: each has the next version, an hour later."""

    jurisdiction_id: str = "huancui"
    uscc: str = USCC
    case_number: str = CASE_NUMBER
    channel: str = "district"
    portal_number: str | None = None
    application_id: UUID = field(default_factory=new_id)
    version: int = 0

    def step(self, kind: type[CaseEvent], **own: Any) -> CaseEvent:
        self.version += 1
        at = datetime(2025, 9, 1, 1, tzinfo=UTC) + timedelta(hours=self.version)
        return kind(
            happened_at=at,
            happened_on=at.astimezone(CITY_ZONE).date(),
            application_id=self.application_id,
            case_number=self.case_number,
            case_version=self.version,
            applicant_uscc=self.uscc,
            item_id="2023-15/4b",
            jurisdiction_id=self.jurisdiction_id,
            state="any",
            **own,
        )

    def filed(self) -> CaseEvent:
        return self.step(
            ApplicationFiled,
            policy_id="2023-15",
            item_title_zh="省级及以上行业展会补贴",
            item_short_name_zh="行业展会补贴",
            channel=self.channel,
            portal_number=self.portal_number,
            filed_on=date(2025, 9, 1),
            received_on=date(2025, 9, 1),
            requested_fen=3_000_000,
        )

    def correction_asked(self) -> CaseEvent:
        due = Due(working_days=10, from_day=date(2025, 9, 1), due_on=date(2025, 9, 15))
        return self.step(applications.CorrectionAsked, stage="acceptance", reason="请补充展位合同", due=due)

    def corrected(self) -> CaseEvent:
        return self.step(applications.ApplicationCorrected, requested_fen=3_000_000)

    def accepted(self) -> CaseEvent:
        return self.step(applications.ApplicationAccepted, accepted_on=date(2025, 9, 2))

    def reviewed(self, stage: str = "district", title: str = "区市初审") -> CaseEvent:
        return self.step(applications.ReviewDecided, stage=stage, stage_title_zh=title, decided_on=date(2025, 9, 3))

    def proposed(self) -> CaseEvent:
        return self.step(applications.ApplicationProposed, proposal_id=new_id(), amount_fen=2_500_000)

    def waiting(self) -> CaseEvent:
        return self.step(applications.ApplicationWaiting, proposal_id=new_id(), amount_fen=2_500_000, short_by_fen=100_000)

    def funded(self) -> CaseEvent:
        return self.step(applications.ApplicationFunded, proposal_id=new_id(), amount_fen=2_500_000)

    def notice_opened(self) -> CaseEvent:
        days = {"first_day": date(2025, 9, 26), "last_day": date(2025, 10, 10), "closes_on": date(2025, 10, 11)}
        return self.step(applications.NoticeOpened, notice_id=new_id(), notice_number="2025-3", amount_fen=2_500_000, **days)

    def suspended(self) -> CaseEvent:
        return self.step(applications.CaseSuspended, objection_id=new_id(), reason="展位照片存疑")

    def resumed(self) -> CaseEvent:
        return self.step(applications.CaseResumed, objection_id=new_id(), reason="经核实异议不成立")

    def confirmed(self) -> CaseEvent:
        return self.step(
            applications.AwardConfirmed, proposal_id=new_id(), amount_fen=2_500_000, confirmed_on=date(2025, 10, 11), notice_number="2025-3"
        )

    def payment_started(self) -> CaseEvent:
        return self.step(applications.PaymentStarted, amount_fen=2_500_000)

    def payment_returned(self) -> CaseEvent:
        return self.step(applications.PaymentReturned, amount_fen=2_500_000, reason="户名不符")

    def paid(self) -> CaseEvent:
        return self.step(applications.ApplicationPaid, amount_fen=2_500_000, paid_on=date(2025, 10, 14))

    def refused(self, stage: str) -> CaseEvent:
        return self.step(applications.ApplicationRefused, stage=stage, reason="展会未达到省级")

    def withdrawn(self, reason: str = "单位主动撤回") -> CaseEvent:
        return self.step(applications.ApplicationWithdrawn, reason=reason)

    def lapsed(self) -> CaseEvent:
        return self.step(applications.ApplicationLapsed, reason="逾期未补正")

    def to_payment(self) -> Iterator[CaseEvent]:
        """The whole way of a case that is returned, reviewed, waits, is objected to, and is paid at the second try of the bank."""
        yield self.filed()
        yield self.correction_asked()
        yield self.corrected()
        yield self.accepted()
        yield self.reviewed()
        yield self.reviewed("city", "市级复核")
        yield self.reviewed("joint", "人社财政联审")
        yield self.proposed()
        yield self.waiting()
        yield self.funded()
        yield self.notice_opened()
        yield self.suspended()
        yield self.resumed()
        yield self.confirmed()
        yield self.payment_started()
        yield self.payment_returned()
        yield self.payment_started()
        yield self.paid()


def case_of(story: Story, *, applicant_name: str | None = "示例人力资源有限公司") -> Case:
    return Case(
        case_number=story.case_number,
        applicant_uscc=story.uscc,
        applicant_name=applicant_name,
        jurisdiction_id=story.jurisdiction_id,
        item_id="2023-15/4b",
        item_title_zh="省级及以上行业展会补贴",
        item_short_name_zh="行业展会补贴",
        channel=story.channel,
        portal_number=story.portal_number,
        filed_on=date(2025, 9, 1),
    )


# Whatever people may write, also what looks like a placeholder.
_LINES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=80) | st.just("{reason} {0} {} }{")
_DAYS = st.dates(FIRST_DAY, date(2030, 12, 31))
_OWN: dict[str, st.SearchStrategy[Any]] = {
    "jurisdiction_id": st.sampled_from(("huancui", "wendeng", "rongcheng", "rushan", "gaoqu", "jingqu", "lingang", "nanhai", "weihai")),
    "stage": st.sampled_from(("acceptance", "district", "city", "joint", "notice")),
    "happened_at": st.datetimes(datetime(2023, 6, 12), datetime(2030, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - the strategy adds the zone
    "due": st.builds(Due, working_days=st.integers(1, 250), from_day=_DAYS, due_on=st.none() | _DAYS),
    "marks": st.none() | st.lists(st.builds(AwardMark, kind=st.just("invoice"), value=st.text("0123456789abcdef", min_size=64, max_size=64))),
}
_BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {str: _LINES, date: _DAYS, UUID: st.uuids(), int: st.integers(1, 10**12)}


def any_step(kind: type[CaseEvent]) -> st.SearchStrategy[CaseEvent]:
    return st.builds(kind, **{name: _any_value(name, field.annotation) for name, field in kind.model_fields.items()})


def _any_value(name: str, annotation: Any) -> st.SearchStrategy[Any]:
    if name in _OWN:
        return _OWN[name]
    if annotation in _BY_TYPE:
        return _BY_TYPE[annotation]
    return st.none() | next(_BY_TYPE[each] for each in get_args(annotation) if each in _BY_TYPE)


ANY_STEP = st.one_of(*(any_step(kind) for kind in CASE_EVENTS.values()))
