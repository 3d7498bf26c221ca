"""The key of marks: wanted in production, of the right size, and never shown."""

import base64
from typing import Any

import pytest

from services.applications.settings import ApplicationsSettings
from shared.settings import Profile

KEY = base64.b64encode(bytes(range(32))).decode()


def settings(**more: Any) -> ApplicationsSettings:
    """Of production unless `profile` says otherwise."""
    url = "postgresql+asyncpg://applications:word@127.0.0.1:1/support"
    broker = {"kafka_bootstrap": "127.0.0.1:1", "kafka_security_protocol": "SASL_PLAINTEXT", "kafka_user": "applications", "kafka_password": "word"}
    return ApplicationsSettings.model_validate({"database_url": url, "city_file": "city.toml", **broker, **more})


def test_production_has_no_key_of_its_own() -> None:
    with pytest.raises(ValueError, match="MARK_KEY is missing"):
        settings().marking_secret()

    assert settings(mark_key=KEY).marking_secret() == bytes(range(32))


def test_a_developers_machine_has_one_that_stays() -> None:
    first, second = (settings(profile=Profile.LOCAL, kafka_bootstrap=f"127.0.0.1:{port}").marking_secret() for port in (1, 2))

    assert first == second
    assert len(first) == 32


NO_KEYS = [
    (KEY[:-5], "not base64"),
    (f"!{KEY}", "not base64"),
    (f"Ｋ{KEY[1:]}", "MARK_KEY is not base64"),
    (base64.b64encode(bytes(31)).decode(), "32 bytes"),
    ("", "32 bytes"),
]


@pytest.mark.parametrize(("key", "told"), NO_KEYS)
def test_a_key_that_is_none_is_told_without_showing_it(key: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        settings(mark_key=key).marking_secret()

    assert not key or key not in str(refused.value)


def test_the_key_is_not_shown_with_the_settings() -> None:
    assert KEY not in repr(settings(mark_key=KEY))
