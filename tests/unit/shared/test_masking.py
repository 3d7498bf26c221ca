"""Masking of names and telephone numbers."""

import pytest

from shared.masking import masked_mobile, masked_name


@pytest.mark.parametrize(("name", "masked"), [("欧阳测试", "欧***"), ("王明", "王*"), ("王", "*"), ("", "")])
def test_only_the_first_character_of_a_name_is_shown(name: str, masked: str) -> None:
    assert masked_name(name) == masked


def test_the_middle_four_digits_of_a_mobile_number_are_hidden() -> None:
    assert masked_mobile("13900001234") == "139****1234"
