"""Numbers of permits and filings, however they are written."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.institution.rules import NUMBER_CHARACTERS_MAX, BadNumber, canonical_number

CANONICAL = "(鲁)人服证字〔2023〕第0000000001号"
PAIRS = ["〔〕", "[]", "［］", "﹝﹞", "（）", "()", "【】"]


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("(沪)人服证字[2026]第0100001号", "(沪)人服证字〔2026〕第0100001号"),
        ("鲁人服证字〔2023〕0000000001号", CANONICAL),
        (" （鲁）人服证字﹝2023﹞第 0000000001 号 ", CANONICAL),
        ("(鲁)人服证字〔２０２３〕第０００００００００１号", CANONICAL),
        ("610100120105", "610100120105"),
        ("６１０１００１２０１０５", "610100120105"),
        ("环人服备﹝2025﹞7号", "环人服备(2025)7号"),
        ("wh-2025/7", "WH-2025/7"),
    ],
)
def test_a_number_has_one_canonical_form(written: str, canonical: str) -> None:
    assert canonical_number(written) == canonical


@pytest.mark.parametrize(
    "other",
    [
        "(鲁)人服证字〔2022〕第0000000001号",
        "(京)人服证字〔2023〕第0000000001号",
        "(鲁)人服证字〔2023〕第000000001号",
        "(鲁)人服证字〔2023〕第0000000002号",
    ],
)
def test_different_numbers_stay_different(other: str) -> None:
    assert canonical_number(other) != CANONICAL


@pytest.mark.parametrize("text", ["", "   ", "\u3000", "证\u0001号", "证\u200b号", "鲁人服证字第٣号", "证" * 61])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(BadNumber):
        canonical_number(text)


def test_a_number_of_sixty_characters_is_taken() -> None:
    assert canonical_number("证" * NUMBER_CHARACTERS_MAX) == "证" * NUMBER_CHARACTERS_MAX


@given(
    year=st.integers(2000, 2099),
    serial=st.from_regex(r"[0-9]{6,10}", fullmatch=True),
    around_province=st.sampled_from([*PAIRS, None]),
    around_year=st.sampled_from(PAIRS),
    ordinal=st.sampled_from(["第", ""]),
    full_width=st.booleans(),
    blanks=st.sampled_from(["", " ", "\u3000"]),
)
def test_brackets_width_and_blanks_do_not_matter(
    year: int, serial: str, around_province: str | None, around_year: str, ordinal: str, full_width: bool, blanks: str
) -> None:
    digits = str.maketrans("0123456789", "０１２３４５６７８９" if full_width else "0123456789")
    province = f"{around_province[0]}鲁{around_province[1]}" if around_province else "鲁"
    written = f"{province}人服证字{around_year[0]}{year}{around_year[1]}{blanks}{ordinal}{serial}号".translate(digits)

    assert canonical_number(written) == f"(鲁)人服证字〔{year}〕第{serial}号"


@given(st.text(max_size=80))
def test_a_canonical_number_is_its_own_canonical_form_or_the_text_is_refused(text: str) -> None:
    try:
        canonical = canonical_number(text)
    except BadNumber:
        return

    assert canonical_number(canonical) == canonical
    assert canonical == unicodedata.normalize("NFKC", canonical)
    assert canonical.isprintable()
    assert not any(char.isspace() for char in canonical)
