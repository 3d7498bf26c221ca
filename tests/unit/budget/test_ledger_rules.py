"""Accounts and postings: codes that are unique, and from which account to which money moves."""

from datetime import date

import pytest

from services.budget import policy
from services.budget.appropriation import rules as appropriation
from services.budget.ledger.rules import Account, AccountName, Kind, Signers, appropriate, move, return_money
from tests.unit.budget.money import money

(FUND,) = policy.current().funds
DAY = date(2025, 9, 15)


def test_an_account_is_named_by_what_it_is_narrowed_to() -> None:
    wide = Account(name=AccountName.AVAILABLE, fiscal_year=2025, origin_year=2025)
    narrow = Account(name=AccountName.AVAILABLE, fiscal_year=2025, origin_year=2025, line_id="2023-15/2", jurisdiction_id="north")
    carried = Account(name=AccountName.AVAILABLE, fiscal_year=2026, origin_year=2025)

    assert [account.code for account in (wide, narrow, carried)] == [
        "2025/指标:可用",
        "2025/指标:可用[line=2023-15/2,jurisdiction=north]",
        "2026/指标:可用[origin=2025]",
    ]


@pytest.mark.parametrize(
    ("kind", "source", "target"),
    [
        (Kind.RESERVE, AccountName.AVAILABLE, AccountName.RESERVED),
        (Kind.RELEASE, AccountName.RESERVED, AccountName.AVAILABLE),
        (Kind.ORDER, AccountName.RESERVED, AccountName.IN_TRANSIT),
        (Kind.CONFIRM, AccountName.IN_TRANSIT, AccountName.PAID),
    ],
)
def test_each_kind_moves_the_whole_sum_from_one_account_to_another(kind: Kind, source: AccountName, target: AccountName) -> None:
    case = money(500)

    posting = move(case, kind=kind, document="d", effective_on=DAY)

    assert (posting.dr.name, posting.cr.name, posting.amount_fen) == (source, target, 500)
    assert (posting.application_id, posting.proposal_id, posting.line_id) == (case.application_id, case.proposal_id, case.line_id)


def test_what_is_reserved_stands_under_its_line_and_the_posting_names_the_case() -> None:
    case = money(500)

    ordered = move(case, kind=Kind.ORDER, document="d", effective_on=DAY)

    assert (ordered.dr.code, ordered.application_id) == ("2025/指标:已预留[line=2023-15/2,jurisdiction=north]", case.application_id)
    assert ordered.cr.code == "2025/支付申请:在途[line=2023-15/2,jurisdiction=north]"


@pytest.mark.parametrize("was", [AccountName.IN_TRANSIT, AccountName.PAID])
def test_a_return_goes_back_to_the_same_case(was: AccountName) -> None:
    case = money(500)

    returned = return_money(case, was=was, document="d", effective_on=DAY, signers=Signers())

    reserved = move(case, kind=Kind.RESERVE, document="d", effective_on=DAY)
    assert (returned.kind, returned.dr.name, returned.cr) == (Kind.RETURN, was, reserved.cr)


def test_an_appropriation_ends_as_money_that_is_free() -> None:
    source, free = appropriate(FUND, fiscal_year=2025, amount_fen=7, document="d", effective_on=DAY, maker="m")

    assert [source.dr.name, source.cr.name] == [AccountName.APPROVED, AccountName.UNALLOTTED]
    assert [free.dr, free.cr.name, free.amount_fen] == [source.cr, AccountName.AVAILABLE, 7]


def test_the_ceiling_may_be_reached_and_not_passed() -> None:
    appropriation.check_ceiling(asked_fen=1, appropriated_fen=199_999_999, fiscal_year=2025, fund=FUND)

    with pytest.raises(appropriation.AboveCeiling, match=r"1,999,999\.99 yuan already"):
        appropriation.check_ceiling(asked_fen=2, appropriated_fen=199_999_999, fiscal_year=2025, fund=FUND)


def test_a_document_is_dated_today_or_before() -> None:
    appropriation.check_approval_day(DAY, on=DAY)

    with pytest.raises(appropriation.ApprovedInFuture):
        appropriation.check_approval_day(date(2025, 9, 16), on=DAY)
