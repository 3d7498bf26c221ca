"""Decisions about numbers that may stand for one payment twice, of invoices and of people: which are numbers, and their keyed marks."""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from shared import resident_id
from shared.errors import Refusal
from shared.events.applications import MARKS_PER_KIND_MAX

NUMBERS_PER_FILING_MAX = MARKS_PER_KIND_MAX

# 数电发票 has one number of 20 digits (also on its paper print); other invoices have a code of 10 or 12 and a number of 8.
_DIGITAL_NUMBER = re.compile(r"[0-9]{20}")
_CODE = re.compile(r"[0-9]{10}|[0-9]{12}")
_NUMBER = re.compile(r"[0-9]{8}")


class InvoiceNumberInvalid(Refusal):
    code = "invoice-number-invalid"
    title_en = "Not the number of an invoice"
    title_zh = "发票号码无效"
    remedy_en = "Give the 20 digits of a digital invoice alone; of any other its code (10 or 12 digits) and its number (8 digits)."
    remedy_zh = "数电发票只填20位发票号码；其他发票填发票代码（10位或12位）和发票号码（8位）。"


class MarkKind(StrEnum):
    INVOICE = "invoice"
    PERSON = "person"


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """As written: `code` and `number` of a paper invoice, the number alone of a digital one."""

    number: str = field(repr=False)
    code: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class MarkingKey:
    """A mark is made with it and cannot be tried without it. A new key makes other marks: what was marked before is no longer found again."""

    secret: bytes = field(repr=False)

    def mark(self, kind: MarkKind, *, number: str) -> str:
        return hmac.new(self.secret, f"{kind}:{number}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What one filing names. They are marked at the edge and go no further."""

    invoices: Sequence[Invoice] = ()
    resident_ids: Sequence[str] = field(default=(), repr=False)


def marks_of(numbers: Numbers, *, key: MarkingKey, on: date) -> dict[str, list[str]]:
    """By kind, each number once and in an order that says nothing; kinds without a number are absent. Refuses what is no number."""
    written = {
        MarkKind.INVOICE: [_invoice_number(each, pointer=f"/invoices/{index}") for index, each in enumerate(numbers.invoices)],
        MarkKind.PERSON: [_resident_id(each, on=on, pointer=f"/resident_ids/{index}") for index, each in enumerate(numbers.resident_ids)],
    }
    return {kind.value: _marks(kind, numbers=each, key=key) for kind, each in written.items() if each}


def _marks(kind: MarkKind, *, numbers: Iterable[str], key: MarkingKey) -> list[str]:
    return sorted({key.mark(kind, number=number) for number in numbers})


def _invoice_number(invoice: Invoice, *, pointer: str) -> str:
    """Code and number in one; the refusal repeats no digit."""
    number, code = _plain(invoice.number), _plain(invoice.code) if invoice.code is not None else None
    if code is None and _DIGITAL_NUMBER.fullmatch(number):
        return number
    if code is not None and _CODE.fullmatch(code) and _NUMBER.fullmatch(number):
        # Written together, a code of 12 digits and a number would look like the 20 digits of another invoice.
        return f"{code}-{number}"
    lengths = f"{len(number)}" if code is None else f"{len(code)} + {len(number)}"
    raise InvoiceNumberInvalid(
        f"{lengths} characters were given: 20 digits, or a code of 10 or 12 digits and a number of 8, are needed.",
        detail_zh=f"填写了{lengths}位，应为20位数字，或10、12位代码加8位号码。",
        pointer=pointer,
    )


def _resident_id(text: str, *, on: date, pointer: str) -> str:
    try:
        return resident_id.check(text, on=on)
    except resident_id.BadResidentId as bad:
        raise resident_id.BadResidentId(bad.detail_en, detail_zh=bad.detail_zh, pointer=pointer) from bad


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()
