"""Resident identity numbers. All numbers here are the standard's examples or invented."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.resident_id import BadResidentId, check, masked, normalise

TODAY = date(2025, 9, 10)
STANDARD = "11010519491231002X"


@pytest.mark.parametrize("number", [STANDARD, "440524188001010014", "371002199001010015"])
def test_a_valid_number_is_accepted(number: str) -> None:
    assert check(number, on=TODAY) == number


@pytest.mark.parametrize("text", [" 11010519491231002x ", "１１０１０５１９４９１２３１００２ｘ"])
def test_lower_case_full_width_and_blanks_are_normalised(text: str) -> None:
    assert normalise(text) == check(text, on=TODAY) == STANDARD


@pytest.mark.parametrize("region", ["371081", "371003", "371071", "810000", "820000", "830000"])
def test_no_region_is_refused(region: str) -> None:
    number = _number(region, "19900101")

    assert check(number, on=TODAY) == number


@pytest.mark.parametrize("text", ["", STANDARD[:17], STANDARD + "0", "X1010519491231002X", "1101051949123100٢X", "11010519491231002Y"])
def test_another_shape_is_refused(text: str) -> None:
    with pytest.raises(BadResidentId):
        check(text, on=TODAY)


@pytest.mark.parametrize("birth", ["19491301", "19490229", "00000101", "19490431"])
def test_a_birth_date_that_never_was_is_refused(birth: str) -> None:
    with pytest.raises(BadResidentId):
        check(_number("371002", birth), on=TODAY)


def test_a_birth_today_is_accepted_and_one_tomorrow_is_refused() -> None:
    today, tomorrow = _number("371002", "20250910"), _number("371002", "20250911")

    assert check(today, on=TODAY) == today
    with pytest.raises(BadResidentId):
        check(tomorrow, on=TODAY)


@given(st.integers(0, 16), st.integers(1, 9))
def test_any_single_wrong_digit_is_refused(index: int, shift: int) -> None:
    wrong = str((int(STANDARD[index]) + shift) % 10)

    with pytest.raises(BadResidentId):
        check(STANDARD[:index] + wrong + STANDARD[index + 1 :], on=TODAY)


@pytest.mark.parametrize("text", ["110105194912310021", "110105199002300028", "37100219900101001"])
def test_a_refusal_repeats_no_part_of_the_number(text: str) -> None:
    with pytest.raises(BadResidentId) as refused:
        check(text, on=TODAY)

    said = refused.value.detail_en + refused.value.detail_zh + str(dict(refused.value.facts))
    assert not any(text[start : start + 4] in said for start in range(len(text) - 3))


def test_masking_hides_the_birth_date() -> None:
    assert masked(STANDARD) == "110105********002X"


def test_what_was_never_checked_cannot_be_masked() -> None:
    with pytest.raises(AssertionError):
        masked("110105")


def _number(region: str, birth: str) -> str:
    first_17 = f"{region}{birth}001"
    weights = [2 ** (17 - index) % 11 for index in range(17)]
    return first_17 + "10X98765432"[sum(int(digit) * weight for digit, weight in zip(first_17, weights, strict=True)) % 11]
