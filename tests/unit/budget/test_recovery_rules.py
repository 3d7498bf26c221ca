"""Recovery, corrections, orders to stop and second signatures: both sides of each edge."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.budget import policy
from services.budget.allotment.rules import pool_account
from services.budget.approval.rules import AlreadyDecided, Draft, DraftStale, DraftState, SecondPersonNeeded, check_deciding
from services.budget.clawback.rules import AbovePaid, NothingPaid, booking_day, check_ordering, may_bank_return, received, remitted
from services.budget.freeze.rules import Freeze, Scope
from services.budget.ledger.rules import UNSIGNED, AccountName, Kind, Part
from services.budget.misuse.rules import Article, ArticleDoesNotFit, check_article
from services.budget.payment.rules import OrderState
from services.budget.reversal.rules import AboveOriginal, NotReversible, Original, check_reversal
from tests.unit.budget.money import DAY, money

(FUND,) = policy.current().funds
CASE = money(500)
FREEZE = {"document": "d", "authority": "a", "ordered_on": DAY}


def test_all_that_was_paid_may_be_ordered_back_and_a_fen_more_may_not() -> None:
    check_ordering(order_state=OrderState.PAID, paid_fen=500, ordered_fen=200, asked_fen=300)

    with pytest.raises(AbovePaid):
        check_ordering(order_state=OrderState.PAID, paid_fen=500, ordered_fen=200, asked_fen=301)


@pytest.mark.parametrize("state", [state for state in OrderState if state is not OrderState.PAID])
def test_only_what_is_paid_is_ordered_back(state: OrderState) -> None:
    with pytest.raises(NothingPaid):
        check_ordering(order_state=state, paid_fen=500, ordered_fen=0, asked_fen=1)


@given(first=st.integers(0, 500), second=st.integers(0, 500), cut=st.integers(0, 500))
def test_receipts_give_back_each_year_of_origin_what_was_drawn_of_it(first: int, second: int, cut: int) -> None:
    drawn = {2024: cut, 2025: 500 - cut}
    parts = tuple(
        Part(pool=pool_account(2025, origin_year=year, line_id=None, jurisdiction_id=None), amount_fen=fen) for year, fen in drawn.items() if fen
    )
    sums = (min(first, 500), min(second, 500 - min(first, 500)))

    legs = [
        leg
        for before_fen, amount_fen in ((0, sums[0]), (sums[0], sums[1]))
        for leg in received(CASE, parts=parts, before_fen=before_fen, amount_fen=amount_fen, booked_on=DAY, document="d", fund=FUND, signers=UNSIGNED)
    ]

    assert sum(leg.amount_fen for leg in legs) == sum(sums)
    for year, fen in drawn.items():
        assert sum(leg.amount_fen for leg in legs if leg.dr.origin_year == year) <= fen
    assert {leg.cr.name for leg in legs} <= {AccountName.TO_REMIT}


def test_what_comes_back_in_a_later_year_goes_to_the_treasury() -> None:
    (leg,) = received(CASE, parts=(), before_fen=0, amount_fen=500, booked_on=date(2026, 1, 5), document="d", fund=FUND, signers=UNSIGNED)

    assert (leg.dr.name, leg.cr.name, leg.dr.fiscal_year, leg.dr.origin_year) == (AccountName.RECOVERED_LATE, AccountName.REMITTED, 2026, 2025)


def test_what_waits_is_remitted_from_where_it_waits() -> None:
    legs = remitted(CASE, waiting=[(2024, 300), (2025, 400)], amount_fen=500, on=DAY, document="d", signers=UNSIGNED)

    assert {(leg.kind, leg.dr.name, leg.cr.name) for leg in legs} == {(Kind.REMIT, AccountName.TO_REMIT, AccountName.REMITTED)}
    assert [(leg.dr.origin_year, leg.cr.origin_year, leg.amount_fen) for leg in legs] == [(2024, 2024, 300), (2025, 2025, 200)]


def test_a_day_of_a_closed_year_is_booked_on_the_day_it_is_heard_of() -> None:
    heard_on = date(2026, 1, 5)

    assert booking_day(date(2025, 12, 31), closed={2025}, on=heard_on) == heard_on
    assert booking_day(date(2025, 12, 31), closed={2024}, on=heard_on) == date(2025, 12, 31)


def test_a_fen_that_was_recovered_keeps_the_bank_from_returning_the_payment() -> None:
    assert may_bank_return(received_fen=0)
    assert not may_bank_return(received_fen=1)


def original(*, kind: Kind = Kind.ALLOT, outcome: str = "posted", reversed_fen: int = 0) -> Original:
    return Original(seq=3, outcome=outcome, kind=kind, voucher="AL-2025-000001", dr="a", cr="b", amount_fen=500, reversed_fen=reversed_fen)


def test_no_more_is_taken_back_than_is_left_of_the_original() -> None:
    check_reversal(original(reversed_fen=200), amount_fen=300, fund=FUND)

    with pytest.raises(AboveOriginal):
        check_reversal(original(reversed_fen=200), amount_fen=301, fund=FUND)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_kinds_that_are_taken_back_are_those_of_the_data(kind: Kind) -> None:
    """Goes through `reversal` of services/budget/policy/2023-15/fund.toml"""
    if kind in FUND.reversal.kinds:
        check_reversal(original(kind=kind), amount_fen=500, fund=FUND)
    else:
        with pytest.raises(NotReversible):
            check_reversal(original(kind=kind), amount_fen=1, fund=FUND)
    assert Kind.REVERSE not in FUND.reversal.kinds


@pytest.mark.parametrize("outcome", ["waiting", "refused"])
def test_what_moved_nothing_is_not_taken_back(outcome: str) -> None:
    with pytest.raises(NotReversible):
        check_reversal(original(outcome=outcome), amount_fen=1, fund=FUND)


@pytest.mark.parametrize(
    ("freeze", "stops"),
    [
        (Freeze(scope=Scope.FUND, **FREEZE), True),
        (Freeze(scope=Scope.CASE, application_id=CASE.application_id, **FREEZE), True),
        (Freeze(scope=Scope.CASE, application_id=money(1).application_id, **FREEZE), False),
        (Freeze(scope=Scope.LINE, line_id=CASE.line_id, **FREEZE), True),
        (Freeze(scope=Scope.LINE, line_id="2023-15/5", **FREEZE), False),
        (Freeze(scope=Scope.ORGANISATION, uscc=CASE.applicant_uscc, **FREEZE), True),
        (Freeze(scope=Scope.ORGANISATION, uscc="91990000MA00000313", **FREEZE), False),
        (Freeze(scope=Scope.JURISDICTION, jurisdiction_id="north", **FREEZE), True),
        (Freeze(scope=Scope.JURISDICTION, jurisdiction_id="south", **FREEZE), False),
    ],
)
def test_an_order_stops_what_it_names_and_nothing_else(freeze: Freeze, stops: bool) -> None:
    assert freeze.stops(CASE) is stops


@pytest.mark.parametrize(("article", "against_organisation"), [(Article.OFFICE_MISUSE, False), (Article.RECIPIENT_FRAUD, True)])
def test_each_article_is_about_its_own_kind_of_body(article: Article, against_organisation: bool) -> None:
    check_article(article, against_organisation=against_organisation)

    with pytest.raises(ArticleDoesNotFit):
        check_article(article, against_organisation=not against_organisation)


def test_a_draft_is_decided_once_by_somebody_else_on_the_version_that_was_read() -> None:
    draft = Draft(state=DraftState.MADE, version=1, maker="a")
    check_deciding(draft, version=1, decided_by="b")

    with pytest.raises(SecondPersonNeeded):
        check_deciding(draft, version=1, decided_by="a")
    with pytest.raises(DraftStale):
        check_deciding(draft, version=2, decided_by="b")
    with pytest.raises(AlreadyDecided):
        check_deciding(Draft(state=DraftState.APPROVED, version=2, maker="a"), version=2, decided_by="b")
