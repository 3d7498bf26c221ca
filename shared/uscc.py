"""Unified social credit codes (统一社会信用代码, GB 32100-2015): normalised, then checked."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from shared.errors import Fact, Refusal

LENGTH = 18

# GB 32100 leaves out I, O, S, V and Z because they are read as 1, 0, 5, U and 2.
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_VALUES = {char: value for value, char in enumerate(_ALPHABET)}
_WEIGHTS = tuple(pow(3, index, 31) for index in range(LENGTH - 1))
_LOOKS_LIKE = {"I": "1", "O": "0", "S": "5", "V": "U", "Z": "2"}
_REGION = range(2, 8)

# GB 11714, the organisation code inside: letters count A=10 … Z=35.
_INNER_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


class BadUscc(Refusal):
    code = "bad-uscc"
    title_en = "Not a valid unified social credit code"
    title_zh = "统一社会信用代码无效"
    remedy_en = "Copy the 18 characters from the business licence or registration certificate."
    remedy_zh = "请按营业执照或登记证书上的18位统一社会信用代码填写。"


def normalise(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().upper()


def check(text: str) -> "Uscc":
    """The normalised code, or BadUscc that says which character is wrong."""
    code = normalise(text)
    _check_shape(code)
    expected = check_character(code[:-1])
    if code[-1] != expected:
        raise _bad(
            f"The check character must be {expected} for these first 17 characters, not {code[-1]}: one of the 18 is mistyped (GB 32100-2015).",
            detail_zh=f"按前17位计算，第18位校验码应为{expected}，填写的是{code[-1]}，18位中有一位填写有误（GB 32100-2015）。",
            facts={"position": LENGTH, "expected": expected},
        )
    return code


def check_character(first_17: str) -> str:
    """C18 = (31 − Σ Ci·Wi mod 31) mod 31 of GB 32100-2015; every character must be of its alphabet."""
    weighted = sum(_VALUES[char] * weight for char, weight in zip(first_17, _WEIGHTS, strict=True))
    return _ALPHABET[-weighted % 31]


def inner_check_holds(uscc: "Uscc") -> bool:
    """Whether positions 9–17 satisfy GB 11714. Only ever a warning: GB 32100 does not make it a condition."""
    weighted = sum(int(char, 36) * weight for char, weight in zip(uscc[8:16], _INNER_WEIGHTS, strict=True))
    return uscc[16] == "0123456789X"[-weighted % 11]


def _check_shape(code: str) -> None:
    if len(code) != LENGTH:
        raise _bad(
            f"{len(code)} characters given, a unified social credit code has {LENGTH}.",
            detail_zh=f"填写了{len(code)}位，统一社会信用代码应为{LENGTH}位。",
            facts={"length": len(code)},
        )
    for index, char in enumerate(code):
        if char not in _VALUES or (index in _REGION and not "0" <= char <= "9"):
            raise _bad_character(char, index=index)
    if code == "0" * LENGTH:
        raise _bad("Eighteen zeros name no organisation.", detail_zh="18个0不是有效的统一社会信用代码。", facts={})


def _bad_character(char: str, *, index: int) -> BadUscc:
    where = index + 1
    if char in _LOOKS_LIKE:
        why_en, why_zh = f"I, O, S, V and Z are never used; is it {_LOOKS_LIKE[char]}?", f"代码不使用I、O、S、V、Z，是否应为{_LOOKS_LIKE[char]}？"
    elif index in _REGION:
        why_en, why_zh = "positions 3 to 8 are digits (the region of registration).", "第3至8位（登记机关行政区划码）应为数字。"
    else:
        why_en, why_zh = "only the digits 0-9 and capital letters are used.", "只能使用数字0-9和大写字母。"
    return _bad(
        f"Position {where} is {char!r}: {why_en}",
        detail_zh=f"第{where}位为{char!r}：{why_zh}",
        facts={"position": where},
    )


def _bad(detail_en: str, *, detail_zh: str, facts: dict[str, Fact]) -> BadUscc:
    return BadUscc(detail_en, detail_zh=detail_zh, facts=facts)


def _checked_field(value: str) -> str:
    try:
        return check(value)
    except BadUscc as bad:
        raise PydanticCustomError("bad-uscc", "{detail_en}", {"detail_en": bad.detail_en, "detail_zh": bad.detail_zh}) from bad


Uscc = Annotated[str, Field(strict=True, examples=["91990000MA0000015Q"]), AfterValidator(_checked_field)]
