"""The registry's migrated database against the tables that its code declares."""

import asyncpg
import pytest

import services.registry.main  # noqa: F401 - declares the tables
from services.registry.schema import metadata
from tests.integration.drift import drift
from tests.runtime import Database, TemplateDatabase, cloned_database


async def test_the_migrated_database_has_the_tables_that_the_code_declares(database: Database) -> None:
    assert await drift(database, service="registry", metadata=metadata) == []


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE park ADD COLUMN colour text",
        "ALTER TABLE park ALTER COLUMN version TYPE bigint",
        "ALTER TABLE institution ALTER COLUMN last_day SET NOT NULL",
        "ALTER TABLE institution DROP CONSTRAINT institution_basis_number_key",
        "ALTER TABLE organisation DROP CONSTRAINT organisation_status",
        "ALTER TABLE contact DROP CONSTRAINT contact_uscc_fkey",
        "DROP INDEX park_operator_uscc_idx",
        "DROP TABLE outbox_sent",
        "CREATE TABLE stranger (id int)",
    ],
)
async def test_each_difference_is_found(template_database: TemplateDatabase, change: str) -> None:
    async with cloned_database(template_database) as changed:
        owner = await asyncpg.connect(changed.urls["registry_owner"])
        await owner.execute(change)
        await owner.close()

        assert await drift(changed, service="registry", metadata=metadata) != []
