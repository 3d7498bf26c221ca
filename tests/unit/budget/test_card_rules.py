"""Whatever moved, the trial balance and the fund card of a year add up; and each day ends with what was on its way."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as some

from services.budget.fund_card.rules import equation_of, figures_of, total_of
from services.budget.ledger.rules import Account, AccountName, Kind
from services.budget.reconciliation.rules import Moved, days_between
from services.budget.snapshot.rules import DEBIT_SIDE, Movement, balances_of
from services.budget.trial_balance.rules import trial_balance

YEAR = 2025


def accounts(*years: int) -> some.SearchStrategy[Account]:
    return some.builds(
        Account,
        name=some.sampled_from(AccountName),
        fiscal_year=some.sampled_from(years),
        origin_year=some.sampled_from([YEAR - 1, YEAR]),
        line_id=some.sampled_from([None, "p/1", "p/2"]),
        jurisdiction_id=some.sampled_from([None, "north"]),
    )


def within(dr_year: int, *cr_years: int) -> some.SearchStrategy[Movement]:
    return some.builds(Movement, kind=some.sampled_from(Kind), dr=accounts(dr_year), cr=accounts(*cr_years), amount_fen=some.integers(1, 2 * 10**8))


MOVEMENTS = some.lists(some.one_of(within(YEAR - 1, YEAR), within(YEAR, YEAR), within(YEAR, YEAR + 1)), max_size=30)


@given(MOVEMENTS)
def test_the_equation_of_a_card_balances_whatever_moved(movements: list[Movement]) -> None:
    card = figures_of(movements, fiscal_year=YEAR)

    assert equation_of(total_of(card)).is_balanced


@given(MOVEMENTS, MOVEMENTS)
def test_each_pair_of_a_trial_balance_is_equal_whatever_moved(before: list[Movement], then: list[Movement]) -> None:
    trial = trial_balance(before=before, within=then, fiscal_year=YEAR)

    assert trial.is_balanced
    assert all(min(row.closing.dr_fen, row.closing.cr_fen) == 0 for row in trial.rows)


@given(MOVEMENTS)
def test_the_closing_of_a_trial_balance_is_the_balance_of_each_account(movements: list[Movement]) -> None:
    balances = balances_of(movements, fiscal_year=YEAR)

    trial = trial_balance(before=[], within=movements, fiscal_year=YEAR)

    closing = {row.account: row.closing.cr_fen - row.closing.dr_fen for row in trial.rows if row.account is not None}
    assert closing == {account: -fen if account.name in DEBIT_SIDE else fen for account, fen in balances.items()}


def test_a_day_ends_with_what_is_on_its_way_now_less_what_came_later() -> None:
    moved = {date(2025, 9, 2): Moved(in_transit_grown_fen=5), date(2025, 9, 4): Moved(in_transit_grown_fen=-3)}

    days = days_between(date(2025, 9, 1), last=date(2025, 9, 3), moved=moved, in_transit_fen=10)

    assert [(each.day.day, each.in_transit_fen) for each in days] == [(1, 8), (2, 13), (3, 13)]
