"""From which pools a case draws: what it gets adds up, nobody else's pool is touched, and everything goes back where it came from."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.budget import policy
from services.budget.allotment.rules import NothingNarrowed, check_allotment, draw, drawable_fen, is_plain, pool_account
from services.budget.ledger.rules import InsufficientBudget, Kind, Part, Terms, check_sufficient, move, spread
from services.budget.policy.catalogue import Allotment
from tests.unit.budget.money import DAY, money

(FUND,) = policy.current().funds
CASE = money(500)

LINES = st.sampled_from([None, CASE.line_id, "2023-15/5"])
JURISDICTIONS = st.sampled_from([None, CASE.jurisdiction_id, "south"])
POOLS = st.lists(
    st.builds(
        Part,
        pool=st.builds(
            lambda origin_year, line_id, jurisdiction_id: pool_account(
                2025, origin_year=origin_year, line_id=line_id, jurisdiction_id=jurisdiction_id
            ),
            st.sampled_from([2024, 2025]),
            LINES,
            JURISDICTIONS,
        ),
        amount_fen=st.integers(1, 600),
    ),
    unique_by=lambda part: part.pool,
    max_size=18,
)


def part(amount_fen: int, *, origin_year: int = 2025, line_id: str | None = None, jurisdiction_id: str | None = None) -> Part:
    return Part(pool=pool_account(2025, origin_year=origin_year, line_id=line_id, jurisdiction_id=jurisdiction_id), amount_fen=amount_fen)


@given(pools=POOLS, draw_first=st.sampled_from(["carried", "current"]))
def test_a_case_gets_its_sum_or_nothing_and_no_pool_gives_more_than_it_has(pools: list[Part], draw_first: Literal["carried", "current"]) -> None:
    parts = draw(pools, case=CASE, draw_first=draw_first)

    assert (parts is None) == (drawable_fen(pools, case=CASE) < CASE.amount_fen)
    if parts is not None:
        held = {each.pool: each.amount_fen for each in pools}
        assert sum(each.amount_fen for each in parts) == CASE.amount_fen
        assert all(0 < each.amount_fen <= held[each.pool] for each in parts)
        assert all(each.pool.line_id in (None, CASE.line_id) and each.pool.jurisdiction_id in (None, CASE.jurisdiction_id) for each in parts)


@given(pools=POOLS)
def test_what_a_release_gives_back_is_what_the_reserve_took_pool_by_pool(pools: list[Part]) -> None:
    parts = draw([*pools, part(500, line_id=CASE.line_id, jurisdiction_id=CASE.jurisdiction_id)], case=CASE, draw_first="carried")
    assert parts is not None

    reserved, released = (spread(move(CASE, kind=kind, document="d", effective_on=DAY), parts=parts) for kind in (Kind.RESERVE, Kind.RELEASE))

    assert [(leg.dr, leg.cr, leg.amount_fen) for leg in reserved] == [(leg.cr, leg.dr, leg.amount_fen) for leg in released]


def test_the_narrowest_pool_is_drawn_first_within_its_year() -> None:
    pools = [part(100), part(100, jurisdiction_id="north"), part(100, line_id=CASE.line_id), part(100, line_id=CASE.line_id, jurisdiction_id="north")]

    parts = draw(pools, case=CASE._replace(amount_fen=250), draw_first="carried")

    assert parts == (pools[3], pools[2], pools[1]._replace(amount_fen=50))


@pytest.mark.parametrize(("draw_first", "first"), [("carried", 2024), ("current", 2025)])
def test_policy_says_which_year_is_drawn_first(draw_first: Literal["carried", "current"], first: int) -> None:
    parts = draw([part(500, origin_year=2024), part(500)], case=CASE, draw_first=draw_first)

    assert parts is not None
    assert [each.pool.origin_year for each in parts] == [first]


def test_after_the_reserve_only_years_of_origin_stay_apart() -> None:
    parts = (part(200), part(200, line_id=CASE.line_id), part(100, origin_year=2024))

    legs = spread(move(CASE, kind=Kind.ORDER, document="d", effective_on=DAY), parts=parts)

    assert [(leg.dr.origin_year, leg.cr.origin_year, leg.amount_fen) for leg in legs] == [(2025, 2025, 400), (2024, 2024, 100)]


def test_only_a_case_served_whole_by_the_fund_of_its_year_keeps_no_parts() -> None:
    assert is_plain((part(500),), fiscal_year=2025)
    assert not is_plain((part(500, origin_year=2024),), fiscal_year=2025)
    assert not is_plain((part(400), part(100, line_id=CASE.line_id)), fiscal_year=2025)


def test_where_money_is_allotted_by_line_the_whole_fund_may_be_allotted_too() -> None:
    by_line = FUND.model_copy(update={"allotment": FUND.allotment.model_copy(update={"allotment": Allotment.BY_LINE})})

    check_allotment(line_id=None, jurisdiction_id=None, fund=by_line)

    with pytest.raises(NothingNarrowed):
        check_allotment(line_id=None, jurisdiction_id=None, fund=FUND)


def test_all_that_is_free_suffices_and_a_fen_more_does_not() -> None:
    terms = Terms(level=part(1).pool, available_fen=100, reserved_fen=30, in_transit_fen=20, paid_fen=10, as_of_seq=7)
    check_sufficient(terms, requested_fen=100)

    with pytest.raises(InsufficientBudget, match=r"in the way stand 0\.60 yuan") as refused:
        check_sufficient(terms, requested_fen=101)

    assert refused.value.facts["as_of_seq"] == 7
