"""Settings: what only a local run may do is refused in production, which is what a forgotten profile means."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.settings import Settings

NEEDED: dict[str, Any] = {
    "service": "registry",
    "database_url": "postgresql+asyncpg://registry:a-password@127.0.0.1:5432/main",
    "kafka_bootstrap": "127.0.0.1:9092",
    "city_file": "deploy/city.toml",
}


@pytest.fixture(autouse=True)
def without_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROFILE", raising=False)


@pytest.mark.parametrize(
    "shortcut", [{"business_clock_file": "clock.json"}, {"staff_jwks": "jwks.json"}, {"staff_jwks": "http://issuer/jwks"}], ids=str
)
def test_a_local_shortcut_is_refused_in_production(shortcut: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="production"):
        Settings.model_validate(NEEDED | shortcut)

    assert Settings.model_validate(NEEDED | shortcut | {"profile": "local"}).profile == "local"


def test_an_issuer_reached_by_https_is_taken_in_production() -> None:
    settings = Settings.model_validate(NEEDED | {"staff_jwks": "https://issuer.example.invalid/jwks"})

    assert settings.profile == "production"


def test_the_password_is_not_shown() -> None:
    settings = Settings.model_validate(NEEDED)

    assert "a-password" not in f"{settings!r} {settings.model_dump()}"
    assert settings.dsn == "postgresql://registry:a-password@127.0.0.1:5432/main"


def test_a_wrong_database_address_is_refused_without_showing_it() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(NEEDED | {"database_url": "not-postgres://registry:a-password@127.0.0.1/main"})

    assert "a-password" not in str(refused.value)


def test_topics_take_the_prefix() -> None:
    assert Settings.model_validate(NEEDED | {"kafka_prefix": "test-1."}).topic("registry.events") == "test-1.registry.events"
