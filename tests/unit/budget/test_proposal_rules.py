"""What each award of a proposal is answered, many proposals at once."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.budget import policy
from services.budget.entry.rules import Outcome
from services.budget.ledger.rules import Act
from services.budget.policy.catalogue import Catalogue, WaitingRule
from services.budget.proposal import rules
from services.budget.proposal.rules import Answer, Asked, Award, Decisions, Known, Picture, Proposal
from services.budget.waiting.rules import LIVE, ReservationState, choose_served
from tests.building import BUSINESS_NOW
from tests.unit.budget.money import award, fund_with, money, purse

(FUND,) = policy.current().funds
AMPLE_FEN = 10**12
AMOUNTS = st.lists(st.lists(st.integers(min_value=1, max_value=1_000), max_size=6), max_size=6)


@pytest.mark.parametrize("line", FUND.lines, ids=lambda line: line.id)
def test_the_cap_of_each_line_is_reserved_and_one_fen_more_is_refused(line: policy.catalogue.Line) -> None:
    decided = decide([award(line.cap_fen, line_id=line.id), award(line.cap_fen + 1, line_id=line.id)])

    reserved, refused = decided.answers
    assert reserved.money is not None
    assert (reserved.state, reserved.money.expenditure_category) == (ReservationState.RESERVED, line.expenditure_category)
    assert isinstance(refused.refusal, rules.AboveCap)
    assert line.clause in refused.refusal.detail_zh


@pytest.mark.parametrize(("fiscal_year", "is_funded"), [(2022, False), (2023, True), (2025, True), (2026, True), (2027, False)])
def test_only_the_years_of_the_term_and_the_one_after_are_funded(fiscal_year: int, is_funded: bool) -> None:
    (answer,) = decide([award()], fiscal_year=fiscal_year).answers

    assert (answer.state is ReservationState.RESERVED) is is_funded
    assert isinstance(answer.refusal, rules.YearOutsideTerm) is not is_funded


@pytest.mark.parametrize(("id_", "is_funded"), [("2023-15", True), ("2026-9", False)])
def test_money_of_the_policy_that_follows_is_not_spent_on_awards_of_the_one_before(id_: str, is_funded: bool) -> None:
    of_the_year = purse(AMPLE_FEN, fiscal_year=2026)
    of_the_year.fund = of_the_year.fund.model_copy(update={"id": id_})

    decided = rules.decide([asked([award()], fiscal_year=2026)], picture=Picture(purses={2026: of_the_year}), catalogue=policy.current())

    assert [isinstance(each.refusal, rules.YearOutsideTerm) for each in decided.answers] == [not is_funded]


@pytest.mark.parametrize("state", ReservationState)
def test_a_case_with_another_live_proposal_is_refused_and_any_other_is_funded(state: ReservationState) -> None:
    one = award()

    (answer,) = decide([one], known={one.application_id: [Known(proposal_id=uuid.uuid4(), state=state)]}).answers

    assert answer.state is (ReservationState.REFUSED if state in LIVE else ReservationState.RESERVED)


def test_a_tombstone_is_answered_once_and_everything_else_that_is_known_is_a_repeat() -> None:
    proposal_id = uuid.uuid4()
    awards = [award() for _ in ReservationState]
    known = {each.application_id: [Known(proposal_id, state)] for each, state in zip(awards, ReservationState, strict=True)}

    decided = decide([*awards, *awards], known=known, proposal_id=proposal_id)

    early = list(ReservationState).index(ReservationState.RELEASED_EARLY)
    assert [(each.award, each.state) for each in decided.answers] == [(awards[early], ReservationState.RELEASED)]
    assert len(decided.repeated) == 2 * len(awards) - 1
    assert decided.vouchers == []


def test_without_a_fund_every_award_is_refused() -> None:
    decided = decide([award(), award()], policy_id="1999-1")

    assert [type(each.refusal) for each in decided.answers] == [rules.UnknownPolicy] * 2
    assert [(each.outcome, (each.reason or "").partition(":")[0]) for each in decided.vouchers] == [(Outcome.REFUSED, "unknown-policy")] * 2


@given(st.lists(st.sampled_from([award(), award(4_000_000), award(line_id="2023-15/99")]), max_size=8))
def test_every_award_of_a_list_is_in_exactly_one_answer(awards: list[Award]) -> None:
    decided = decide(awards)

    assert len(decided.answers) + len(decided.repeated) == len(awards)


@given(amounts=AMOUNTS, available_fen=st.integers(min_value=0, max_value=5_000), rule=st.sampled_from(WaitingRule))
def test_a_batch_is_answered_as_its_proposals_would_be_one_after_the_other(amounts: list[list[int]], available_fen: int, rule: WaitingRule) -> None:
    batch = [asked([award(fen) for fen in each]) for each in amounts]
    catalogue = with_rule(rule)
    one_by_one = picture(available_fen, rule=rule)

    together = rules.decide(batch, picture=picture(available_fen, rule=rule), catalogue=catalogue)

    each_alone = [rules.decide([each], picture=one_by_one, catalogue=catalogue) for each in batch]
    assert together.answers == [answer for decisions in each_alone for answer in decisions.answers]
    assert together.vouchers == [voucher for decisions in each_alone for voucher in decisions.vouchers]


@given(amounts=AMOUNTS, available_fen=st.integers(min_value=0, max_value=5_000), rule=st.sampled_from(WaitingRule))
def test_those_reserved_for_are_those_whom_serving_the_whole_list_would_fund(amounts: list[list[int]], available_fen: int, rule: WaitingRule) -> None:
    """Answering as they come may never differ from putting all in the list and serving it."""
    batch = [asked([award(fen) for fen in each]) for each in amounts]
    fens = [fen for each in amounts for fen in each]

    decided = rules.decide(batch, picture=picture(available_fen, rule=rule), catalogue=with_rule(rule))

    served = choose_served([money(fen) for fen in fens], purse=purse(available_fen, rule=rule))
    reserved = [answer.award.amount_fen for answer in sorted(decided.answers, key=place_in(batch)) if answer.state is ReservationState.RESERVED]
    assert reserved == [each.amount_fen for each, _ in served]


@pytest.mark.parametrize(("rule", "short"), [(WaitingRule.FIRST_THAT_FITS, [70_000]), (WaitingRule.STRICT, [60_000, 70_000])])
def test_who_waits_is_told_what_is_missing(rule: WaitingRule, short: list[int]) -> None:
    batch = [asked([award(70_000), award(90_000), award(10_000)])]

    decided = rules.decide(batch, picture=picture(100_000, rule=rule), catalogue=with_rule(rule))

    assert [each.short_by_fen for each in decided.answers if each.state is ReservationState.WAITING] == short


def test_under_the_strict_rule_nobody_overtakes_those_who_wait_already() -> None:
    waiting = Picture(purses={2025: purse(50, rule=WaitingRule.STRICT)}, waiting_fen={2025: 60})

    (answer,) = rules.decide([asked([award(10)])], picture=waiting, catalogue=with_rule(WaitingRule.STRICT)).answers

    assert (answer.state, answer.short_by_fen) == (ReservationState.WAITING, 20)


def decide(
    awards: Sequence[Award],
    *,
    known: Mapping[UUID, list[Known]] | None = None,
    fiscal_year: int = 2025,
    proposal_id: UUID | None = None,
    policy_id: str = "2023-15",
) -> Decisions:
    batch = [asked(awards, fiscal_year=fiscal_year, proposal_id=proposal_id, policy_id=policy_id)]
    seen = Picture(purses={fiscal_year: purse(AMPLE_FEN, fiscal_year=fiscal_year)}, known=dict(known or {}))
    return rules.decide(batch, picture=seen, catalogue=policy.current())


def asked(awards: Sequence[Award], *, fiscal_year: int = 2025, proposal_id: UUID | None = None, policy_id: str = "2023-15") -> Asked:
    proposal = Proposal(proposal_id=proposal_id or uuid.uuid4(), fiscal_year=fiscal_year, policy_id=policy_id, awards=tuple(awards))
    return Asked(proposal, Act(caller="test", key=str(proposal.proposal_id), fingerprint=b"1", at=BUSINESS_NOW, on=BUSINESS_NOW.date()))


def picture(available_fen: int, *, rule: WaitingRule = WaitingRule.FIRST_THAT_FITS) -> Picture:
    return Picture(purses={2025: purse(available_fen, rule=rule)})


def with_rule(rule: WaitingRule) -> Catalogue:
    return Catalogue(funds=(fund_with(rule),))


def place_in(batch: Sequence[Asked]) -> Callable[[Answer], int]:
    places = {id(award): place for place, award in enumerate(award for each in batch for award in each.proposal.awards)}
    return lambda answer: places[id(answer.award)]
