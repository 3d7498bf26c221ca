"""Decisions about a change of the books that waits for a second person: who may approve or reject it, and once."""

from dataclasses import dataclass
from enum import StrEnum

from shared.errors import Conflict, Forbidden, Stale


class DraftState(StrEnum):
    MADE = "made"
    APPROVED = "approved"
    REJECTED = "rejected"


_STATE_ZH = {DraftState.MADE: "待审批", DraftState.APPROVED: "已审批", DraftState.REJECTED: "已退回"}


class DraftStale(Stale):
    code = "draft-stale"


class AlreadyDecided(Conflict):
    code = "already-decided"
    title_en = "This was decided before"
    title_zh = "该事项已办结"


class SecondPersonNeeded(Forbidden):
    code = "second-person-needed"
    title_en = "Maker and approver are two people"
    title_zh = "经办与审批须为不同人员"
    remedy_en = "Let a colleague decide."
    remedy_zh = "请由其他人员审批。"


@dataclass(frozen=True, kw_only=True)
class Draft:
    state: DraftState
    version: int
    maker: str


def check_deciding(draft: Draft, *, version: int, decided_by: str) -> None:
    """Approving and rejecting alike are of somebody else than the maker, on the version that was looked at."""
    if draft.state is not DraftState.MADE:
        raise AlreadyDecided(f"It is {draft.state}.", detail_zh=f"当前状态为{_STATE_ZH[draft.state]}。", facts={"state": draft.state})
    if draft.version != version:
        raise DraftStale(
            f"You sent version {version}; it is at version {draft.version}.", detail_zh=f"您提交的版本为{version}，当前版本为{draft.version}。"
        )
    if draft.maker == decided_by:
        raise SecondPersonNeeded("You made this yourself.", detail_zh="该事项由您经办。")
