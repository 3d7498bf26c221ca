"""Unified social credit codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from stdnum.cn import uscc as stdnum_uscc

from shared.uscc import BadUscc, Uscc, check, inner_check_holds, normalise
from tests.fixtures.uscc import make_synthetic

PUBLISHED = [
    "91330100799655058B",
    "9144030071526726XG",
    "914403001922038216",
    "91110000802100433B",
    "91110000600037341L",
    "113700000045030270",
    "91371000MA3N6WYW1J",
    "913710007628687892",
]
SYNTHETIC = [
    "91371002MA3D123476",
    "91371003MA3E567894",
    "91371082MA94KXYTXJ",
    "91371083MA7H000052",
    "91371071MA3N22229H",
    "91371072MA3P33333M",
    "91371073MA3Q44447Q",
    "51371000501234569U",
    "523710005076543298",
]
VALID = SYNTHETIC[0]
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@pytest.mark.parametrize("code", PUBLISHED + SYNTHETIC)
def test_a_valid_code_is_accepted_as_it_is(code: str) -> None:
    assert check(code) == code


@pytest.mark.parametrize("code", PUBLISHED)
def test_the_organisation_code_inside_a_published_code_holds(code: str) -> None:
    assert inner_check_holds(code)


def test_a_code_whose_inner_check_fails_is_still_accepted() -> None:
    code = make_synthetic("91990000MA0000011")

    assert check(code) == code
    assert not inner_check_holds(code)


@pytest.mark.parametrize("text", [" 91371082ma94kxytxj\n", "９１３７１０８２ＭＡ９４ＫＸＹＴＸＪ", "91371082ma94KXYTXj\u3000"])
def test_lower_case_full_width_and_surrounding_blanks_are_normalised(text: str) -> None:
    assert normalise(text) == check(text) == "91371082MA94KXYTXJ"


@pytest.mark.parametrize(("text", "expected"), [("91350100M000100Y4Z", None), ("91350100M000100Y44", "3"), ("91310115MA1H8R7C6D", None)])
def test_the_tutorial_codes_with_a_wrong_check_character_are_refused(text: str, expected: str | None) -> None:
    with pytest.raises(BadUscc) as refused:
        check(text)

    if expected is not None:
        assert f"check character must be {expected}" in refused.value.detail_en
        assert f"校验码应为{expected}" in refused.value.detail_zh
        assert refused.value.facts == {"position": 18, "expected": expected}


@pytest.mark.parametrize(("letter", "digit"), [("I", "1"), ("O", "0"), ("S", "5"), ("V", "U"), ("Z", "2")])
def test_a_letter_left_out_of_the_alphabet_is_named_with_what_it_looks_like(letter: str, digit: str) -> None:
    with pytest.raises(BadUscc) as refused:
        check(VALID[:9] + letter + VALID[10:])

    assert f"Position 10 is '{letter}'" in refused.value.detail_en
    assert f"is it {digit}?" in refused.value.detail_en
    assert refused.value.facts == {"position": 10}


@pytest.mark.parametrize("length", [0, 15, 17, 19])
def test_a_code_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(BadUscc) as refused:
        check((VALID + "0")[:length])

    assert refused.value.facts == {"length": length}


@pytest.mark.parametrize("char", ["٣", "९", "-", " ", "中", "'"])
def test_digits_of_other_scripts_and_signs_are_refused(char: str) -> None:
    with pytest.raises(BadUscc) as refused:
        check(VALID[:3] + char + VALID[4:])

    assert refused.value.facts == {"position": 4}


def test_a_letter_in_the_region_is_refused_even_with_a_fitting_check_character() -> None:
    with pytest.raises(BadUscc) as refused:
        check(make_synthetic("9199A000MA0000011"))

    assert refused.value.facts == {"position": 5}


def test_eighteen_zeros_are_refused_although_their_sum_fits() -> None:
    assert make_synthetic("0" * 17) == "0" * 18

    with pytest.raises(BadUscc):
        check("0" * 18)


@given(st.text("0123456789", min_size=8, max_size=8), st.text(ALPHABET, min_size=9, max_size=9), st.sampled_from(ALPHABET))
def test_codes_that_begin_with_digits_are_judged_as_python_stdnum_does(head: str, tail: str, last: str) -> None:
    # Two places where stdnum is not right, so not compared: it lets eighteen zeros pass, and it refuses every code that
    # begins with a letter (A1, N1 to N3, Y1 exist).
    for code in (head + tail + last, make_synthetic(head + tail)):
        if code != "0" * 18:
            assert _accepts(code) == stdnum_uscc.is_valid(code)


@pytest.mark.parametrize("kind", ["A1", "N1", "N3", "Y1"])
def test_codes_that_begin_with_a_letter_are_accepted_where_python_stdnum_is_not_right(kind: str) -> None:
    code = make_synthetic(kind + "990000MA0000015")

    assert check(code) == code
    assert not stdnum_uscc.is_valid(code)


@given(st.sampled_from(PUBLISHED + SYNTHETIC), st.integers(0, 17), st.sampled_from(ALPHABET))
def test_any_single_wrong_character_is_found(code: str, index: int, char: str) -> None:
    mistyped = code[:index] + char + code[index + 1 :]

    assert _accepts(mistyped) == (mistyped == code)


@given(st.text(max_size=40))
def test_any_text_is_either_a_code_or_refused(text: str) -> None:
    if _accepts(text):
        assert check(text) == normalise(text)


def test_a_field_is_normalised_and_its_refusal_speaks_both_languages() -> None:
    field: TypeAdapter[str] = TypeAdapter(Uscc)

    assert field.validate_json('"91371082ma94kxytxj"') == "91371082MA94KXYTXJ"
    with pytest.raises(ValidationError) as refused:
        field.validate_json('"91350100M000100Y44"')
    error = refused.value.errors()[0]
    assert error["type"] == "bad-uscc"
    assert "check character must be 3" in error["msg"]
    assert "校验码应为3" in error["ctx"]["detail_zh"]


@pytest.mark.parametrize("text", ['"{0} is not a code!"', "913710007628687892", "null"])
def test_a_field_takes_only_a_string_and_survives_braces(text: str) -> None:
    field: TypeAdapter[str] = TypeAdapter(Uscc)

    with pytest.raises(ValidationError):
        field.validate_json(text)


def _accepts(text: str) -> bool:
    try:
        check(text)
    except BadUscc:
        return False
    return True
