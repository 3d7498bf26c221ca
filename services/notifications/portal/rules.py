"""Decisions about portal records: which records a step makes, what stands in them, and when to try again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notifications.case.rules import Case
from services.notifications.policy.interface import Interface, Node, Step
from shared.events.applications import ApplicationAccepted, CaseEvent

FIRST_RETRY_S = 1
RETRY_S_MAX = 300


class RecordKind(StrEnum):
    BASIC = "basic"
    PROCESS = "process"
    SPECIAL = "special"
    DONE = "done"


class RecordState(StrEnum):
    WAITING = "waiting"
    FAILING = "failing"
    ACCEPTED = "accepted"


@dataclass(frozen=True, kw_only=True)
class OpenSpecial:
    """A special node whose end has not been reported: its newest version as it was sent."""

    special: str
    sn: int
    dataver: int
    content: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a case is reported."""

    projid: str
    applicant_named: bool
    accepted: bool
    node_started_at: datetime
    last_sn: int
    basic_dataver: int
    done_dataver: int
    open_specials: tuple[OpenSpecial, ...]


@dataclass(frozen=True, kw_only=True)
class Record:
    kind: RecordKind
    sn: int
    dataver: int
    content: Mapping[str, str]
    special: str | None = None


@dataclass(frozen=True, kw_only=True)
class Department:
    """An office as the interface names it; the code is empty until the city has entered it."""

    name_zh: str
    code: str


@dataclass(frozen=True, kw_only=True)
class Reporting:
    """One step being reported: everything that its records are made of. `values` as in the texts of messages."""

    event: CaseEvent
    step: Step
    case: Case
    progress: Progress
    interface: Interface
    values: Mapping[str, str]
    region_code: str
    accepting: Department
    deciding: Department
    zone: ZoneInfo

    @property
    def heading(self) -> dict[str, str]:
        return {"orgbusno": self.case.case_number, "projid": self.progress.projid}

    def time_text(self, at: datetime) -> str:
        return at.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")

    @property
    def happened_text(self) -> str:
        return self.time_text(self.event.happened_at)


def project_numbers(case: Case, *, application_id: UUID, interface: Interface) -> list[str]:
    """In the order of choice: the portal's own number where it fits, ours, and the id in case others have both already."""
    given, ours = case.portal_number, interface.projid_template.format(case_number=case.case_number)
    fitting = [given] if given and len(given) <= interface.projid_characters_max else []
    return list(dict.fromkeys([*fitting, ours, str(application_id)]))


def records_for(reporting: Reporting) -> list[Record]:
    """The records of one step in the order in which they go out.

    Nothing follows done but done itself: a case that is paid, returned by the bank and paid again has its done reported anew.
    """
    step, progress = reporting.step, reporting.progress
    if progress.done_dataver > 0:
        return [done(reporting)] if step.done else []
    records: list[Record] = []
    if step.basic or (reporting.case.applicant_name is not None and not progress.applicant_named):
        records.append(basic(reporting))
    records.extend(ended_specials(reporting))
    sn = progress.last_sn
    if step.node is not None:
        sn += 1
        records.append(process(reporting, node=step.node, sn=sn))
    if step.opens is not None:
        records.append(opened_special(reporting, special=step.opens, sn=sn + 1))
    if step.done is not None:
        records.append(done(reporting))
    return records


def progress_after(reporting: Reporting, records: list[Record]) -> Progress:
    before = reporting.progress
    dataver = {record.kind: record.dataver for record in records}
    has_node = any(record.kind is RecordKind.PROCESS for record in records)
    return replace(
        before,
        applicant_named=before.applicant_named or (RecordKind.BASIC in dataver and reporting.case.applicant_name is not None),
        accepted=before.accepted or isinstance(reporting.event, ApplicationAccepted),
        node_started_at=reporting.event.happened_at if has_node else before.node_started_at,
        last_sn=max([before.last_sn, *(record.sn for record in records)]),
        basic_dataver=dataver.get(RecordKind.BASIC, before.basic_dataver),
        done_dataver=dataver.get(RecordKind.DONE, before.done_dataver),
    )


def basic(reporting: Reporting) -> Record:
    case, interface = reporting.case, reporting.interface
    # An applicant that the registry has not told of yet goes out under its code, and again under its name once that is known.
    applicant = case.applicant_name or case.applicant_uscc
    channel, task = interface.channel(case.channel), interface.task(case.item_id)
    dataver = reporting.progress.basic_dataver + 1
    content = {
        **reporting.heading,
        **interface.basic,
        "dataver": str(dataver),
        "regionid": reporting.region_code,
        **task.model_dump(),
        "itemname": case.item_title_zh,
        "projectname": f"关于{applicant}的{case.item_title_zh}",
        "applicant": applicant,
        "applyerpagecode": case.applicant_uscc,
        "applicantmobile": "",
        "acceptdeptname": reporting.accepting.name_zh,
        "acceptdeptcode": reporting.accepting.code,
        **channel.model_dump(),
        "applydate": f"{case.filed_on.isoformat()} 00:00:00",
    }
    return Record(kind=RecordKind.BASIC, sn=0, dataver=dataver, content=content)


def process(reporting: Reporting, *, node: Node, sn: int) -> Record:
    interface = reporting.interface
    is_rated = node.type in interface.service_rated_node_types
    content = {
        **reporting.heading,
        **interface.process,
        "sn": str(sn),
        "dataver": "1",
        "nodename": node.name_zh.format_map(reporting.values),
        "nodetype": node.type,
        "noderesult": node.result,
        "nodestarttime": reporting.time_text(reporting.progress.node_started_at),
        "nodeendtime": reporting.happened_text,
        "procunitname": reporting.deciding.name_zh,
        "procdeptcode": reporting.deciding.code,
        "nodeadv": node.advice_zh.format_map(reporting.values),
        "acceptdate": reporting.happened_text if isinstance(reporting.event, ApplicationAccepted) else "",
        "serviceidentify": "1" if is_rated else "0",
    }
    return Record(kind=RecordKind.PROCESS, sn=sn, dataver=1, content=content)


def opened_special(reporting: Reporting, *, special: str, sn: int) -> Record:
    interface, step = reporting.interface, reporting.step
    found = interface.specials[special]
    assert step.opens_advice_zh is not None, "checked when the data was loaded"
    content = {
        **reporting.heading,
        **interface.special,
        "sn": str(sn),
        "dataver": "1",
        "nodename": found.title_zh,
        "noderesult": found.result,
        "nodestarttime": reporting.happened_text,
        "nodeendtime": "",
        "notetime": reporting.happened_text,
        "procunitname": reporting.deciding.name_zh,
        "procdeptcode": reporting.deciding.code,
        "nodeprocadv": step.opens_advice_zh.format_map(reporting.values),
        "nodeprocaccord": found.basis_zh,
        "specialtype": found.specialtype,
    }
    return Record(kind=RecordKind.SPECIAL, sn=sn, dataver=1, content=content, special=special)


def ended_specials(reporting: Reporting) -> Iterator[Record]:
    """Each special node that this step closes and that is open, reported again with its end."""
    for each in reporting.progress.open_specials:
        if each.special in reporting.step.closes:
            dataver = each.dataver + 1
            content = {**each.content, "dataver": str(dataver), "nodeendtime": reporting.happened_text}
            yield Record(kind=RecordKind.SPECIAL, sn=each.sn, dataver=dataver, content=content, special=each.special)


def done(reporting: Reporting) -> Record:
    step, version = reporting.step, reporting.interface.done_version
    assert step.done is not None, "only a step that ends the case is asked for its end"
    code = version.outcomes[step.done]
    reason = step.exit_reason_zh.format_map(reporting.values).strip() if step.exit_reason_zh else ""
    if not reason and code in version.needs_reason:
        reason = version.codes[code]
    dataver = reporting.progress.done_dataver + 1
    content = {
        **reporting.heading,
        **reporting.interface.done,
        "dataver": str(dataver),
        "doneresult": code,
        "exitres": reason,
        "occurtime": reporting.happened_text,
    }
    return Record(kind=RecordKind.DONE, sn=0, dataver=dataver, content=content)


def retry_after_s(attempts: int) -> int:
    """Seconds until the next try after this many failed ones: 1, 2, 4 … 300."""
    assert attempts >= 1, "the first try waits for nothing"
    return min(FIRST_RETRY_S << min(attempts - 1, 30), RETRY_S_MAX)
