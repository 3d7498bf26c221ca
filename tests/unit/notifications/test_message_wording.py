"""What organisations are told: every step has its text, every text can be filled, every refusal says how to appeal."""

import re
import shutil
from datetime import date

import pytest
from hypothesis import given

from services.notifications import policy
from services.notifications.case.rules import Case, deciding_jurisdiction, shown_values
from services.notifications.message.rules import compose
from services.notifications.policy import PolicyWrong
from shared import city as city_file
from shared.events.applications import ApplicationLapsed, ApplicationRefused, CaseEvent, Due
from tests.unit.notifications.conftest import PolicyCopy
from tests.unit.notifications.steps import ANY_STEP, FIRST_DAY, Story, any_step, case_of

CITY = city_file.load()
WORDING = policy.load(CITY).wording
AGAINST_THE_APPLICANT = (ApplicationRefused, ApplicationLapsed)


def told(event: CaseEvent, *, case: Case) -> tuple[str, str, str] | None:
    template = WORDING.template_for(event.type, on=event.happened_on)
    if template is None:
        return None
    remedy = "已告知" if template.remedy else None
    filled = compose(template, values=shown_values(event, case=case, bureau_zh="示例局"), remedy=remedy)
    return filled.title, filled.body, filled.next_step


@given(ANY_STEP)
def test_every_step_that_could_happen_is_told_with_a_next_step_or_is_silent(event: CaseEvent) -> None:
    silent = {each.event for each in WORDING.silent}

    texts = told(event, case=case_of(Story()))

    assert (texts is None) == (event.type in silent)
    assert texts is None or all(text.strip() for text in texts)


@given(any_step(ApplicationRefused))
def test_a_reason_is_told_as_it_was_written(event: CaseEvent) -> None:
    texts = told(event, case=case_of(Story()))

    assert texts is not None
    assert str(event.model_dump()["reason"]) in texts[1]


def test_sums_days_and_terms_are_written_as_people_read_them() -> None:
    story = Story()
    story.filed()

    texts = told(story.correction_asked(), case=case_of(story))
    paid = told(story.paid(), case=case_of(story))

    assert texts is not None
    assert "补正期限：10个工作日（自2025年9月1日次日起计算，至2025年9月15日）" in texts[1]
    assert paid is not None
    assert "25,000.00元已于2025年10月14日拨付" in paid[1]


def test_a_term_past_the_published_calendar_is_told_in_working_days() -> None:
    event = Story().correction_asked().model_copy(update={"due": Due(working_days=10, from_day=date(2026, 12, 28))})

    texts = told(event, case=case_of(Story()))

    assert texts is not None
    assert "10个工作日（自2026年12月28日次日起计算，截止日待该年度工作日安排公布后确定）" in texts[1]


@pytest.mark.parametrize("kind", AGAINST_THE_APPLICANT)
def test_each_decision_against_the_applicant_has_a_remedy(kind: type[CaseEvent]) -> None:
    template = WORDING.template_for(kind.type, on=FIRST_DAY)

    assert template is not None
    assert template.remedy is not None


def test_no_other_step_has_a_remedy() -> None:
    with_remedy = {template.event for template in WORDING.templates if template.remedy}

    assert with_remedy == {kind.type for kind in AGAINST_THE_APPLICANT}


@pytest.mark.parametrize(
    ("on", "articles", "online"),
    [
        (date(2023, 12, 31), "《中华人民共和国行政复议法》第九条", False),
        (date(2024, 1, 1), "《中华人民共和国行政复议法》第二十条、第二十二条", True),
    ],
)
def test_the_remedy_cites_the_law_in_force_on_the_day_of_the_decision(on: date, articles: str, *, online: bool) -> None:
    text = WORDING.remedy_text("reconsideration", on=on)

    assert f"60日内，依照{articles}向{{authority_zh}}申请行政复议" in text
    assert "6个月内，依照《中华人民共和国行政诉讼法》第四十六条" in text
    assert ("在线提交" in text) == online


@pytest.mark.parametrize(("stage", "authority"), [("district", "威海市环翠区人民政府"), ("joint", "威海市人民政府")])
def test_an_appeal_goes_to_the_government_of_the_bureau_that_decided(stage: str, authority: str) -> None:
    event = Story().refused(stage)

    decided_in = deciding_jurisdiction("stage", event=event, district_stages=WORDING.district_stages.stages, city_id=CITY.id)

    assert WORDING.authority_zh(decided_in) == authority


def test_every_jurisdiction_has_an_authority_that_hears_appeals() -> None:
    assert [WORDING.authority_zh(each.id)[-4:] for each in CITY.jurisdictions] == ["人民政府"] * len(CITY.jurisdictions)


PAID = "templates/application_paid.toml"


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (PAID, "{paid_on}", "{payed_on}", "payed_on"),
        (PAID, "{paid_on}", "{paid_on.year}", "write {name} and nothing else"),
        (PAID, "{paid_on}", "{paid_on!r}", "write {name} and nothing else"),
        (PAID, "{paid_on}", "{application_id}", "application_id"),
        (PAID, "{paid_on}", "{portal_number}", "portal_number"),
        (PAID, "{paid_on}", "{paid_on", "expected"),
        (PAID, "application_paid", "application_payed", "is no step of a case"),
        (PAID, "first_day = 2023-06-12", "first_day = 2023-06-12\nlast_day = 2025-12-31", "nothing is in force after 2025-12-31"),
        (PAID, "assumed = true\n", "", "assumed = true and why come together"),
        (PAID, "source", "sauce", "source"),
        ("silent.toml", "application_proposed", "application_paid", "is told and silent"),
        ("remedies.toml", "last_day = 2023-12-31", "last_day = 2023-12-30", "must begin the day after"),
        ("remedies.toml", "向{authority_zh}申请", "申请", "asks for the authority to be named"),
        ("remedies.toml", 'jurisdiction_id = "nanhai"', 'jurisdiction_id = "nanhi"', "nanhai"),
        (PAID, "first_day", "first day", PAID.rpartition("/")[2]),
    ],
)
def test_wrong_wording_keeps_the_process_from_starting(policy_copy: PolicyCopy, file: str, old: str, new: str, said: str) -> None:
    policy_copy.edit(file, old, new)

    with pytest.raises(PolicyWrong, match=re.escape(said)):
        policy_copy.load()


def test_a_step_without_a_text_keeps_the_process_from_starting(policy_copy: PolicyCopy) -> None:
    (policy_copy.folder / PAID).unlink()

    with pytest.raises(PolicyWrong, match=r"application_paid\.v1 is neither told nor listed as silent"):
        policy_copy.load()


def test_a_new_wording_begins_the_day_after_the_old_one_ends(policy_copy: PolicyCopy) -> None:
    newer = "templates/application_paid_2026.toml"
    shutil.copy(policy_copy.folder / PAID, policy_copy.folder / newer)
    policy_copy.edit(PAID, "first_day = 2023-06-12", "first_day = 2023-06-12\nlast_day = 2025-12-31")
    policy_copy.edit(newer, "first_day = 2023-06-12", "first_day = 2026-01-01")

    wording = policy_copy.load().wording

    chosen = [wording.template_for("applications.application_paid.v1", on=day) for day in (date(2025, 12, 31), date(2026, 1, 1))]
    assert [each.first_day for each in chosen if each] == [FIRST_DAY, date(2026, 1, 1)]
