"""Texts that people read: which of their characters anybody can see, and how many there must be."""

import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

# By their category letters and signs, and yet nothing is drawn: the fillers of Hangul, and Braille without a dot.
_BLANK_LETTERS = "\u115f\u1160\u3164\uffa0\u2800"


def is_visible(char: str) -> bool:
    """Neither a space nor a control or format character; a mark shows only on another character."""
    return unicodedata.category(char)[0] not in "CMZ" and char not in _BLANK_LETTERS


def has_controls(text: str) -> bool:
    """Line ends and tabs apart, which people type."""
    return any(unicodedata.category(char) == "Cc" and char not in "\n\r\t" for char in text)


def visible_count(text: str) -> int:
    return sum(map(is_visible, text))


@dataclass(frozen=True)
class Visible:
    """Marks a text with at least so many characters that can be seen, and none that controls."""

    characters_min: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, text: str) -> str:
        if has_controls(text):
            raise PydanticCustomError("control-character", "It holds a control character.", {"detail_zh": "不得含有控制字符。"})
        if visible_count(text) < self.characters_min:
            raise PydanticCustomError(
                "too-little-to-see",
                "At least {characters_min} visible characters are needed.",
                {"characters_min": self.characters_min, "detail_zh": f"至少须有{self.characters_min}个可见字符。"},
            )
        return text


# Why somebody did something, as others are told.
Reason: TypeAlias = Annotated[str, Field(min_length=4, max_length=500), Visible(4)]
# Of an organisation, a park, an account or a bank.
Name: TypeAlias = Annotated[str, Field(min_length=2, max_length=100), Visible(2)]
