"""The log as it is written while a test lasts."""

import io
from collections.abc import Iterator

import pytest
import structlog

from shared.observability import set_up
from shared.settings import Settings

SETTINGS = {"service": "registry", "profile": "test", "database_url": "postgresql://a:b@c/d", "kafka_bootstrap": "k:1", "city_file": "city.toml"}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    written = io.StringIO()
    before = structlog.get_config()
    set_up(Settings.model_validate(SETTINGS))
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=written), cache_logger_on_first_use=False)
    yield written
    structlog.configure(**before)
