"""What of a text anybody can see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.visible import Name, Reason, visible_count

REASONS: TypeAdapter[str] = TypeAdapter(Reason)
NAMES: TypeAdapter[str] = TypeAdapter(Name)
UNSEEN = "\u200b\u200d\u2060\ufeff\u00ad\u3164\u115f\u2800\ufe0f\u3000\u00a0\u202e\u0301\n "


@given(st.text(UNSEEN, max_size=20))
def test_of_blanks_joiners_fillers_and_lone_marks_nothing_is_seen(text: str) -> None:
    assert visible_count(text) == 0


@pytest.mark.parametrize("unseen", UNSEEN)
def test_four_characters_that_can_be_seen_make_a_reason_and_three_do_not(unseen: str) -> None:
    assert REASONS.validate_python(f"户名{unseen}不符") == f"户名{unseen}不符"
    with pytest.raises(ValidationError) as refused:
        REASONS.validate_python(f"户名{unseen * 4}不")

    assert refused.value.errors()[0]["ctx"]["detail_zh"] == "至少须有4个可见字符。"


@pytest.mark.parametrize("name", ["\u200b\u200b\u200b", "\u3164\u3164", "示\u200b"])
def test_a_name_has_two_characters_that_can_be_seen(name: str) -> None:
    assert NAMES.validate_python("示例") == "示例"
    with pytest.raises(ValidationError):
        NAMES.validate_python(name)


def test_a_reason_ends_at_500_characters() -> None:
    assert REASONS.validate_python("因" * 500) == "因" * 500
    with pytest.raises(ValidationError):
        REASONS.validate_python("因" * 501)
