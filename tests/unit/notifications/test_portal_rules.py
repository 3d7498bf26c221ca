"""Portal records: which ones a step makes, in which order, and that every code pair is one the interface allows."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications import policy
from services.notifications.case.rules import shown_values
from services.notifications.policy import PolicyWrong
from services.notifications.portal.rules import (
    Department,
    OpenSpecial,
    Progress,
    Record,
    Reporting,
    progress_after,
    project_numbers,
    records_for,
    retry_after_s,
)
from shared import city as city_file
from shared.events.applications import CaseEvent
from tests.unit.notifications.conftest import PolicyCopy
from tests.unit.notifications.steps import ANY_STEP, CITY_ZONE, Story, case_of

CITY = city_file.load()
INTERFACE = policy.load(CITY).interface
# domain.md 3.2, written down once more: what the province's table lets a node of each type end with.
ALLOWED = {"1": {"4", "5", "6"}, "2": {"0", "1", "5", "6", "7"}, "3": {"0", "1"}, "4": {"1", "2", "3", "4"}}


@dataclass
class Desk:
    """Reports the steps of one story as the service would, without a database."""

    story: Story
    applicant_name: str | None = "示例人力资源有限公司"
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = Progress(
            projid=self.story.case_number,
            applicant_named=False,
            accepted=False,
            node_started_at=datetime(2025, 9, 1, 2, tzinfo=UTC),
            last_sn=0,
            basic_dataver=0,
            done_dataver=0,
            open_specials=(),
        )

    def report(self, event: CaseEvent) -> list[Record]:
        step = INTERFACE.step_for(event.type, accepted=self.progress.accepted)
        if step is None:
            return []
        case = case_of(self.story, applicant_name=self.applicant_name)
        reporting = Reporting(
            event=event,
            step=step,
            case=case,
            progress=self.progress,
            interface=INTERFACE,
            values=shown_values(event, case=case, bureau_zh="示例局"),
            region_code=CITY.wire_code(event.jurisdiction_id),
            accepting=Department(name_zh="区局", code=""),
            deciding=Department(name_zh="市局", code=""),
            zone=CITY_ZONE,
        )
        records = records_for(reporting)
        opened = {each.sn: each for each in self.progress.open_specials}
        for record in records:
            if record.special is not None:
                opened[record.sn] = OpenSpecial(special=record.special, sn=record.sn, dataver=record.dataver, content=record.content)
        still_open = tuple(each for each in opened.values() if each.content["nodeendtime"] == "")
        self.progress = replace(progress_after(reporting, records), open_specials=still_open)
        return records

    def report_all(self, events: Iterable[CaseEvent]) -> list[Record]:
        return [record for event in events for record in self.report(event)]


def named(record: Record) -> str:
    name = record.content.get("nodename") or record.content.get("doneresult") or ""
    return f"{record.kind} {record.sn}.{record.dataver} {name}".rstrip()


def test_a_whole_case_is_reported_in_order() -> None:
    story = Story()

    records = Desk(story).report_all(story.to_payment())

    assert [named(record) for record in records] == [
        "basic 0.1",
        "special 1.1 补齐补正",
        "basic 0.2",
        "special 1.2 补齐补正",
        "process 2.1 受理",
        "process 3.1 区市初审",
        "process 4.1 市级复核",
        "process 5.1 人社财政联审",
        "special 6.1 等待资金",
        "special 6.2 等待资金",
        "process 7.1 资金预留",
        "special 8.1 公示",
        "special 9.1 异议处理",
        "special 9.2 异议处理",
        "special 8.2 公示",
        "process 10.1 确认",
        "process 11.1 资金拨付",
        "process 12.1 资金拨付",
        "process 13.1 资金拨付",
        "process 14.1 办结",
        "done 0.1 0",
    ]


@given(st.lists(ANY_STEP, max_size=12))
def test_whatever_happens_every_code_pair_is_legal_and_each_record_is_a_new_one(events: list[CaseEvent]) -> None:
    story = Story()
    desk = Desk(story)

    records = desk.report_all([story.filed(), *events])

    nodes = [record.content for record in records if record.kind == "process"]
    assert all(node["noderesult"] in ALLOWED[node["nodetype"]] for node in nodes)
    assert len({(record.kind, record.sn, record.dataver) for record in records}) == len(records)
    assert all(record.content.get("dataver") == str(record.dataver) for record in records)
    assert all(isinstance(value, str) for record in records for value in record.content.values())


@given(st.lists(ANY_STEP, max_size=12))
def test_whatever_happens_basic_comes_first_and_only_done_follows_done(events: list[CaseEvent]) -> None:
    story = Story()

    kinds = [str(record.kind) for record in Desk(story).report_all([story.filed(), *events])]

    first_done = kinds.index("done") if "done" in kinds else len(kinds)
    assert kinds[0] == "basic"
    assert set(kinds[first_done:]) <= {"done"}


@given(st.lists(ANY_STEP, max_size=12))
def test_an_end_that_needs_a_reason_has_one(events: list[CaseEvent]) -> None:
    story = Story()

    records = Desk(story).report_all([story.filed(), *events])

    ends = [record.content for record in records if record.kind == "done"]
    assert all(end["exitres"] for end in ends if end["doneresult"] in {"1", "2", "3", "4", "5"})


def test_an_end_without_a_stated_reason_gives_the_name_of_its_code() -> None:
    story = Story()

    records = Desk(story).report_all([story.filed(), story.withdrawn(reason="  ")])

    assert records[-1].content["exitres"] == "作废"


@pytest.mark.parametrize(
    ("accepted", "node", "end"), [(False, ("4", "3", "不予受理"), ("6", "展会未达到省级")), (True, ("3", "0", "不予支持"), ("1", "展会未达到省级"))]
)
def test_a_refusal_before_acceptance_is_the_only_node_and_afterwards_the_last(
    node: tuple[str, str, str], end: tuple[str, str], *, accepted: bool
) -> None:
    story = Story()
    before = [story.filed(), story.accepted()] if accepted else [story.filed()]
    desk = Desk(story)
    desk.report_all(before)

    process, done = (record.content for record in desk.report(story.refused("acceptance")))

    assert (process["nodetype"], process["noderesult"], process["nodename"]) == node
    assert (done["doneresult"], done["exitres"]) == end


def test_an_end_closes_whatever_special_node_is_open() -> None:
    story = Story()
    desk = Desk(story)
    desk.report_all([story.filed(), story.accepted(), story.notice_opened(), story.suspended()])

    records = desk.report(story.refused("notice"))

    assert [named(record) for record in records] == ["special 2.2 公示", "special 3.2 异议处理", "process 4.1 不予支持", "done 0.1 1"]
    assert all(record.content["nodeendtime"] == records[2].content["nodeendtime"] for record in records[:2])


def test_the_end_of_a_special_node_changes_nothing_else_of_it() -> None:
    story = Story()
    desk = Desk(story)
    (_, opened) = desk.report_all([story.filed(), story.notice_opened()])

    ended = desk.report(story.confirmed())[0]

    changed = {name for name in ended.content if ended.content[name] != opened.content[name]}
    assert changed == {"dataver", "nodeendtime"}


def test_a_case_that_is_paid_again_has_only_its_end_reported_anew() -> None:
    story = Story()
    desk = Desk(story)
    desk.report_all(story.to_payment())

    records = desk.report_all([story.payment_returned(), story.payment_started(), story.paid()])

    assert [named(record) for record in records] == ["done 0.2 0"]


def test_an_applicant_whose_name_comes_later_is_reported_under_its_name_once() -> None:
    story = Story()
    desk = Desk(story, applicant_name=None)
    (first,) = desk.report(story.filed())
    desk.applicant_name = "示例人力资源有限公司"

    second, *_ = desk.report(story.accepted())
    third = desk.report(story.reviewed())

    assert (first.content["applicant"], second.content["applicant"]) == (story.uscc, "示例人力资源有限公司")
    assert (second.kind, second.dataver) == ("basic", 2)
    assert [record.kind for record in third] == ["process"]


def test_a_basic_record_has_region_person_and_times_in_the_interface_s_form() -> None:
    story = Story(jurisdiction_id="nanhai", channel="portal")

    (basic,) = Desk(story).report(story.filed())

    told = {
        name: basic.content[name] for name in ("regionid", "applyertype", "applyerpagecode", "submit", "datasources", "systemlevel", "projectname")
    }
    assert told == {
        "regionid": "371003000000",
        "applyertype": "2",
        "applyerpagecode": story.uscc,
        "submit": "1",
        "datasources": "1",
        "systemlevel": "3",
        "projectname": "关于示例人力资源有限公司的省级及以上行业展会补贴",
    }


def test_no_mobile_number_stands_in_a_record() -> None:
    story = Story()

    (basic,) = Desk(story).report(story.filed())

    assert basic.content["applicantmobile"] == ""


def test_a_node_runs_from_the_end_of_the_one_before_in_the_time_of_the_city() -> None:
    story = Story()
    desk = Desk(story)
    desk.report(story.filed())

    (accepted,) = desk.report(story.accepted())
    (reviewed,) = desk.report(story.reviewed())

    assert (accepted.content["nodestarttime"], accepted.content["nodeendtime"]) == ("2025-09-01 10:00:00", "2025-09-01 11:00:00")
    assert (reviewed.content["nodestarttime"], reviewed.content["nodeendtime"]) == ("2025-09-01 11:00:00", "2025-09-01 12:00:00")


@pytest.mark.parametrize(
    ("portal_number", "first"),
    [(None, Story.case_number), ("", Story.case_number), ("S" * 50, "S" * 50), ("S" * 51, Story.case_number)],
)
def test_a_portal_number_of_up_to_fifty_characters_is_kept(portal_number: str | None, first: str) -> None:
    story = Story(portal_number=portal_number)

    numbers = project_numbers(case_of(story), application_id=story.application_id, interface=INTERFACE)

    assert numbers[0] == first
    assert numbers[-1] == str(story.application_id)


@pytest.mark.parametrize(("attempts", "wait_s"), [(1, 1), (2, 2), (9, 256), (10, 300), (10_000, 300)])
def test_the_wait_doubles_up_to_five_minutes(attempts: int, wait_s: int) -> None:
    assert retry_after_s(attempts) == wait_s


def test_every_case_is_pushed_unless_the_data_names_channels(policy_copy: PolicyCopy) -> None:
    policy_copy.edit("portal/interface.toml", 'channels = ["*"]', 'channels = ["portal"]')

    narrowed = policy_copy.load().interface

    assert [(each.pushes("portal"), each.pushes("district")) for each in (INTERFACE, narrowed)] == [(True, True), (True, False)]


def test_the_other_version_of_the_done_codes_is_a_change_of_data(policy_copy: PolicyCopy) -> None:
    policy_copy.edit("portal/interface.toml", 'version = "2020"', 'version = "older"')

    older = policy_copy.load().interface

    assert [each.done_version.outcomes["paid"] for each in (INTERFACE, older)] == ["0", "6"]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("steps.toml", 'type = "1"\nresult = "4"', 'type = "1"\nresult = "1"', "node type 1 does not allow result 1"),
        ("steps.toml", 'done = "paid"', 'done = "payed"', "has no code for payed"),
        ("steps.toml", 'opens = "notice"', 'opens = "notices"', "no special notices"),
        ("steps.toml", 'when = "before_acceptance"\n', "", "one before and one after acceptance"),
        ("steps.toml", "{short_by_fen}", "{short_by}", "short_by"),
        ("steps.toml", "release_undone", "application_paid", "is told and silent"),
        ("steps.toml", 'done = "refused"\nexit_reason_zh = "{reason}"', 'done = "refused"', "needs a reason"),
        ("interface.toml", 'version = "2020"', 'version = "2021"', "done_versions has no 2021"),
        ("interface.toml", '"3" = ["0", "1"]', '"3" = ["0", "9"]', "unknown result 9"),
        ("interface.toml", 'result = "3"', 'result = "8"', "a code that the interface does not have"),
        ("interface.toml", "{case_number}", "{case}", "case"),
        ("interface.toml", 'done = "receiveDone"\n', "", "each of basic, process, special and done"),
    ],
)
def test_a_wrong_interface_keeps_the_process_from_starting(policy_copy: PolicyCopy, file: str, old: str, new: str, said: str) -> None:
    policy_copy.edit(f"portal/{file}", old, new)

    with pytest.raises(PolicyWrong, match=re.escape(said)):
        policy_copy.load()
