"""The end of a year: no fen is lost or made, what was carried once is not carried again, and a late proposal is answered as data says."""

import uuid
from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.budget import policy
from services.budget.allotment.rules import pool_account
from services.budget.close.rules import (
    Held,
    YearClosed,
    YearNotOver,
    carried_unspent,
    check_open,
    check_over,
    close_legs,
    entry_day,
    list_goes_on,
    year_for_proposal,
)
from services.budget.ledger.rules import AccountName, Part, unallotted_account
from tests.unit.budget.money import money

(FUND,) = policy.current().funds
CARRYING = FUND.model_copy(update={"year_end": FUND.year_end.model_copy(update={"free_money": "carry"})})

FREE = st.lists(
    st.builds(
        lambda origin_year, line_id, amount_fen: Part(
            pool=pool_account(2025, origin_year=origin_year, line_id=line_id, jurisdiction_id=None), amount_fen=amount_fen
        ),
        st.sampled_from([2024, 2025]),
        st.sampled_from([None, "2023-15/2", "2023-15/5"]),
        st.integers(1, 10**9),
    ),
    unique_by=lambda part: part.pool,
)
HELD = st.lists(st.builds(lambda fen: Held(money=money(fen)._replace(application_id=uuid.uuid4())), st.integers(1, 10**9)), max_size=5)


@given(free=FREE, held=HELD, carries=st.booleans())
def test_every_fen_of_the_year_is_carried_or_lapses(free: list[Part], held: list[Held], carries: bool) -> None:
    legs = close_legs(2025, held=held, free=free, fund=CARRYING if carries else FUND, document="d", maker="m")

    gained: Counter[str] = Counter()
    for voucher in (*legs.carried_cases, *legs.carried_free, *legs.lapsed):
        for leg in voucher:
            gained[leg.cr.code] += leg.amount_fen
            gained[leg.dr.code] -= leg.amount_fen
    for each in free:
        assert gained[each.pool.code] == -each.amount_fen
    assert not any(fen for code, fen in gained.items() if AccountName.CARRIED in code)
    assert legs.carried_fen + legs.lapsed_fen == sum(each.amount_fen for each in free) + sum(each.money.amount_fen for each in held)
    assert sum(fen for code, fen in gained.items() if code.startswith("2026/")) == legs.carried_fen


@given(free=FREE)
def test_free_money_of_an_earlier_year_always_lapses(free: list[Part]) -> None:
    legs = close_legs(2025, held=[], free=free, fund=CARRYING, document="d", maker="m")

    assert {voucher[0].dr.origin_year for voucher in legs.carried_free} <= {2025}
    assert sum(voucher[0].amount_fen for voucher in legs.lapsed) == sum(each.amount_fen for each in free if each.pool.origin_year == 2024)


def test_what_was_never_allotted_lapses_with_the_rest() -> None:
    free = [Part(pool=unallotted_account(2025), amount_fen=7)]

    ((lapsed,),) = close_legs(2025, held=[], free=free, fund=FUND, document="d", maker="m").lapsed

    assert (lapsed.dr.name, lapsed.cr.name, lapsed.amount_fen) == (AccountName.UNALLOTTED, AccountName.LAPSED, 7)


def test_a_carried_case_keeps_its_line_and_jurisdiction_and_the_year_its_money_is_of() -> None:
    held = Held(money=money(500))

    ((out, back),) = close_legs(2025, held=[held], free=[], fund=FUND, document="d", maker="m").carried_cases

    assert (out.cr, out.effective_on) == (back.dr, date(2025, 12, 31))
    assert back.cr.code == "2026/指标:已预留[line=2023-15/2,jurisdiction=north,origin=2025]"
    assert (back.application_id, back.line_id) == (held.money.application_id, held.money.line_id)


def test_money_carried_into_the_year_stands_in_the_way_until_it_is_spent() -> None:
    old = Part(pool=pool_account(2025, origin_year=2024, line_id=None, jurisdiction_id=None), amount_fen=300)
    new = Part(pool=pool_account(2025, origin_year=2025, line_id=None, jurisdiction_id=None), amount_fen=200)

    (found,) = carried_unspent([Held(money=money(500), parts=(old, new)), Held(money=money(500))])

    assert (found.subject, found.amount_fen) == ("C-1", 300)


def test_a_year_is_over_on_the_first_day_of_the_next() -> None:
    check_over(2025, on=date(2026, 1, 1))

    with pytest.raises(YearNotOver):
        check_over(2025, on=date(2025, 12, 31))


@pytest.mark.parametrize(("fiscal_year", "day"), [(2025, date(2026, 1, 5)), (2026, date(2025, 12, 31))])
def test_neither_the_money_nor_a_day_of_a_closed_year_is_touched(fiscal_year: int, day: date) -> None:
    with pytest.raises(YearClosed):
        check_open(fiscal_year, effective_on=day, closed={2025})


def test_the_open_year_takes_entries_of_its_days() -> None:
    check_open(2026, effective_on=date(2026, 1, 1), closed={2025})


def test_a_december_proposal_heard_in_january_is_of_december_until_the_year_is_closed() -> None:
    assert year_for_proposal(2025, closed=set(), late_proposal="refuse") == 2025


def test_after_the_close_a_december_proposal_is_refused_or_taken_by_the_open_year() -> None:
    assert year_for_proposal(2025, closed={2025}, late_proposal="open_year") == 2026

    with pytest.raises(YearClosed):
        year_for_proposal(2025, closed={2025}, late_proposal="refuse")


def test_no_proposal_skips_a_year() -> None:
    with pytest.raises(YearClosed):
        year_for_proposal(2025, closed={2025, 2026}, late_proposal="open_year")


@pytest.mark.parametrize(
    ("day", "closed", "booked_on"),
    [
        (date(2025, 12, 31), {2025}, date(2026, 1, 1)),
        (date(2026, 1, 1), {2025}, date(2026, 1, 1)),
        (date(2025, 12, 31), set(), date(2025, 12, 31)),
        (date(2025, 12, 31), {2025, 2026}, date(2025, 12, 31)),
    ],
)
def test_what_happened_in_a_closed_year_is_booked_on_the_first_day_of_the_year_that_holds_it(day: date, closed: set[int], booked_on: date) -> None:
    assert entry_day(day, fiscal_year=2026, closed=closed) == booked_on


def test_a_list_goes_on_only_where_the_next_year_has_money_of_the_same_fund() -> None:
    carrying = FUND.model_copy(update={"waiting": FUND.waiting.model_copy(update={"waiting_at_year_end": "carry"})})
    successor = carrying.model_copy(update={"id": "2026-1"})

    goes_on = [
        list_goes_on(fund, next_fund=next_fund) for fund, next_fund in ((carrying, carrying), (carrying, successor), (carrying, None), (FUND, FUND))
    ]

    assert goes_on == [True, False, False, False]
