"""Settings: what only a local run may do is refused in production, which is what a forgotten profile means."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from shared.broker import BrokerSettings
from shared.settings import Settings

NEEDED: dict[str, Any] = {
    "service": "registry",
    "database_url": "postgresql+asyncpg://registry:a-password@127.0.0.1:5432/main",
    "kafka_bootstrap": "127.0.0.1:9092",
    "city_file": "deploy/city.toml",
}
ACCOUNT = {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_user": "registry", "kafka_password": "an-account"}


@pytest.fixture(autouse=True)
def without_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROFILE", raising=False)


@pytest.mark.parametrize(
    "shortcut", [{"business_clock_file": "clock.json"}, {"staff_jwks": "jwks.json"}, {"staff_jwks": "http://issuer/jwks"}], ids=str
)
def test_a_local_shortcut_is_refused_in_production(shortcut: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="production"):
        Settings.model_validate(NEEDED | ACCOUNT | shortcut)

    assert Settings.model_validate(NEEDED | shortcut | {"profile": "local"}).profile == "local"


def test_an_issuer_reached_by_https_is_taken_in_production() -> None:
    settings = Settings.model_validate(NEEDED | ACCOUNT | {"staff_jwks": "https://issuer.example.invalid/jwks"})

    assert settings.profile == "production"


def test_the_password_is_not_shown() -> None:
    settings = Settings.model_validate(NEEDED | ACCOUNT)

    assert "a-password" not in f"{settings!r} {settings.model_dump()}"
    assert "an-account" not in f"{settings!r} {settings.model_dump()}"
    assert settings.dsn == "postgresql://registry:a-password@127.0.0.1:5432/main"


def test_a_wrong_database_address_is_refused_without_showing_it() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(NEEDED | ACCOUNT | {"database_url": "not-postgres://registry:a-password@127.0.0.1/main"})

    assert "a-password" not in str(refused.value)


def test_topics_take_the_prefix() -> None:
    assert Settings.model_validate(NEEDED | ACCOUNT | {"kafka_prefix": "test-1."}).topic("registry.events") == "test-1.registry.events"


def test_a_broker_without_accounts_is_refused_in_production_alone() -> None:
    with pytest.raises(ValidationError, match="KAFKA_SECURITY_PROTOCOL must be SASL_PLAINTEXT or SASL_SSL under PROFILE=production"):
        Settings.model_validate(NEEDED)

    assert Settings.model_validate(NEEDED | {"profile": "local"}).login() == {}


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_an_account_is_handed_to_every_client(protocol: str) -> None:
    login = Settings.model_validate(NEEDED | ACCOUNT | {"kafka_security_protocol": protocol}).login()

    assert (login["security_protocol"], login["sasl_mechanism"]) == (protocol, "SCRAM-SHA-512")
    assert (login["sasl_plain_username"], login["sasl_plain_password"]) == ("registry", "an-account")
    assert (login["ssl_context"] is not None) == (protocol == "SASL_SSL")


@pytest.mark.parametrize(
    ("half", "said"),
    [
        ({"kafka_password": None}, "both needed with KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT"),
        ({"kafka_password": ""}, "both needed"),
        ({"kafka_user": None}, "both needed"),
        ({"kafka_user": ""}, "both needed"),
        ({"kafka_security_protocol": "PLAINTEXT"}, "PLAINTEXT has no accounts"),
        ({"kafka_security_protocol": "PLAINTEXT", "kafka_user": None}, "PLAINTEXT has no accounts"),
        ({"kafka_ca_file": "ca.pem"}, "SASL_PLAINTEXT has no certificates"),
        ({"kafka_security_protocol": "SSL"}, "Input should be"),
    ],
    ids=str,
)
def test_half_an_account_is_refused(half: dict[str, str | None], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        Settings.model_validate(NEEDED | {"profile": "local"} | ACCOUNT | half)

    assert "an-account" not in str(refused.value)


def test_a_refused_account_is_not_shown_where_its_password_comes_last() -> None:
    with pytest.raises(ValidationError, match="PLAINTEXT has no accounts") as refused:
        BrokerSettings.model_validate({"kafka_bootstrap": "k:1", "kafka_password": "an-account"})

    assert "an-account" not in str(refused.value)


def test_the_brokers_certificate_is_checked_against_the_authority_that_is_named(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_bytes(certificate_of_an_authority("Broker CA"))

    context = Settings.model_validate(NEEDED | ACCOUNT | {"kafka_security_protocol": "SASL_SSL", "kafka_ca_file": authority}).login()["ssl_context"]

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert [each["subject"] for each in context.get_ca_certs()] == [((("commonName", "Broker CA"),),)]


def certificate_of_an_authority(name: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
