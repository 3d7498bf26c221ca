"""Account numbers: how they are written, sealed and shown."""

import base64
import re
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.budget.main import build
from services.budget.payee.rules import AccountNumber, BankCode, without_numbers
from services.budget.sealing import Seal
from services.budget.settings import BudgetSettings
from shared.ids import new_id
from shared.settings import Profile

NUMBERS: TypeAdapter[str] = TypeAdapter(AccountNumber)
BANK_CODES: TypeAdapter[str] = TypeAdapter(BankCode)
DIGITS = st.text("0123456789", min_size=10, max_size=32)
SEAL = Seal(key=bytes(32))
ACCOUNT = {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_user": "budget", "kafka_password": "word"}


def key_of(byte: int) -> str:
    return base64.b64encode(bytes([byte]) * 32).decode()


@pytest.mark.parametrize(
    "written",
    [
        "6200000000000000001",
        "6200 0000 0000 0000 001",
        "6200-0000-0000-0000-001",
        "６２００００００００００００００００１",
        " 6200000000000000001\u3000",
    ],
)
def test_a_number_may_be_written_with_gaps_and_in_full_width(written: str) -> None:
    assert NUMBERS.validate_python(written) == "6200000000000000001"


@pytest.mark.parametrize("written", ["123456789", "1" * 33, "62000000A0000001", "", "٦٢٠٠٠٠٠٠٠٠٠٠"])
def test_what_is_no_number_is_refused_without_repeating_it(written: str) -> None:
    with pytest.raises(ValidationError) as refused:
        NUMBERS.validate_python(written)

    assert "10" in refused.value.errors()[0]["ctx"]["detail_zh"]
    assert not written or written not in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize("length", [10, 32])
def test_the_shortest_and_the_longest_number_are_taken(length: int) -> None:
    assert NUMBERS.validate_python("1" * length) == "1" * length


@given(DIGITS)
def test_a_reason_never_keeps_a_whole_number(number: str) -> None:
    fours = re.findall(".{1,4}", number)

    for written in (
        number,
        " ".join(fours),
        "  ".join(fours),
        " - ".join(fours),
        "\u200b".join(fours),
        number.translate(str.maketrans("0123456789", "０１２３４５６７８９")),
    ):
        assert without_numbers(f"账号{written}户名不符") == f"账号****{number[-4:]}户名不符"


def test_days_amounts_and_short_numbers_in_a_reason_stay() -> None:
    assert without_numbers("2025-09-30退回，金额50,000.00元，代码40012") == "2025-09-30退回,金额50,000.00元,代码40012"


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("与PO-2025-000001重复，见AP-2025-1234567", "与PO-2025-000001重复,见AP-2025-1234567"),
        ("ＰＯ－２０２５－０００００１", "PO-2025-000001"),
        ("PO-2025-000001 6200000000000000001", "PO-****0001"),
        ("PO-6200-000000", "PO-****0000"),
        ("XPO-2025-000001", "XPO-****0001"),
        ("NO-2025-000001", "NO-****0001"),
        ("PO-2025-000001\u200b2345", "PO-****2345"),
    ],
)
def test_the_number_of_a_voucher_stays_and_nothing_hides_behind_one(reason: str, kept: str) -> None:
    assert without_numbers(reason) == kept


@given(DIGITS)
def test_a_sealed_number_is_the_same_number_and_no_other(number: str) -> None:
    record_id = new_id()

    sealed = SEAL.close(number, record_id=record_id)

    assert SEAL.holds(sealed, record_id=record_id, number=number)
    assert not SEAL.holds(sealed, record_id=record_id, number=number[:-1] + str(9 - int(number[-1])))
    assert number.encode() not in sealed


def test_a_number_sealed_twice_looks_different() -> None:
    record_id = new_id()

    assert SEAL.close("12345678", record_id=record_id) != SEAL.close("12345678", record_id=record_id)


def test_a_sealed_number_cannot_be_moved_to_another_record_or_opened_with_another_key() -> None:
    record_id = new_id()
    sealed = SEAL.close("12345678", record_id=record_id)

    with pytest.raises(InvalidTag):
        SEAL.open(sealed, record_id=new_id())
    with pytest.raises(InvalidTag):
        Seal(key=b"1" * 32).open(sealed, record_id=record_id)


@pytest.mark.parametrize("written", ["100000000000", "1000 0000 0000", "１０００００００００００"])
def test_a_banks_code_has_twelve_digits(written: str) -> None:
    assert BANK_CODES.validate_python(written) == "100000000000"


@pytest.mark.parametrize("written", ["1" * 11, "1" * 13, "10000000000A", ""])
def test_another_length_or_a_letter_is_no_banks_code(written: str) -> None:
    with pytest.raises(ValidationError, match="12 digits"):
        BANK_CODES.validate_python(written)


def test_what_an_earlier_key_sealed_is_opened_as_long_as_that_key_is_held() -> None:
    record_id = new_id()
    sealed = SEAL.close("12345678", record_id=record_id)
    after = Seal(b"1" * 32, (bytes(32),))

    assert after.open(sealed, record_id=record_id) == "12345678"
    assert not sealed.startswith(after.mark)
    assert after.close("12345678", record_id=record_id).startswith(after.mark)
    with pytest.raises(InvalidTag):
        Seal(b"1" * 32, (b"2" * 32,)).open(sealed, record_id=record_id)


@pytest.mark.parametrize("previous", [(), (b"1" * 32,)])
def test_what_was_sealed_before_keys_had_ids_is_opened_too(previous: tuple[bytes, ...]) -> None:
    record_id, nonce = new_id(), b"\x01" + bytes(11)
    sealed = nonce + AESGCM(bytes(32)).encrypt(nonce, b"12345678", record_id.bytes)

    assert Seal(bytes(32), previous).open(sealed, record_id=record_id) == "12345678"
    assert Seal(b"3" * 32, (bytes(32), *previous)).open(sealed, record_id=record_id) == "12345678"


def test_a_seal_shows_no_key() -> None:
    assert repr(Seal(b"k" * 32, (b"p" * 32,))) == "Seal()"


def test_production_does_not_answer_without_a_key_and_its_worker_needs_none() -> None:
    of_the_worker = BudgetSettings.model_validate(settings(profile=Profile.PRODUCTION, **ACCOUNT))

    with pytest.raises(ValueError, match="PAYEE_ACCOUNT_KEY is missing"):
        build(of_the_worker)


@pytest.mark.parametrize("key", ["c2hvcnQ=", "not base64!"])
def test_a_key_that_is_not_32_bytes_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="PAYEE_ACCOUNT_KEY"):
        BudgetSettings.model_validate(settings(payee_account_key=key))


@pytest.mark.parametrize(
    "previous",
    [key_of(1), f"{key_of(2)},c2hvcnQ=", "not base64!", ",".join(key_of(n) for n in range(2, 7))],
    ids=["present", "short", "no base64", "five"],
)
def test_previous_keys_are_others_and_whole_and_few(previous: str) -> None:
    with pytest.raises(ValidationError, match="PAYEE_ACCOUNT_PREVIOUS_KEYS"):
        BudgetSettings.model_validate(settings(payee_account_key=key_of(1), payee_account_previous_keys=previous))


def test_previous_keys_without_a_present_one_are_refused() -> None:
    with pytest.raises(ValidationError, match="without PAYEE_ACCOUNT_KEY"):
        BudgetSettings.model_validate(settings(payee_account_previous_keys=key_of(1)))


def test_four_previous_keys_are_read_in_their_order() -> None:
    written = ", ".join(key_of(n) for n in range(2, 6))

    read = BudgetSettings.model_validate(settings(payee_account_key=key_of(1), payee_account_previous_keys=written))

    assert read.previous_sealing_keys() == tuple(bytes([n]) * 32 for n in range(2, 6))


def test_a_developers_machine_keeps_its_key_when_the_database_moves_to_another_port() -> None:
    first, moved = (BudgetSettings.model_validate(settings(port=port)) for port in (5432, 5433))
    other = BudgetSettings.model_validate(settings(password="another"))

    assert first.sealing_key() == moved.sealing_key() != other.sealing_key()


def settings(*, port: int = 5432, password: str = "secret", **more: object) -> dict[str, Any]:
    url = f"postgresql+asyncpg://budget:{password}@127.0.0.1:{port}/support"
    return {"profile": Profile.TEST, "database_url": url, "kafka_bootstrap": "127.0.0.1:9", "city_file": "deploy/city.toml", **more}
