"""PORTAL_URL and PORTAL_TOKEN: together or not at all, and over https in production."""

import pytest
from pydantic import ValidationError

from services.notifications.settings import NotificationsSettings

BASE = {
    "database_url": "postgresql+asyncpg://a:b@127.0.0.1/c",
    "kafka_bootstrap": "127.0.0.1:1",
    "kafka_security_protocol": "SASL_PLAINTEXT",
    "kafka_user": "notifications",
    "kafka_password": "d",
    "city_file": "deploy/city.toml",
}


def settings(**own: str) -> NotificationsSettings:
    return NotificationsSettings.model_validate({**BASE, **own})


def test_without_a_portal_the_service_starts() -> None:
    assert settings().portal_url is None


@pytest.mark.parametrize(
    ("profile", "url"), [("production", "https://portal.invalid/api"), ("local", "http://127.0.0.1:8900"), ("test", "http://127.0.0.1:8900")]
)
def test_an_address_and_its_token_are_taken(profile: str, url: str) -> None:
    taken = settings(profile=profile, portal_url=url, portal_token="t")

    assert taken.portal_url == url


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"portal_url": "https://portal.invalid"}, "come together"),
        ({"portal_token": "t"}, "come together"),
        ({"portal_url": "http://portal.invalid", "portal_token": "t"}, "https"),
        ({"portal_url": "ftp://portal.invalid", "portal_token": "t"}, "URL scheme"),
    ],
)
def test_half_a_portal_or_an_open_line_in_production_is_refused(own: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**own)


def test_the_token_is_not_shown() -> None:
    assert "hush" not in repr(settings(portal_url="https://portal.invalid", portal_token="hush"))
