"""Marks: the same number however it was written has the same mark, and neither a mark nor a refusal shows a number."""

from datetime import date

import pytest

from services.applications.mark.rules import Invoice, InvoiceNumberInvalid, MarkingKey, MarkKind, Numbers, marks_of
from shared.resident_id import BadResidentId

ON = date(2025, 9, 15)
KEY, OTHER_KEY = MarkingKey(bytes(32)), MarkingKey(bytes([1] * 32))
DIGITAL = "25379900000000000017"
PAPER = Invoice(code="3700990012", number="00000017")


def invoice_marks(*invoices: Invoice, key: MarkingKey = KEY) -> list[str]:
    return marks_of(Numbers(invoices=invoices), key=key, on=ON)["invoice"]


def person_marks(*resident_ids: str) -> list[str]:
    return marks_of(Numbers(resident_ids=resident_ids), key=KEY, on=ON)["person"]


@pytest.mark.parametrize(
    "invoice",
    [
        Invoice(number=DIGITAL),
        PAPER,
        Invoice(code="037009900111", number="00000017"),
    ],
    ids=["20 digits", "code of 10", "code of 12"],
)
def test_every_form_of_an_invoice_number_gets_one_mark_that_shows_nothing_of_it(invoice: Invoice) -> None:
    (mark,) = invoice_marks(invoice)

    assert len(mark) == 64
    assert invoice.number not in mark


@pytest.mark.parametrize(
    "invoice",
    [
        Invoice(number="2" * 19),
        Invoice(number="2" * 21),
        Invoice(number="2" * 19 + "X"),
        Invoice(number="00000017"),
        Invoice(code="3700990012", number="2" * 7),
        Invoice(code="3700990012", number="2" * 9),
        Invoice(code="2" * 9, number="00000017"),
        Invoice(code="2" * 11, number="00000017"),
        Invoice(code="2" * 13, number="00000017"),
        Invoice(code="3700990012", number=DIGITAL),
        Invoice(code="", number=DIGITAL),
        Invoice(number="２٣" + "2" * 18),
    ],
)
def test_what_is_no_number_of_an_invoice_is_refused_without_repeating_a_digit_of_it(invoice: Invoice) -> None:
    with pytest.raises(InvoiceNumberInvalid) as refused:
        invoice_marks(PAPER, invoice)

    (problem,) = refused.value.problems
    assert problem.pointer == "/invoices/1"
    told = f"{refused.value} {problem.detail_zh} {invoice!r}"
    assert invoice.number not in told
    assert not invoice.code or invoice.code not in told


@pytest.mark.parametrize("written", [f" {DIGITAL} ", "".join(chr(ord(digit) + 0xFEE0) for digit in DIGITAL)], ids=["spaces", "full width"])
def test_the_same_number_written_otherwise_has_the_same_mark(written: str) -> None:
    assert invoice_marks(Invoice(number=written)) == invoice_marks(Invoice(number=DIGITAL))


def test_a_code_and_a_number_are_not_taken_for_the_twenty_digits_of_another_invoice() -> None:
    assert invoice_marks(Invoice(code="253799000000", number="00000017")) != invoice_marks(Invoice(number="25379900000000000017"))


def test_a_number_named_twice_is_marked_once_and_the_order_of_numbers_says_nothing() -> None:
    digital = Invoice(number=DIGITAL)

    assert invoice_marks(digital, PAPER, digital) == invoice_marks(PAPER, digital)
    assert len(invoice_marks(digital, PAPER)) == 2


def test_another_key_makes_another_mark() -> None:
    assert invoice_marks(PAPER, key=KEY) != invoice_marks(PAPER, key=OTHER_KEY)
    assert "secret" not in repr(KEY)


def test_a_number_of_a_person_is_never_marked_as_that_of_an_invoice() -> None:
    assert KEY.mark(MarkKind.PERSON, number=DIGITAL) != KEY.mark(MarkKind.INVOICE, number=DIGITAL)


def test_an_identity_number_with_a_small_check_character_has_the_same_mark() -> None:
    written = _with_check_character_x()

    assert person_marks(written.lower()) == person_marks(written)
    assert written not in repr(Numbers(resident_ids=[written]))


def _with_check_character_x() -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    bodies = (f"99000019900101{serial:03}" for serial in range(1000))
    return next(f"{body}X" for body in bodies if sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % 11 == 2)


def test_an_identity_number_that_is_none_is_refused_with_its_place_and_no_part_of_it() -> None:
    good = _with_check_character_x()
    wrong = good[:-1] + "1"

    with pytest.raises(BadResidentId) as refused:
        person_marks(good, wrong)

    assert [problem.pointer for problem in refused.value.problems] == ["/resident_ids/1"]
    assert wrong[:6] not in str(refused.value)


def test_a_filing_without_numbers_has_no_marks() -> None:
    assert marks_of(Numbers(), key=KEY, on=ON) == {}
