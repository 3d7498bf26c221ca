"""The evidence pack while the books go on: what lies in it is about the rows that its journal has."""

import asyncio
import json
import sys
from pathlib import Path

import httpx

from services.budget.checkpoint.commands import make_checkpoint
from services.budget.signing import signer_of
from shared.live import Live
from tests.chaos.wire import Trap, Wire
from tests.integration.budget.acting import appropriate, award, hear, proposed
from tests.integration.budget.test_evidence import pack, rows_of
from tests.integration.budget.test_evidence_contents import entries_of, run
from tests.integration.budget.test_overtaken_approvals import WITHIN_S, wire, wired

__all__ = ["wire", "wired"]


async def book_and_sign(live: Live) -> None:
    await hear(live, proposed(award(1_000)))
    async with live.transaction() as tx:
        await make_checkpoint(tx, signer=signer_of(live), at=live.now().at)


async def test_a_pack_during_which_a_checkpoint_is_signed_verifies_and_ends_where_its_journal_does(
    client: httpx.AsyncClient, wired: httpx.AsyncClient, wire: Wire, live: Live, tmp_path: Path
) -> None:
    await appropriate(client, 1_000_000)
    await book_and_sign(live)
    (key,) = (await client.get("/v1/ledger/checkpoint-keys")).json()["keys"]
    trap = wire.trap = Trap(lambda statement: statement.startswith("SELECT seq, outcome"))

    taking = asyncio.ensure_future(pack(wired, folder=tmp_path))
    async with asyncio.timeout(WITHIN_S):
        await trap.sprung.wait()
    await book_and_sign(live)
    trap.released.set()
    folder = await taking

    witnessed = sorted((folder / "checkpoints").glob("*"))
    command = [sys.executable, "-I", "-S", "verify.py", "journal.ndjson", "--public-key", key["public_key"], "--checkpoint", *witnessed]
    verified = await run(*command, cwd=folder)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "1 signed checkpoints agree" in verified.stdout
    last_seq = len(entries_of(folder))
    proofs = [json.loads(line) for line in (folder / "proofs.ndjson").read_text(encoding="utf-8").splitlines()]
    assert [(each["checkpoint_seq"], [*each["paths"]]) for each in proofs] == [(last_seq, [str(last_seq)])]
    assert {row["application_id"] for row in rows_of(folder, "awards.csv")} == {each["application_id"] for each in proofs}
    assert "最近的检查点" not in (folder / "README.md").read_text(encoding="utf-8")
