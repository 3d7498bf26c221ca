"""Numbers of documents (文号), vouchers and banks: one number, one form."""

import unicodedata

from shared.visible import is_visible

_BRACKETS = str.maketrans("([【", "〔〔〔") | str.maketrans(")]】", "〕〕〕")


def canonical_document(number: object) -> object:
    """财〔2025〕1号 however it was typed, so that a document counts once. What is no text stays as it is."""
    if not isinstance(number, str):
        return number
    return "".join(filter(is_visible, unicodedata.normalize("NFKC", number).translate(_BRACKETS)))


def canonical_reference(number: object) -> object:
    """Full width and gaps are how people type it; one number of a bank or a district has one form, so that it counts once."""
    return "".join(filter(is_visible, unicodedata.normalize("NFKC", number))) if isinstance(number, str) else number
