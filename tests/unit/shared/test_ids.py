"""Identifiers."""

from uuid import UUID

import pytest

from shared.ids import case_number, new_id


def test_ids_are_standard_uuids_of_version_7_in_the_order_of_creation() -> None:
    ids = [new_id() for _ in range(1_000)]

    assert {type(each) for each in ids} == {UUID}
    assert {each.version for each in ids} == {7}
    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "AB-2025-990002-000001"), (123, "AB-2025-990002-000123"), (999_999, "AB-2025-990002-999999"), (1_000_000, "AB-2025-990002-1000000")],
)
def test_a_case_number_has_six_digits_and_grows_when_they_are_used_up(number: int, text: str) -> None:
    assert case_number(prefix="AB", year=2025, district_code="990002", number=number) == text


def test_there_is_no_case_number_zero() -> None:
    with pytest.raises(AssertionError):
        case_number(prefix="AB", year=2025, district_code="990002", number=0)
