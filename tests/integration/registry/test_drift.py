"""The registry's migrated database against the tables that its code declares."""

import services.registry.main  # noqa: F401 - declares the tables
from services.registry.schema import metadata
from tests.integration.drift import drift
from tests.runtime import Database


async def test_the_migrated_database_has_the_tables_that_the_code_declares(database: Database) -> None:
    assert await drift(database, service="registry", metadata=metadata) == []
