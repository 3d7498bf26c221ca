"""The provincial case-record interface as data: codes, constants, and which records each step of a case makes."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from services.notifications.policy.entries import Names
from services.notifications.policy.steps import CASE_EVENTS, check_every_step, check_text, shown_fields
from shared.dated import Sourced, Strict, Text

Code = Annotated[str, Field(pattern=r"^[0-9]{1,3}$")]
Codes = dict[Code, Text]
Constants = dict[str, str]
EVERY_CHANNEL = "*"


class Pushed(Sourced):
    """Channels of filing whose cases are pushed; "*" means every one."""

    channels: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class Channel(Strict):
    """How a filing came in, in the interface's codes: 0 窗口 1 网上 · 1 网上 2 大厅 9 其他."""

    submit: Code
    datasources: Code


class Task(Strict):
    """Codes of a service item (事项); empty until the province assigns them."""

    catalogcode: Annotated[str, Field(max_length=12)]
    taskcode: Annotated[str, Field(max_length=31)]
    taskhandleitem: Annotated[str, Field(max_length=33)]


class Special(Strict):
    """A special node (特别程序) by our name for it; its clock stands still from start to end."""

    title_zh: Text
    result: Code
    specialtype: Code
    basis_zh: Text


class Node(Strict):
    name_zh: Text
    advice_zh: Text
    type: Code
    result: Code


class Step(Strict):
    """The records of one step, made in this order: basic, ends of special nodes, process node, start of a special node, done.

    `decided_by` as in the wording of messages.
    """

    event: str
    decided_by: Literal["stage", "district", "city"] = "city"
    when: Literal["before_acceptance", "after_acceptance"] | None = None
    basic: bool = False
    closes: Names = ()
    node: Node | None = None
    opens: str | None = None
    opens_advice_zh: Text | None = None
    done: str | None = None
    exit_reason_zh: Text | None = None

    @model_validator(mode="after")
    def _check_texts(self) -> Self:
        kind = CASE_EVENTS.get(self.event)
        if kind is None:
            raise ValueError(f"{self.event} is no step of a case")
        node_texts = (self.node.name_zh, self.node.advice_zh) if self.node else ()
        for text in (*node_texts, self.opens_advice_zh, self.exit_reason_zh):
            if text is not None:
                check_text(text, known=shown_fields(kind), where=f"portal step {self.event}")
        if self.decided_by == "stage" and "stage" not in kind.model_fields:
            raise ValueError(f"{self.event} names no stage that could say who decided")
        if (self.opens is None) != (self.opens_advice_zh is None):
            raise ValueError(f"{self.event}: opens and opens_advice_zh come together")
        if not (self.basic or self.closes or self.node or self.opens or self.done):
            raise ValueError(f"{self.event} makes no record: list it as silent")
        return self


class Silent(Strict):
    event: str
    reason: Text


class DoneVersion(Strict):
    """One version of the done codes: every code it has, and which of them stands for each of our outcomes."""

    codes: Codes
    needs_reason: tuple[Code, ...] = Field(strict=False)
    outcomes: dict[str, Code]


class Interface(Sourced):
    version: str
    paths: dict[str, Text]
    projid_template: Text
    projid_characters_max: Annotated[int, Field(ge=20, le=50)]
    pushed: Pushed
    channels: dict[str, Channel]
    other_channel: Channel
    tasks: dict[str, Task]
    other_task: Task
    department_codes: dict[str, str]
    basic: Constants
    process: Constants
    service_rated_node_types: Annotated[tuple[Code, ...], Field(strict=False)]
    special: Constants
    done: Constants
    node_types: Codes
    node_results: Codes
    allowed_results: dict[Code, Annotated[tuple[Code, ...], Field(strict=False)]]
    special_results: Codes
    special_types: Codes
    specials: dict[str, Special]
    done_versions: dict[str, DoneVersion]
    steps: Annotated[tuple[Step, ...], Field(strict=False)]
    silent: Annotated[tuple[Silent, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if self.paths.keys() != {"basic", "process", "special", "done"}:
            raise ValueError("paths: each of basic, process, special and done has one")
        check_text(self.projid_template, known={"case_number"}, where="projid_template")
        if self.version not in self.done_versions:
            raise ValueError(f"done_versions has no {self.version}")
        for name, special in self.specials.items():
            if special.result not in self.special_results or special.specialtype not in self.special_types:
                raise ValueError(f"special {name}: a code that the interface does not have")
        for version, codes in self.done_versions.items():
            if unknown := {*codes.outcomes.values(), *codes.needs_reason} - codes.codes.keys():
                raise ValueError(f"done version {version}: unknown code {sorted(unknown)[0]}")
        self._check_allowed_results()
        self._check_steps()
        return self

    def _check_allowed_results(self) -> None:
        if self.allowed_results.keys() != self.node_types.keys():
            raise ValueError("allowed_results: one row for each node type")
        if unknown := {code for codes in self.allowed_results.values() for code in codes} - self.node_results.keys():
            raise ValueError(f"allowed_results: unknown result {sorted(unknown)[0]}")

    def _check_steps(self) -> None:
        check_every_step([step.event for step in self.steps], [each.event for each in self.silent], what="portal steps")
        for event, count in Counter(step.event for step in self.steps).items():
            found = {step.when for step in self.steps if step.event == event}
            if len(found) != count or (found != {None} and found != {"before_acceptance", "after_acceptance"}):
                raise ValueError(f"portal steps: {event} has one step, or one before and one after acceptance")
        for step in self.steps:
            if unknown := {*step.closes, *([step.opens] if step.opens else [])} - self.specials.keys():
                raise ValueError(f"portal step {step.event}: no special {sorted(unknown)[0]}")
            if step.node and step.node.result not in self.allowed_results.get(step.node.type, ()):
                raise ValueError(f"portal step {step.event}: node type {step.node.type} does not allow result {step.node.result}")
            self._check_done(step)

    def _check_done(self, step: Step) -> None:
        if step.done is None:
            return
        for name, version in self.done_versions.items():
            if step.done not in version.outcomes:
                raise ValueError(f"done version {name} has no code for {step.done}")
            if version.outcomes[step.done] in version.needs_reason and step.exit_reason_zh is None:
                raise ValueError(f"portal step {step.event}: done {version.outcomes[step.done]} needs a reason")

    def step_for(self, event: str, *, accepted: bool) -> Step | None:
        """None for a step that is silent."""
        when = (None, "after_acceptance" if accepted else "before_acceptance")
        return next((step for step in self.steps if step.event == event and step.when in when), None)

    def pushes(self, channel: str) -> bool:
        return EVERY_CHANNEL in self.pushed.channels or channel in self.pushed.channels

    @property
    def done_version(self) -> DoneVersion:
        return self.done_versions[self.version]

    def task(self, item_id: str) -> Task:
        return self.tasks.get(item_id, self.other_task)

    def channel(self, channel: str) -> Channel:
        return self.channels.get(channel, self.other_channel)
