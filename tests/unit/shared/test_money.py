"""Fen: what is accepted as money, and how it is written for people."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.money import FEN_MAX, FEN_PER_WAN, Fen, FenOrZero, wan_text, yuan_text

fen: TypeAdapter[int] = TypeAdapter(Fen)
fen_or_zero: TypeAdapter[int] = TypeAdapter(FenOrZero)


@pytest.mark.parametrize("text", ["1", "3000000", str(FEN_MAX)])
def test_whole_fen_from_one_to_the_maximum_are_money(text: str) -> None:
    assert fen.validate_json(text) == int(text)


@pytest.mark.parametrize("text", ["0", "-1", str(FEN_MAX + 1), "1.0", "1.5", "1e3", '"100"', "true", "null", "9" * 400])
def test_zero_negative_too_much_float_string_and_bool_are_not_money(text: str) -> None:
    with pytest.raises(ValidationError):
        fen.validate_json(text)


@pytest.mark.parametrize("value", [True, 1.0, "1", Decimal(1)])
def test_python_values_of_another_type_are_not_money(value: object) -> None:
    with pytest.raises(ValidationError):
        fen.validate_python(value)


def test_zero_is_money_only_where_zero_is_allowed() -> None:
    assert fen_or_zero.validate_json("0") == 0
    with pytest.raises(ValidationError):
        fen_or_zero.validate_json("-1")


@pytest.mark.parametrize(
    ("amount_fen", "yuan", "wan"),
    [
        (0, "0.00", "0"),
        (1, "0.01", "0.000001"),
        (99, "0.99", "0.000099"),
        (100, "1.00", "0.0001"),
        (2_000_000, "20,000.00", "2"),
        (3_500_000, "35,000.00", "3.5"),
        (200_000_000, "2,000,000.00", "200"),
        (-150, "-1.50", "-0.00015"),
    ],
)
def test_money_is_written_in_yuan_and_in_wan(amount_fen: int, yuan: str, wan: str) -> None:
    assert (yuan_text(amount_fen), wan_text(amount_fen)) == (yuan, wan)


@given(st.integers(-FEN_MAX, FEN_MAX))
def test_no_fen_is_lost_in_writing(amount_fen: int) -> None:
    yuan, wan = Decimal(yuan_text(amount_fen).replace(",", "")), Decimal(wan_text(amount_fen).replace(",", ""))

    assert yuan * 100 == amount_fen
    assert wan * FEN_PER_WAN == amount_fen
