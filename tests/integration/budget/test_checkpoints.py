"""Checkpoints: signed, kept outside, proved against, and contradicted by books that were taken back."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.local.folders import ROOT
from services.budget.checkpoint import jobs
from services.budget.checkpoint.clients import newest_witnessed, write_once
from services.budget.checkpoint.commands import make_checkpoint
from services.budget.checkpoint.jobs import keep_checkpoints
from services.budget.checkpoint.rules import BooksContradicted, parent_of, public_key_text
from services.budget.settings import BudgetSettings
from services.budget.signing import signer_of
from shared.live import Live
from tests.building import BUSINESS_NOW, fetch, move_business_clock
from tests.integration.budget.acting import AUDITOR, FINANCE, appropriate, award, cases_of, hear, proposed
from tests.runtime import Database

VERIFIER = ROOT / "services" / "budget" / "verify.py"


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    folder = tmp_path / "witness"
    folder.mkdir()
    return folder


@pytest.fixture
def watched(live: Live, witness: Path) -> Live:
    """As `live`, with a witness."""
    return with_witness(live, witness)


def with_witness(live: Live, folder: Path) -> Live:
    assert isinstance(live.settings, BudgetSettings)
    return Live(
        settings=live.settings.model_copy(update={"witness_folder": folder}),
        database=live.database,
        clock=live.clock,
        city=live.city,
        calendar=live.calendar,
    )


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.checkpoint"))


async def checkpoint(live: Live) -> Any:
    async with live.transaction() as tx:
        return await make_checkpoint(tx, signer=signer_of(live), at=live.now().at)


async def journal(client: httpx.AsyncClient, folder: Path) -> Path:
    answered = await client.get("/v1/ledger/journal.ndjson", auth=AUDITOR)
    assert answered.status_code == 200, answered.text
    file = folder / "journal.ndjson"
    file.write_bytes(answered.content)
    return file


async def public_key(client: httpx.AsyncClient) -> str:
    (key,) = (await client.get("/v1/ledger/checkpoint-keys")).json()["keys"]
    return str(key["public_key"])


def verify(file: Path, *, checkpoints: Sequence[Path], key: str) -> subprocess.CompletedProcess[str]:
    policy = ROOT / "tests" / "contract" / "ledger" / "policy.json"
    command = [sys.executable, str(VERIFIER), str(file), "--policy", str(policy), "--public-key", key, "--checkpoint", *map(str, checkpoints)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_a_checkpoint_is_pulled_by_anybody_and_verifies_offline(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 100)
    made = await checkpoint(live)

    pulled = await client.get(f"/v1/ledger/checkpoints/{made['seq']}")
    listed = (await client.get("/v1/ledger/checkpoints")).json()["rows"]

    (tmp_path / "a.checkpoint").write_text(pulled.text)
    verified = verify(await journal(client, tmp_path), checkpoints=[tmp_path / "a.checkpoint"], key=await public_key(client))
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "2 rows" in verified.stdout
    assert "1 signed checkpoints agree" in verified.stdout
    assert [each["note"] for each in listed] == [pulled.text]


async def test_a_checkpoint_with_another_signature_is_refused_offline(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 100)
    made = await checkpoint(live)
    file = tmp_path / "a.checkpoint"
    file.write_text(made["note"].replace("\n2\n", "\n1\n"))

    verified = verify(await journal(client, tmp_path), checkpoints=[file], key=await public_key(client))

    assert verified.returncode != 0
    assert "signed by none of the keys" in verified.stderr


async def test_nothing_booked_is_no_checkpoint_and_nothing_new_is_the_same_one(client: httpx.AsyncClient, live: Live) -> None:
    before = await checkpoint(live)
    await appropriate(client, 100)

    first, again = await checkpoint(live), await checkpoint(live)

    assert before is None
    assert first == again


async def test_two_checkpoints_at_once_are_one(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100)

    one, other = await asyncio.gather(checkpoint(live), checkpoint(live))

    assert one == other
    assert len(await fetch(database, "SELECT FROM checkpoint", service="budget")) == 1


async def test_every_entry_of_an_award_is_proved_by_the_latest_checkpoint(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 10_000)
    proposal = proposed(*(award(10) for _ in range(300)))
    await hear(live, proposal)
    made = await checkpoint(live)
    case = cases_of(proposal)[123]

    proof = (await client.get(f"/v1/ledger/proofs/awards/{case.application_id}", auth=AUDITOR)).json()

    (entry,) = proof["entries"]
    assert entry["fields"]["application_id"] == str(case.application_id)
    assert root_by_inclusion(entry, size=made["seq"]) == made["root"]
    alone = (await client.get(f"/v1/ledger/proofs/entries/{entry['seq']}", auth=AUDITOR)).json()
    assert alone["entries"] == [entry]


async def test_an_entry_after_the_checkpoint_is_not_proved_by_it(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 100)
    await checkpoint(live)
    await appropriate(client, 100)

    last, after = [await client.get(f"/v1/ledger/proofs/entries/{seq}", auth=AUDITOR) for seq in (2, 3)]

    assert (last.status_code, after.status_code) == (200, 404)
    assert after.json()["code"] == "no-checkpoint"


async def test_a_later_checkpoint_continues_an_earlier_one(client: httpx.AsyncClient, live: Live) -> None:
    await appropriate(client, 100)
    first = await checkpoint(live)
    await appropriate(client, 100)
    second = await checkpoint(live)

    proof = (await client.get("/v1/ledger/proofs/consistency", params={"first_seq": 2, "second_seq": 4})).json()
    reversed_ = await client.get("/v1/ledger/proofs/consistency", params={"first_seq": 4, "second_seq": 2})

    (beside,) = (bytes.fromhex(each) for each in proof["path"])
    assert parent_of(first["root"], right=beside) == second["root"]
    assert reversed_.json()["code"] == "trees-out-of-order"


async def test_only_who_may_export_takes_the_journal_and_each_taking_is_kept(client: httpx.AsyncClient, database: Database) -> None:
    await appropriate(client, 100)

    refused = await client.get("/v1/ledger/journal.ndjson", auth=FINANCE)
    taken = await client.get("/v1/ledger/journal.ndjson", params={"after_seq": 1}, auth=AUDITOR)

    assert refused.status_code == 403
    (kept,) = await fetch(database, "SELECT kind, until_seq, sha256 FROM evidence_export", service="budget")
    assert (kept["kind"], kept["until_seq"], f'"{kept["sha256"]}"') == ("journal", 2, taken.headers["ETag"])
    assert taken.text.count("\n") == 2


async def test_the_job_makes_one_an_hour_and_hands_it_to_the_witness(client: httpx.AsyncClient, watched: Live, witness: Path, tmp_path: Path) -> None:
    await appropriate(client, 100)
    handed = await keep_checkpoints(watched)
    await appropriate(client, 100)

    too_early = await keep_checkpoints(watched)
    move_business_clock(tmp_path, BUSINESS_NOW + timedelta(hours=1, seconds=1))
    an_hour_later = await keep_checkpoints(watched)

    assert (handed, too_early, an_hour_later) == (1, 0, 1)
    assert [file.name for file in files_of(witness)] == ["000000000000002.checkpoint", "000000000000004.checkpoint"]


async def test_a_witness_file_is_never_written_again(witness: Path) -> None:
    note = "origin\n7\nroot\nchain 00\n\n— name aaaa\n"
    write_once(witness, seq=7, note=note, leaves=b"1")

    write_once(witness, seq=7, note=note.replace("aaaa", "bbbb"), leaves=b"1")
    with pytest.raises(BooksContradicted):
        write_once(witness, seq=7, note=note.replace("chain 00", "chain 01"), leaves=b"1")
    with pytest.raises(BooksContradicted):
        write_once(witness, seq=7, note=note, leaves=b"2")

    (file,) = files_of(witness)
    assert file.read_text() == note
    assert file.stat().st_mode & 0o222 == 0


async def test_books_that_were_taken_back_to_yesterday_are_not_signed_again(
    client: httpx.AsyncClient, watched: Live, witness: Path, tmp_path: Path, database: Database
) -> None:
    await appropriate(client, 100)
    await keep_checkpoints(watched)
    await restored_to(database, seq=0)
    await appropriate(client, 70)
    await appropriate(client, 30)

    with pytest.raises(BooksContradicted):
        await keep_checkpoints(watched)

    assert jobs.CONTRADICTED._value.get() == 1
    assert len(await fetch(database, "SELECT FROM checkpoint", service="budget")) == 0
    newest = newest_witnessed(witness)
    assert newest is not None
    verified = verify(await journal(client, tmp_path), checkpoints=files_of(witness), key=signer_key(watched))
    assert verified.returncode != 0
    assert "seq 1: not what checkpoint 000000000000002.checkpoint witnessed" in verified.stderr


async def test_books_that_end_before_what_was_witnessed_are_not_signed(client: httpx.AsyncClient, watched: Live, database: Database) -> None:
    await appropriate(client, 100)
    await keep_checkpoints(watched)
    await restored_to(database, seq=0)

    with pytest.raises(BooksContradicted, match="rows are gone"):
        await keep_checkpoints(watched)


async def restored_to(database: Database, *, seq: int) -> None:
    """What a copy of the whole database from an earlier day looks like: no trace of anything after row `seq`, here 0."""
    assert seq == 0
    owner = await asyncpg.connect(database.urls["postgres"])
    try:
        await owner.execute("SET search_path = budget; SET session_replication_role = replica")
        await owner.execute("TRUNCATE journal, balance, voucher_counter, appropriation, checkpoint, checkpoint_key, merkle_node, answer CASCADE")
        await owner.execute("UPDATE head SET last_seq = 0, chain = decode(repeat('00', 32), 'hex'), booked_at = '1970-01-01Z'")
    finally:
        await owner.close()


def signer_key(live: Live) -> str:
    signer = signer_of(live)
    return public_key_text(signer.name, public_key=signer.public_key)


def root_by_inclusion(entry: dict[str, Any], *, size: int) -> bytes:
    """RFC 9162 2.1.3.2."""
    fn, sn, found = entry["seq"] - 1, size - 1, bytes.fromhex(entry["leaf"])
    for step in (bytes.fromhex(each) for each in entry["path"]):
        if fn & 1 or fn == sn:
            found = parent_of(step, right=found)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            found = parent_of(found, right=step)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return found
