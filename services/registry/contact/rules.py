"""Decisions about contacts. A refusal never repeats any part of the number."""

import re
import unicodedata

from shared.errors import NotFound, Refusal

_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_SEPARATORS = re.compile(r"[ \-]|^(\+|00)86")


class BadMobile(Refusal):
    code = "bad-mobile"
    title_en = "Not a mobile number"
    title_zh = "手机号码无效"


class NoContact(NotFound):
    code = "no-contact"
    title_en = "No contact is recorded"
    title_zh = "未登记联系人"


def checked_mobile(text: str) -> str:
    """11 digits; the country code, spaces and hyphens are dropped."""
    mobile = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text).strip())
    if _MOBILE.fullmatch(mobile) is None:
        raise BadMobile(
            "A mobile number has 11 digits and begins with 13 to 19.", detail_zh="手机号码应为11位数字，以13至19开头。", pointer="/mobile"
        )
    return mobile
