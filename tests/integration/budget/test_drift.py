"""The budget's migrated database against the tables and accounts that its code declares."""

import services.budget.main
import services.budget.worker  # noqa: F401 - the two declare the tables
from services.budget.ledger.rules import AccountName, Kind
from services.budget.schema import metadata
from tests.building import fetch
from tests.integration.drift import drift
from tests.runtime import Database


async def test_the_migrated_database_has_the_tables_that_the_code_declares(database: Database) -> None:
    assert await drift(database, service="budget", metadata=metadata) == []


async def test_every_account_and_voucher_kind_of_the_code_is_known_to_the_database(database: Database) -> None:
    names = {row["name"] for row in await fetch(database, "SELECT name FROM account_name", service="budget")}
    kinds = {row["kind"] for row in await fetch(database, "SELECT kind FROM voucher_type", service="budget")}

    assert {str(name) for name in AccountName} <= names
    assert {str(kind) for kind in Kind} == kinds
