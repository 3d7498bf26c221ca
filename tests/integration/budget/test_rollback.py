"""The whole database is put back to yesterday's copy, every hash in it right: what was kept outside says so, at once and later."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from deploy.postgres.roles import allow_connections, create_database
from services.budget.checkpoint.jobs import keep_checkpoints
from services.budget.checkpoint.rules import BooksContradicted
from shared.live import Live
from tests.building import BUSINESS_NOW, client_for, fetch, move_business_clock
from tests.integration.budget.acting import appropriate, award, budget_live, hear, proposed
from tests.integration.budget.test_checkpoints import files_of, journal, signer_key, verify, with_witness
from tests.runtime import Database, TemplateDatabase, drop_database

WITNESSED, YESTERDAYS = 8, 4


@dataclass(frozen=True)
class Budget:
    """The service while it runs, with a witness outside of its database."""

    client: httpx.AsyncClient
    live: Live
    folder: Path

    async def verified(self) -> tuple[int, str]:
        found = verify(await journal(self.client, self.folder), checkpoints=files_of(self.folder / "witness"), key=signer_key(self.live))
        return found.returncode, found.stderr

    async def award(self, *amounts_fen: int) -> None:
        await hear(self.live, proposed(*(award(fen) for fen in amounts_fen)))


@asynccontextmanager
async def running(database: Database, folder: Path) -> AsyncIterator[Budget]:
    live = with_witness(budget_live(database, folder), folder / "witness")
    async with live.running(), client_for("budget", database=database, folder=folder) as client:
        yield Budget(client, live, folder)


async def copy(server: TemplateDatabase, source: str, *, name: str) -> None:
    """As a backup is restored: the files of the database, byte for byte. Nobody may be connected."""
    await create_database(server.server.admin_url(), name=name, template=source)
    await allow_connections(server.server.admin_url(), database=name)


@pytest.fixture
async def restored(template_database: TemplateDatabase, database: Database, tmp_path: Path) -> Database:
    """Rows 1 to 4 and their checkpoint are in the copy; rows up to 8, which were witnessed too, are not."""
    (tmp_path / "witness").mkdir()
    backup = f"{database.name}_yesterday"
    async with running(database, tmp_path) as budget:
        await appropriate(budget.client, 10_000)
        await budget.award(10, 11)
        await keep_checkpoints(budget.live)
    await copy(template_database, database.name, name=backup)
    async with running(database, tmp_path) as budget:
        await budget.award(20, 21, 22, 23)
        move_business_clock(tmp_path, BUSINESS_NOW + timedelta(hours=2))
        await keep_checkpoints(budget.live)
        assert await budget.verified() == (0, "")
    await drop_database(template_database.server.admin_url(), name=database.name)
    await copy(template_database, backup, name=database.name)
    await drop_database(template_database.server.admin_url(), name=backup)
    return database


async def test_yesterdays_copy_is_told_by_the_rows_that_were_witnessed_and_are_gone(restored: Database, tmp_path: Path) -> None:
    async with running(restored, tmp_path) as budget:
        code, told = await budget.verified()

        assert code == 1
        assert f"seq {YESTERDAYS + 1}: missing; checkpoint {WITNESSED:015d}.checkpoint reaches to {WITNESSED}" in told


async def test_what_was_booked_on_yesterdays_copy_is_named_from_its_first_row_on(restored: Database, tmp_path: Path) -> None:
    async with running(restored, tmp_path) as budget:
        await budget.award(20, 21, 22, 23, 24, 25)

        code, told = await budget.verified()

        assert code == 1
        assert f"seq {YESTERDAYS + 1}: not what checkpoint {WITNESSED:015d}.checkpoint witnessed" in told


@pytest.mark.parametrize("amounts_fen", [(), (20, 21, 22, 23, 24, 25)])
async def test_the_worker_signs_nothing_on_yesterdays_copy(restored: Database, tmp_path: Path, amounts_fen: tuple[int, ...]) -> None:
    async with running(restored, tmp_path) as budget:
        if amounts_fen:
            await budget.award(*amounts_fen)
        kept = [file.read_bytes() for file in files_of(tmp_path / "witness")]
        move_business_clock(tmp_path, BUSINESS_NOW + timedelta(hours=5))

        with pytest.raises(BooksContradicted):
            await keep_checkpoints(budget.live)

        assert [row["seq"] for row in await fetch(restored, "SELECT seq FROM checkpoint ORDER BY seq", service="budget")] == [YESTERDAYS]
        assert [file.read_bytes() for file in files_of(tmp_path / "witness")] == kept


async def test_the_copy_itself_is_whole_so_that_only_the_outside_can_tell(restored: Database, tmp_path: Path) -> None:
    async with running(restored, tmp_path) as budget:
        exported, first = await journal(budget.client, tmp_path), files_of(tmp_path / "witness")[:1]

        found = verify(exported, checkpoints=first, key=signer_key(budget.live))

        assert (found.returncode, found.stderr) == (0, "")
        assert f"{YESTERDAYS} rows" in found.stdout
    connection = await asyncpg.connect(restored.urls["auditor"])
    assert await connection.fetchval("SELECT last_seq FROM head") == YESTERDAYS
    await connection.close()
