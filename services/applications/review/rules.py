"""Decisions about review: whose turn it is, that nobody decides twice, and what the decisions of a stage come to."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.applications.claim.rules import check_amount
from services.applications.intake.rules import STATE_TEXTS, State, StepNotAllowed
from services.applications.policy.catalogue import Decider, Item, Stage
from shared import uscc
from shared.caller import Caller, require_scope
from shared.errors import Conflict, Forbidden, Refusal
from shared.money import yuan_text
from shared.visible import visible_count

DECISIONS_PER_CALL_MAX = 300
REASON_CHARS_MIN = 4
REASON_CHARS_MAX = 1_000

# What people put between the groups of a number.
_GAP = r"[\s-]{0,3}"
# An identity or account number without gaps, digits and perhaps the check character X; an identity number in its three parts; an account number
# in fours, three of them and a rest at least; a mobile number, also right behind a letter. Days, sums and case numbers are grouped in other ways.
_NUMBERS = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9]{15,}[Xx]?"
    rf"|[0-9]{{6}}{_GAP}[0-9]{{8}}{_GAP}[0-9]{{3}}[0-9Xx]"
    rf"|[0-9]{{4}}(?:[\s-]{{1,3}}[0-9]{{4}}){{2,}}[\s-]{{1,3}}[0-9]{{1,4}})(?![0-9A-Za-z])"
    rf"|(?<![0-9])1[3-9][0-9]{_GAP}[0-9]{{4}}{_GAP}[0-9]{{4}}(?![0-9A-Za-z])",
    re.ASCII,
)


class OfficerMissing(Refusal):
    code = "officer-missing"
    title_en = "A system names the officer who decided"
    title_zh = "系统报送须注明审核人员"


class OfficerNotAsked(Refusal):
    code = "officer-not-asked"
    title_en = "Staff decide in their own name"
    title_zh = "工作人员须以本人身份审核"


class SystemMayNotDecide(Forbidden):
    code = "system-may-not-decide"
    title_en = "This system may not decide for that office"
    title_zh = "该系统不得代为提交此部门的审核意见"


class StageUnknown(Refusal):
    code = "stage-unknown"
    title_en = "There is no such stage"
    title_zh = "没有该审核环节"


class CaseTwice(Conflict):
    code = "case-twice"
    title_en = "The case stands twice in this call"
    title_zh = "同一案件在本次提交中重复"


class ReasonMissing(Refusal):
    code = "reason-missing"
    title_en = "A reason is needed"
    title_zh = "须说明理由"


class ReasonHoldsPersonalData(Refusal):
    code = "reason-holds-personal-data"
    title_en = "The reason holds a telephone, identity or account number"
    title_zh = "理由中含有电话、身份证或银行账户号码"
    remedy_en = "Take the number out: the reason is sent to other systems and shown to the applicant."
    remedy_zh = "请删去该号码：理由会告知申报单位并传至其他系统。"


class ReasonTooLong(Refusal):
    code = "reason-too-long"
    title_en = "The reason is too long"
    title_zh = "理由过长"


class NotYourTurn(Conflict):
    code = "not-your-turn"
    title_en = "The case waits for somebody else"
    title_zh = "案件不在您的审核环节"


class AlreadyDecided(Conflict):
    code = "already-decided"
    title_en = "This side of the review has decided"
    title_zh = "该环节已作出审核意见"


class SamePersonTwice(Conflict):
    code = "same-person-twice"
    title_en = "One person may decide only once on a case"
    title_zh = "同一人不得在同一案件中重复审核"


class AmountMissing(Refusal):
    code = "amount-missing"
    title_en = "This stage sets the sum"
    title_zh = "本环节须核定金额"


class AmountNotAsked(Refusal):
    code = "amount-not-asked"
    title_en = "This stage does not set the sum"
    title_zh = "本环节不核定金额"


class AmountsDiffer(Conflict):
    code = "amounts-differ"
    title_en = "The two sides set different sums"
    title_zh = "联审双方核定金额不一致"
    remedy_en = "Agree on one sum; either side may then decide anew."
    remedy_zh = "请双方协商一致后，由任一方重新提交审核意见。"


class MinutesNotAsked(Refusal):
    code = "minutes-not-asked"
    title_en = "This stage keeps no minutes"
    title_zh = "本环节不填会议纪要文号"


class MinutesHoldPersonalData(Refusal):
    code = "minutes-hold-personal-data"
    title_en = "This is no number of minutes: it holds a telephone, identity or account number"
    title_zh = "会议纪要文号中含有电话、身份证或银行账户号码"


class MinutesDiffer(Conflict):
    code = "minutes-differ"
    title_en = "The two sides name different minutes"
    title_zh = "联审双方填写的会议纪要文号不一致"
    remedy_en = "Look at the minutes; either side may then decide anew."
    remedy_zh = "请核对会议纪要后，由任一方重新提交审核意见。"


class Verdict(StrEnum):
    APPROVE = "approve"
    REFUSE = "refuse"
    RETURN = "return"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`officer` is issuer and subject together; a system names its officer. `round` grows each time the case comes back."""

    round: int
    stage: str
    decider: Decider
    officer: str
    verdict: Verdict
    reason: str | None = None
    amount_fen: int | None = None
    minutes_number: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the decision makes of the case. `stage` is where the review goes on, None once all stages passed or the review is over.

    `pending` are the deciders still wanted there; `replaces` says that the officer decided anew; `amount_fen` is the sum once it is set.
    """

    state: State
    stage: str | None
    pending: tuple[Decider, ...] = ()
    amount_fen: int | None = None
    stage_passed: bool = False
    replaces: bool = False


def officer_of(caller: Caller, *, named: str | None) -> str:
    """The person who decides: the token's, or the one whom a system names."""
    if caller.kind == "staff":
        if named is not None:
            raise OfficerNotAsked(
                "Your token says who you are; leave the officer out.", detail_zh="令牌已表明您的身份，请勿填写审核人员。", pointer="/officer"
            )
        return caller.id
    if named is None:
        raise OfficerMissing("Name the officer who decided.", detail_zh="请注明作出审核意见的工作人员。", pointer="/officer")
    return f"{caller.id}#{named}"


def is_same_person(one: str, other: str) -> bool:
    """Staff are told apart by issuer and subject. A name given by a system is compared with the other's bare name: when in doubt the same person."""
    if one == other:
        return True
    return "#" in one + other and _bare_name(one) == _bare_name(other)


def _bare_name(officer: str) -> str:
    return re.split(r"[|#]", officer)[-1].lower()


def check_may_decide(caller: Caller, decider: Decider) -> None:
    """Whose scope it is; and a system decides for a district only, whatever scopes its entry was given."""
    require_scope(caller, f"reviews:decide-{decider}")
    if caller.kind == "system" and (caller.channel != "district" or decider is not Decider.DISTRICT_HR):
        raise SystemMayNotDecide(
            f"Decisions for {decider} are taken by its officers themselves, signed in with their own tokens.",
            detail_zh="该部门的审核意见须由其工作人员本人登录提交。",
            facts={"decider": decider.value},
        )


def decider_for(caller: Caller, *, stage_id: str, stages: Sequence[Stage], waiting_on: Sequence[str]) -> Decider:
    """For whom the caller decides at the stage it names: for a side that it may, one that is still waited for first."""
    deciders = [decider for stage in stages if stage.id == stage_id for decider in stage.deciders]
    if not deciders:
        known = [stage.id for stage in stages]
        raise StageUnknown(
            f"There is no stage {stage_id!r}; `known` lists those there are.",
            detail_zh=f"没有审核环节{stage_id!r}，可用环节见known。",
            pointer="/stage",
            facts={"known": ["acceptance", *known]},
        )
    mine = [decider for decider in deciders if f"reviews:decide-{decider}" in caller.scopes]
    chosen = next((decider for decider in mine if decider in waiting_on), (mine or deciders)[0])
    check_may_decide(caller, chosen)
    return chosen


def check_reason(reason: str | None, *, pointer: str) -> str:
    """The reason without outer space; what goes against somebody is never done without one."""
    text = (reason or "").strip()
    if visible_count(text) < REASON_CHARS_MIN:
        raise ReasonMissing(
            f"Give the reason in at least {REASON_CHARS_MIN} visible characters.",
            detail_zh=f"请说明理由（至少{REASON_CHARS_MIN}个可见字符）。",
            pointer=pointer,
        )
    if len(text) > REASON_CHARS_MAX:
        raise ReasonTooLong(
            f"The reason has {len(text)} characters, at most {REASON_CHARS_MAX} are taken.",
            detail_zh=f"理由共{len(text)}个字，最多{REASON_CHARS_MAX}个字。",
            pointer=pointer,
        )
    return text


def check_told_reason(reason: str | None, *, pointer: str) -> str:
    """One that the applicant is told: it travels in an event, where personal data and accounts may not."""
    text = check_reason(reason, pointer=pointer)
    if _holds_personal_number(text):
        raise ReasonHoldsPersonalData(
            "A telephone, identity or account number was found in the reason.", detail_zh="理由中发现电话、身份证或银行账户号码。", pointer=pointer
        )
    return text


def _holds_personal_number(text: str) -> bool:
    """Mobile numbers, and runs of 15 and more digits that are no unified social credit code. Names cannot be told from other words."""
    # Invisible characters are no part of any number, and no gap that anybody sees.
    plain = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    return any(not _is_uscc(found) for found in _NUMBERS.findall(plain))


def _is_uscc(text: str) -> bool:
    try:
        uscc.check(text)
    except uscc.BadUscc:
        return False
    return True


def decide(*, item: Item, stages: Sequence[Stage], state: State, stage: str | None, earlier: Sequence[Decision], decision: Decision) -> Outcome:
    """What one decision does to a case that stands at `stage`; `stages` are those of its policy version, `earlier` all decisions on it so far."""
    if state not in (State.ACCEPTED, State.IN_REVIEW) or stage is None:
        raise _nothing_to_review(state)
    current = next(each for each in stages if each.id == stage)
    _check_turn(current, decision=decision)
    of_stage = [each for each in earlier if (each.round, each.stage) == (decision.round, stage)]
    own = next((each for each in of_stage if each.decider is decision.decider), None)
    _check_officer(decision, earlier=earlier, own=own)
    others = [each for each in of_stage if each.decider is not decision.decider]
    if decision.minutes_number is not None:
        _check_minutes(decision.minutes_number, stage=current, others=others)
    if decision.verdict is not Verdict.APPROVE:
        if decision.amount_fen is not None:
            raise AmountNotAsked("Only an approval sets a sum.", detail_zh="只有同意的审核意见可以核定金额。", pointer="/amount_fen")
        check_told_reason(decision.reason, pointer="/reason")
        target = State.REFUSED if decision.verdict is Verdict.REFUSE else State.RETURNED
        return Outcome(state=target, stage=None, replaces=own is not None)
    _check_sum(current, item=item, decision=decision, others=others)
    return _approved(current, stages=stages, decision=decision, decided={each.decider for each in others}, replaces=own is not None)


def _approved(stage: Stage, *, stages: Sequence[Stage], decision: Decision, decided: set[Decider], replaces: bool) -> Outcome:
    wanted = tuple(decider for decider in stage.deciders if decider not in decided | {decision.decider})
    if wanted:
        return Outcome(state=State.IN_REVIEW, stage=stage.id, pending=wanted, replaces=replaces)
    following = [each for each in stages if each.order > stage.order]
    if not following:
        return Outcome(state=State.IN_REVIEW, stage=None, amount_fen=decision.amount_fen, stage_passed=True, replaces=replaces)
    return Outcome(state=State.IN_REVIEW, stage=following[0].id, pending=following[0].deciders, stage_passed=True, replaces=replaces)


def _nothing_to_review(state: State) -> StepNotAllowed:
    text = STATE_TEXTS[state]
    return StepNotAllowed(
        f"The case is {text.title_en!r}: there is nothing to review.",
        detail_zh=f"案件当前为“{text.title_zh}”，没有待审核的环节。",
        facts={"state": state.value},
    )


def _check_turn(stage: Stage, *, decision: Decision) -> None:
    if decision.stage != stage.id or decision.decider not in stage.deciders:
        raise NotYourTurn(
            f"The case stands at {stage.id!r}, decided by {', '.join(stage.deciders)}; this is of {decision.decider} for {decision.stage!r}.",
            detail_zh=f"案件处于{stage.title_zh}环节，不能提交其他环节或其他部门的审核意见。",
            pointer="/stage",
            facts={"stage": stage.id, "deciders": [decider.value for decider in stage.deciders]},
        )


def _check_officer(decision: Decision, *, earlier: Sequence[Decision], own: Decision | None) -> None:
    """Every side and every stage by another person, in whatever round; only one's own open decision may be taken anew."""
    if own is not None and not is_same_person(own.officer, decision.officer):
        raise AlreadyDecided(
            f"{decision.decider} has decided at this stage through another officer.", detail_zh="本部门已由其他人员作出审核意见。", pointer="/officer"
        )
    for each in earlier:
        if is_same_person(each.officer, decision.officer) and (each.stage, each.decider) != (decision.stage, decision.decider):
            raise SamePersonTwice(
                f"The officer has decided on this case at {each.stage!r} for {each.decider}; every stage and side needs another person.",
                detail_zh="该人员已在本案件的其他环节作出审核意见，各环节、各部门应由不同人员审核。",
                pointer="/officer",
                facts={"decided_at_stage": each.stage},
            )


def check_keeps_minutes(minutes_number: str | None, *, stage: Stage | None) -> None:
    """Only the stage that sets the sum is a meeting of the two sides; acceptance is no stage."""
    if minutes_number is not None and not (stage is not None and stage.sets_amount):
        raise MinutesNotAsked(
            "Only the joint review, which sets the sum, stands in minutes.",
            detail_zh="只有核定金额的联审环节填写会议纪要文号。",
            pointer="/minutes_number",
        )


def _check_minutes(minutes_number: str, *, stage: Stage, others: Sequence[Decision]) -> None:
    """The number travels to the budget and into its evidence, as the told reasons do."""
    check_keeps_minutes(minutes_number, stage=stage)
    if _holds_personal_number(minutes_number):
        raise MinutesHoldPersonalData(
            "A telephone, identity or account number was found in it.",
            detail_zh="会议纪要文号中发现电话、身份证或银行账户号码。",
            pointer="/minutes_number",
        )
    for other in others:
        if other.minutes_number is not None and other.minutes_number != minutes_number:
            raise MinutesDiffer(
                f"{other.decider} named {other.minutes_number}, this decision {minutes_number}.",
                detail_zh=f"一方填写{other.minutes_number}，本意见填写{minutes_number}。",
                pointer="/minutes_number",
                facts={"named": other.minutes_number},
            )


def _check_sum(stage: Stage, *, item: Item, decision: Decision, others: Sequence[Decision]) -> None:
    """联审 sets the sum, both sides the same; no other stage does."""
    if not stage.sets_amount:
        if decision.amount_fen is not None:
            raise AmountNotAsked(
                f"{stage.title_en} approves the need; the sum is set later.", detail_zh=f"{stage.title_zh}不核定金额。", pointer="/amount_fen"
            )
        return
    if decision.amount_fen is None:
        raise AmountMissing(
            f"{stage.title_en} sets the sum: 1 fen to {item.cap_fen} fen ({item.clause}).",
            detail_zh=f"{stage.title_zh}须核定金额，为1分至{item.cap_fen}分（{item.clause}）。",
            pointer="/amount_fen",
        )
    check_amount(item, amount_fen=decision.amount_fen, pointer="/amount_fen")
    for other in others:
        if other.amount_fen is not None and other.amount_fen != decision.amount_fen:
            raise AmountsDiffer(
                f"{other.decider} set {yuan_text(other.amount_fen)} yuan, {decision.decider} {yuan_text(decision.amount_fen)} yuan.",
                detail_zh=f"一方核定{yuan_text(other.amount_fen)}元，另一方核定{yuan_text(decision.amount_fen)}元。",
                pointer="/amount_fen",
                facts={"amounts_fen": {other.decider.value: other.amount_fen, decision.decider.value: decision.amount_fen}},
            )
