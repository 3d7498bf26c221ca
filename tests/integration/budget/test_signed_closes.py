"""A year is closed under a signed checkpoint, written in the same act; where nobody can sign, or the books are in doubt, it stays open."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest_asyncio
from pydantic import SecretStr

from services.budget.checkpoint.jobs import keep_checkpoints
from services.budget.main import build
from services.budget.settings import BudgetSettings
from shared.live import Live
from tests.building import fetch, settings_of
from tests.integration.budget.acting import (
    appropriate,
    approved_order,
    award,
    bank_says,
    hear,
    paid_row,
    payable_case,
    proposed,
    returned_row,
    written,
)
from tests.integration.budget.test_bank import listed, settle
from tests.integration.budget.test_checkpoints import checkpoint, files_of, journal, public_key, verify, with_witness
from tests.integration.budget.test_late_payments import decide, late_payments
from tests.integration.budget.test_year_closes import close, new_year
from tests.runtime import Database


@pytest_asyncio.fixture
async def unsigned_client(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The budget where the key that checkpoints are signed with cannot be used."""
    settings = settings_of("budget", database=database, folder=tmp_path)
    assert isinstance(settings, BudgetSettings)
    app = build(settings.model_copy(update={"checkpoint_key": SecretStr("no key")}))
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://budget.test") as client:
        yield client


async def checkpoints(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    return list((await client.get("/v1/ledger/checkpoints")).json()["rows"])


async def test_a_close_is_signed_up_to_its_last_row_in_the_same_act(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 1_000_000)
    await hear(live, proposed(award(300_000)))
    new_year(tmp_path)

    closed = await close(client)

    (signed,) = await checkpoints(client)
    assert (closed.status_code, signed["seq"]) == (201, closed.json()["last_seq"])
    (tmp_path / "close.checkpoint").write_text(signed["note"])
    verified = verify(await journal(client, tmp_path), checkpoints=[tmp_path / "close.checkpoint"], key=await public_key(client))
    assert (verified.returncode, verified.stderr) == (0, "")


async def test_the_checkpoint_of_a_close_goes_to_the_witness_with_the_next_round(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    (tmp_path / "witness").mkdir()
    await appropriate(client, 1_000_000)
    new_year(tmp_path)
    closed = await close(client)

    await keep_checkpoints(with_witness(live, tmp_path / "witness"))

    assert [file.name for file in files_of(tmp_path / "witness")] == [f"{closed.json()['last_seq']:015d}.checkpoint"]


async def test_a_close_follows_on_the_checkpoint_of_the_hour_before(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 1_000_000)
    earlier = await checkpoint(live)
    new_year(tmp_path)

    closed = await close(client)

    assert [each["seq"] for each in await checkpoints(client)] == [earlier["seq"], closed.json()["last_seq"]]


async def test_neither_a_rehearsal_nor_a_refused_close_leaves_a_checkpoint(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 1_000_000)
    await bank_says(client, {"bank_reference": "X-1", "outcome": "paid", "settled_on": "2025-09-15"})
    new_year(tmp_path)

    seen, refused = await close(client, dry_run=True), await close(client)

    assert (seen.status_code, refused.status_code) == (201, 409)
    assert await checkpoints(client) == []


async def test_where_nobody_can_sign_the_preview_says_so_and_the_year_stays_open(
    client: httpx.AsyncClient, unsigned_client: httpx.AsyncClient, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    new_year(tmp_path)
    before = await written(database)

    seen = await close(unsigned_client, dry_run=True)
    refused = await close(unsigned_client)

    (error,) = seen.json()["errors"]
    assert (seen.status_code, error["obstacle"], error["amount_fen"]) == (201, "unsigned", 0)
    assert "CHECKPOINT_KEY" in error["to_do"]
    assert "CHECKPOINT_KEY" in error["to_do_zh"]
    assert (refused.status_code, refused.json()["code"], refused.json()["errors"]) == (409, "close-refused", [error])
    assert await written(database) == before
    assert (await close(client)).status_code == 201


async def test_books_that_contradict_their_last_checkpoint_are_not_closed_and_the_preview_says_so(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    await checkpoint(live)
    owner = await asyncpg.connect(database.urls["postgres"])
    await owner.execute("SET session_replication_role = replica; UPDATE budget.journal SET chain = decode(repeat('ab', 32), 'hex') WHERE seq = 2")
    await owner.close()
    new_year(tmp_path)
    before = await written(database)

    seen, refused = await close(client, dry_run=True), await close(client)

    assert [(each["obstacle"], each["amount_fen"]) for each in seen.json()["errors"]] == [("books-contradicted", 0)]
    assert "row 2" in seen.json()["errors"][0]["subject"]
    assert (refused.status_code, refused.json()["code"]) == (409, "books-contradicted")
    assert await written(database) == before


async def test_a_row_of_the_bank_that_somebody_settled_stands_in_the_way_no_more(
    client: httpx.AsyncClient, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    await bank_says(client, *({"bank_reference": name, "outcome": "paid", "settled_on": "2025-09-15"} for name in ("X-1", "X-2")))
    await settle(client, (await listed(client, "open"))[0])
    new_year(tmp_path)

    refused = await close(client)
    await settle(client, (await listed(client, "open"))[0])
    closed = await close(client)

    assert [(each["obstacle"], each["subject"]) for each in refused.json()["errors"]] == [("unreconciled", "X-2")]
    assert closed.status_code == 201, closed.text


async def test_a_late_payment_stands_in_the_way_until_somebody_decided(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    order = await approved_order(client, await payable_case(client, live))
    await bank_says(client, returned_row(order), paid_row(order))
    new_year(tmp_path)

    refused = await close(client)
    (late,) = await late_payments(client)
    await decide(client, late, "bank_error")
    closed = await close(client)

    assert [(each["obstacle"], each["subject"]) for each in refused.json()["errors"]] == [("unreconciled", order["bank_reference"])]
    assert closed.status_code == 201, closed.text
    (row,) = await fetch(database, "SELECT fiscal_year FROM reservation", service="budget")
    assert row["fiscal_year"] == 2026
