"""services/budget/policy/2023-15/paying.toml: routes, codes and cautions of a policy, and what is wrong in such a file."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.budget import policy
from services.budget.policy import paying
from services.budget.policy.paying import BankCodes, Paying, Route

FILE = Path(paying.__file__).parent / "2023-15" / "paying.toml"


def changed(**parts: Any) -> Paying:
    written = paying.current()["2023-15"].model_dump()
    for name, values in parts.items():
        written[name] = {**written[name], **values}
    return Paying.model_validate(written)


def test_every_policy_with_a_fund_says_how_it_pays() -> None:
    assert {fund.id for fund in policy.current().funds} == set(paying.current())


def test_every_line_has_a_code_for_its_spending_and_goes_to_the_treasury_by_default() -> None:
    way = paying.current()["2023-15"]
    fund = policy.current().fund("2023-15")
    assert fund is not None

    assert {line.expenditure_category for line in fund.lines} <= way.codes.economic_codes.keys()
    assert {way.route_of(line_id=line.id, jurisdiction_id="north") for line in fund.lines} == {Route.TREASURY}


def test_the_first_exception_that_covers_an_award_decides_its_route() -> None:
    way = changed(
        route={
            "exceptions": [
                {"line_id": "a/1", "jurisdiction_id": "north", "route": "treasury"},
                {"line_id": "a/1", "route": "quota"},
                {"jurisdiction_id": "south", "route": "quota"},
            ]
        }
    )

    def route(line_id: str, jurisdiction_id: str) -> Route:
        return way.route_of(line_id=line_id, jurisdiction_id=jurisdiction_id)

    assert [route("a/1", "north"), route("a/1", "east"), route("a/2", "south"), route("a/2", "north")] == [
        Route.TREASURY,
        Route.QUOTA,
        Route.QUOTA,
        Route.TREASURY,
    ]


@pytest.mark.parametrize("default", list(Route))
@pytest.mark.parametrize(
    ("is_handed_down", "is_requested", "taken"), [(True, False, Route.QUOTA), (False, True, Route.TREASURY), (False, False, None)]
)
def test_a_payment_stays_where_it_was_sent_whatever_policy_says_by_now(
    default: Route, is_handed_down: bool, is_requested: bool, taken: Route | None
) -> None:
    way = changed(route={"default": default})

    route = way.route_taken(line_id="a/1", jurisdiction_id="north", is_handed_down=is_handed_down, is_requested=is_requested)

    assert route is (taken or default)


def test_an_exception_names_a_line_or_a_jurisdiction() -> None:
    with pytest.raises(ValidationError, match="a line, a jurisdiction, or both"):
        changed(route={"exceptions": [{"route": "quota"}]})


def test_construction_out_of_the_provincial_fund_is_cautioned_and_nothing_else() -> None:
    way = paying.current()["2023-15"]

    cautioned = [
        way.caution_about(expenditure_category=category, funding_source=source) is not None
        for category in ("construction", "reward")
        for source in ("provincial_hr_industry_fund", "city_hr_industry_fund")
    ]

    assert cautioned == [True, False, False, False]


def test_a_bank_code_is_wanted_of_banks_elsewhere_where_it_is_required() -> None:
    wanted = BankCodes(required=True, local_banks=("本地银行",))

    missing = [
        wanted.is_missing(bank_name=name, bank_code=code) for name, code in (("外地银行", None), ("外地银行", "1" * 12), ("本地银行一支行", None))
    ]

    assert missing == [True, False, False]
    assert not BankCodes(required=False).is_missing(bank_name="外地银行", bank_code=None)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('id = "2023-15"', 'id = "2023-16"'),
        ('default = "treasury"', 'default = "cash"'),
        ('functional_code = "2080199"', 'functional_code = "1080199"'),
        ('missing_self_evaluation = "warn"', 'missing_self_evaluation = "ignore"'),
        ("required = false", "required = 0"),
    ],
)
def test_a_wrong_entry_keeps_the_process_from_starting(line: str, wrong: str, tmp_path: Path) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert line in text
    (tmp_path / "2023-15").mkdir()
    (tmp_path / "2023-15" / "paying.toml").write_text(text.replace(line, wrong), encoding="utf-8")

    with pytest.raises(ValueError):
        paying.load(tmp_path)
