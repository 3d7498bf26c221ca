"""The tamper drill: the owner of the database, triggers off, does what he likes; what is kept outside names the first row that is wrong."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from deploy.local.folders import ROOT
from services.budget.checkpoint.jobs import keep_checkpoints
from services.budget.entry.rules import GENESIS, Entry, leaf_of, link
from services.budget.settings import BudgetSettings
from services.budget.verify import Bad
from shared.live import Live
from tests.building import BUSINESS_NOW, move_business_clock
from tests.integration.budget.acting import AUDITOR, appropriate, assert_journal_readds, award, hear, proposed
from tests.runtime import Database

VERIFIER = ROOT / "services" / "budget" / "verify.py"
RULES = ROOT / "tests" / "contract" / "ledger" / "policy.json"
COLUMNS = ", ".join(name for name in Entry._fields if name != "seq")


@dataclass(frozen=True)
class Drill:
    """Rows 1 to 12, with checkpoints outside of 6 and of 12."""

    client: httpx.AsyncClient
    database: Database
    folder: Path

    async def verified(self) -> subprocess.CompletedProcess[str]:
        keys = (await self.client.get("/v1/ledger/checkpoint-keys")).json()["keys"]
        exported = await self.client.get("/v1/ledger/journal.ndjson", auth=AUDITOR)
        journal = self.folder / "journal.ndjson"
        journal.write_bytes(exported.content)
        witnessed = sorted(str(file) for file in (self.folder / "witness").glob("*.checkpoint"))
        command = [sys.executable, str(VERIFIER), str(journal), "--policy", str(RULES), "--public-key", keys[0]["public_key"], "--checkpoint"]
        return await asyncio.to_thread(subprocess.run, [*command, *witnessed], capture_output=True, text=True, check=False)


@pytest.fixture
async def drill(client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path) -> Drill:
    assert isinstance(live.settings, BudgetSettings)
    (tmp_path / "witness").mkdir()
    watched = Live(
        settings=live.settings.model_copy(update={"witness_folder": tmp_path / "witness"}),
        database=live.database,
        clock=live.clock,
        city=live.city,
        calendar=live.calendar,
    )
    await appropriate(client, 10_000)
    await hear(live, proposed(*(award(10 + place) for place in range(4))))
    await keep_checkpoints(watched)
    move_business_clock(tmp_path, BUSINESS_NOW + timedelta(hours=2))
    await hear(live, proposed(*(award(20 + place) for place in range(6))))
    await keep_checkpoints(watched)
    return Drill(client, database, tmp_path)


@asynccontextmanager
async def as_owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    owner = await asyncpg.connect(database.urls["budget_owner"])
    try:
        await owner.execute("ALTER TABLE journal DISABLE TRIGGER USER")
        yield owner
    finally:
        await owner.close()


async def alter_a_field(owner: asyncpg.Connection) -> None:
    await owner.execute("UPDATE journal SET document = 'C-0' WHERE seq = 5")


async def delete_the_tail(owner: asyncpg.Connection) -> None:
    await owner.execute("DELETE FROM journal WHERE seq > 9")
    await owner.execute("UPDATE head SET last_seq = 9, chain = (SELECT chain FROM journal WHERE seq = 9)")


async def delete_in_the_middle(owner: asyncpg.Connection) -> None:
    await owner.execute("DELETE FROM journal WHERE seq = 4")


async def delete_in_the_middle_and_close_the_gap(owner: asyncpg.Connection) -> None:
    await owner.execute("DELETE FROM journal WHERE seq = 4")
    await owner.execute("UPDATE journal SET seq = seq - 1 WHERE seq = 5")
    for seq in range(6, 13):
        await owner.execute("UPDATE journal SET seq = seq - 1 WHERE seq = $1", seq)
    await rechain(owner)


async def insert_a_row(owner: asyncpg.Connection) -> None:
    for seq in range(12, 7, -1):
        await owner.execute("UPDATE journal SET seq = seq + 1 WHERE seq = $1", seq)
    columns = COLUMNS.replace("voucher, ", "").replace(" key,", "")
    await owner.execute(
        f"INSERT INTO journal (seq, voucher, key, leaf, chain, {columns}) "
        f"SELECT 8, 'RS-2025-999999', 'forged', leaf, chain, {columns} FROM journal WHERE seq = 7"
    )
    await owner.execute("UPDATE head SET last_seq = 13")


async def swap_two_rows(owner: asyncpg.Connection) -> None:
    for old, new in ((3, 99), (8, 3), (99, 8)):
        await owner.execute("UPDATE journal SET seq = $2 WHERE seq = $1", old, new)


async def rewrite_the_whole_chain(owner: asyncpg.Connection) -> None:
    await owner.execute("UPDATE journal SET document = 'C-0' WHERE seq = 8")
    await rechain(owner)


async def rechain(owner: asyncpg.Connection) -> None:
    """As somebody who knows the code: every leaf and the whole chain fit again."""
    chain = GENESIS
    for row in await owner.fetch(f"SELECT seq, {COLUMNS} FROM journal ORDER BY seq"):
        leaf = leaf_of(Entry(*row.values()))
        chain = link(chain, leaf=leaf)
        await owner.execute("UPDATE journal SET leaf = $2, chain = $3 WHERE seq = $1", row["seq"], leaf, chain)
    await owner.execute("UPDATE head SET chain = $1, last_seq = (SELECT max(seq) FROM journal)", chain)


Tampering = Callable[[asyncpg.Connection], Awaitable[None]]


async def test_books_that_nobody_touched_verify(drill: Drill) -> None:
    verified = await drill.verified()

    assert (verified.returncode, verified.stderr) == (0, "")
    assert "12 rows" in verified.stdout
    assert "2 signed checkpoints agree" in verified.stdout


@pytest.mark.parametrize(
    ("tamper", "first_bad"),
    [
        (alter_a_field, 5),
        (delete_the_tail, 10),
        (delete_in_the_middle, 4),
        (delete_in_the_middle_and_close_the_gap, 4),
        (insert_a_row, 8),
        (swap_two_rows, 3),
        (rewrite_the_whole_chain, 8),
    ],
)
async def test_the_first_row_that_is_wrong_is_named(drill: Drill, tamper: Tampering, first_bad: int) -> None:
    async with as_owner(drill.database) as owner:
        await tamper(owner)

    verified = await drill.verified()

    assert verified.returncode == 1
    assert f"seq {first_bad}: " in verified.stderr


async def test_books_that_every_test_re_adds_are_not_believed_when_a_row_was_altered(drill: Drill) -> None:
    await assert_journal_readds(drill.database)
    async with as_owner(drill.database) as owner:
        await alter_a_field(owner)

    with pytest.raises(Bad, match="seq 5: "):
        await assert_journal_readds(drill.database)


async def test_without_the_leaves_outside_a_rewritten_chain_is_named_by_the_checkpoint_that_contradicts_it(drill: Drill) -> None:
    for file in (drill.folder / "witness").glob("*.leaves"):
        file.unlink()
    async with as_owner(drill.database) as owner:
        await rewrite_the_whole_chain(owner)

    verified = await drill.verified()

    assert "seq 12: not what checkpoint 000000000000012.checkpoint witnessed" in verified.stderr
