"""Decisions about payees' accounts: what a number looks like, who may confirm it, and what of it may be shown."""

import re
import unicodedata
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from services.budget.entry.rules import VOUCHER_PREFIX
from shared.errors import Conflict, NotFound, Refusal

DIGITS_MIN = 10
DIGITS_MAX = 32
BANK_CODE_DIGITS = 12
# What stands between the digits of a number: blanks, dashes of every length, and what is not drawn at all (joiners, fillers, directions).
_UNSEEN = r"\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\ufe00-\ufe0f\ufeff"
_GAP = rf"[\s\-\u2010-\u2015\u2212{_UNSEEN}]"
_GAPS = re.compile(f"{_GAP}+")
# What a bank writes as a reason may repeat the number, in full width and with gaps of any width.
_LONG_NUMBER = f"[0-9](?:{_GAP}*[0-9]){{{DIGITS_MIN - 1},}}"
# The number of a voucher of ours is what people point at.
_VOUCHER = f"(?<![A-Za-z0-9])(?:{'|'.join(VOUCHER_PREFIX.values())})-2[0-9]{{3}}-[0-9]{{6,8}}(?!{_GAP}*[0-9])"
_VOUCHER_OR_LONG_NUMBER = re.compile(f"(?P<voucher>{_VOUCHER})|{_LONG_NUMBER}")


class PayeeState(StrEnum):
    """`CONFIRMED` by a second person who typed the number again; `RETURNED` when the bank sent a payment to it back."""

    ENTERED = "entered"
    CONFIRMED = "confirmed"
    REPLACED = "replaced"
    RETURNED = "returned"


CURRENT = frozenset({PayeeState.ENTERED, PayeeState.CONFIRMED})


class UnknownCase(Refusal):
    code = "unknown-case"
    title_en = "The budget does not know this case"
    title_zh = "资金系统中没有该案件"


class AccountDiffers(Refusal):
    code = "account-differs"
    title_en = "The account number is not the one that was entered"
    title_zh = "账号与经办录入的不一致"
    remedy_en = "Read it again from the payee's own paper. If the maker mistyped it, reject the order and let a new account be entered."
    remedy_zh = "请按收款人提供的原件重新核对；如经办录入有误，请退回并重新录入账户。"


class AccountNotCurrent(Conflict):
    code = "account-not-current"
    title_en = "The payee's account is no longer the current one"
    title_zh = "收款账户已失效"
    remedy_en = "Reject the order; the maker makes a new one with the current account."
    remedy_zh = "请退回该支付申请，由经办按现行账户重新提交。"


class AccountUnreadable(Conflict):
    code = "account-unreadable"
    title_en = "The payee's account number cannot be opened"
    title_zh = "收款账号无法解密"
    remedy_en = "Let the administrator look at keys and rows before anything is paid there; an account that is entered anew can be read."
    remedy_zh = "请系统管理员核查密钥和账户记录，查明前不要支付；重新录入的账户可正常使用。"


class EnteredAtOnce(Conflict):
    code = "account-entered-at-once"
    title_en = "Another account was entered at the same moment"
    title_zh = "该账户正被他人同时录入"


class NoSuchAccount(NotFound):
    code = "payee-account-not-found"
    title_en = "There is no such payee account"
    title_zh = "未找到该收款账户"


def normalise_number(number: str) -> str:
    """Full width, spaces and hyphens are how people write it; what is kept are the digits."""
    return _GAPS.sub("", unicodedata.normalize("NFKC", number))


def _checked_number(number: str) -> str:
    digits = normalise_number(number)
    if not digits.isascii() or not digits.isdigit() or not DIGITS_MIN <= len(digits) <= DIGITS_MAX:
        # The message never repeats what was typed.
        raise PydanticCustomError(
            "bad-account-number",
            "An account number has {digits_min} to {digits_max} digits.",
            {"digits_min": DIGITS_MIN, "digits_max": DIGITS_MAX, "detail_zh": f"账号应为{DIGITS_MIN}至{DIGITS_MAX}位数字。"},
        )
    return digits


def _checked_bank_code(bank_code: str) -> str:
    digits = normalise_number(bank_code)
    if not digits.isascii() or not digits.isdigit() or len(digits) != BANK_CODE_DIGITS:
        raise PydanticCustomError(
            "bad-bank-code",
            "A bank's code (联行号) has {digits} digits.",
            {"digits": BANK_CODE_DIGITS, "detail_zh": f"联行号应为{BANK_CODE_DIGITS}位数字。"},
        )
    return digits


AccountNumber = Annotated[str, Field(strict=True, max_length=80, examples=["6200000000000000001"]), AfterValidator(_checked_number)]
BankCode = Annotated[str, Field(strict=True, max_length=40, examples=["100000000000"]), AfterValidator(_checked_bank_code)]


def masked_number(last_4: str) -> str:
    return f"****{last_4}"


def account_unreadable(account_id: UUID, *, last_4: str) -> AccountUnreadable:
    return AccountUnreadable(
        f"The number {masked_number(last_4)} was changed, moved from another record, or sealed with a key that is not held.",
        detail_zh=f"账号{masked_number(last_4)}被改动、移自其他记录，或由现无的密钥加密。",
        facts={"payee_account_id": str(account_id)},
    )


def without_numbers(reason: str) -> str:
    """Somebody's words with every account number in them cut down to its last four digits; numbers of vouchers stay."""
    return _VOUCHER_OR_LONG_NUMBER.sub(_voucher_or_last_4, unicodedata.normalize("NFKC", reason))


def _voucher_or_last_4(found: re.Match[str]) -> str:
    return found["voucher"] or masked_number(normalise_number(found.group())[-4:])
