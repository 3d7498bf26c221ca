"""Account numbers are sealed with a new key while accounts are entered, checked and paid to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from pydantic import SecretStr
from structlog.testing import capture_logs

from services.budget.main import build
from services.budget.payee import jobs
from services.budget.sealing import mark_of
from shared.live import Live, open_live
from shared.settings import Settings
from tests.building import fetch, settings_of
from tests.integration.budget.acting import ACCOUNT_NUMBER, appropriate, approved_order, check, enter_account, make, payable_case
from tests.runtime import Database

# base64 of 32 bytes "o" and of 32 bytes "n"
OLD, NEW = SecretStr("b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28="), SecretStr("bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4=")


def before_and_after(database: Database, folder: Path) -> tuple[Settings, Settings]:
    settings = settings_of("budget", database=database, folder=folder)
    before = settings.model_copy(update={"payee_account_key": OLD})
    return before, settings.model_copy(update={"payee_account_key": NEW, "payee_account_previous_keys": OLD})


@asynccontextmanager
async def client_with(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = build(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://budget.test") as client,
    ):
        yield client


async def marks(database: Database) -> set[bytes]:
    rows = await fetch(database, "SELECT substring(number_sealed FROM 1 FOR 9) AS mark FROM payee_account", service="budget")
    return {bytes(row["mark"]) for row in rows}


async def test_keys_change_while_payments_go_on(database: Database, live: Live, tmp_path: Path) -> None:
    before, after = before_and_after(database, tmp_path)
    rotating = open_live(after)
    async with client_with(before) as old, client_with(after) as new, rotating.running():
        await appropriate(old, 10_000_000)
        cases = [await payable_case(old, live) for _ in range(5)]
        made = (await make(old, cases[0])).json()

        _, checked, _, paid = await asyncio.gather(
            jobs.seal_anew(rotating, rows_max=2), check(new, made), enter_account(new, cases[1]), approved_order(new, cases[2])
        )
        await jobs.seal_anew(rotating, rows_max=2)

        assert checked.status_code == 200, checked.text
        assert paid["state"] == "in_transit"
        assert await marks(database) == {mark_of(b"n" * 32)}
        assert await jobs.seal_anew(rotating) == 0
        assert (await approved_order(new, cases[3]))["state"] == "in_transit"
        assert (await check(new, (await make(new, cases[4])).json(), number="6200000000000000029")).json()["code"] == "account-differs"


async def test_what_no_key_opens_is_named_and_stops_nothing_else(database: Database, live: Live, tmp_path: Path) -> None:
    before, after = before_and_after(database, tmp_path)
    async with client_with(before) as old:
        await appropriate(old, 10_000_000)
        for _ in range(3):
            await payable_case(old, live)
    (first, *_) = await fetch(database, "SELECT id FROM payee_account ORDER BY id", service="budget")
    await fetch(database, "UPDATE payee_account SET number_sealed = '\\x00010203040506070809' WHERE id = $1", first["id"], service="budget")
    rotating = open_live(after)

    async with rotating.running():
        with capture_logs() as logs:
            sealed = await jobs.seal_anew(rotating, rows_max=1)

    assert sealed == 2
    assert [(each["event"], each["payee_account_id"]) for each in logs] == [("payee_account_unreadable", str(first["id"]))]
    assert ACCOUNT_NUMBER not in str(logs)
