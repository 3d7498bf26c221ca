"""The last step: the year's evidence pack is taken, unpacked into an empty folder, and verified there by Python alone, without network or product."""

import asyncio
import csv
import hashlib
import io
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from rich.markup import escape

from deploy.demo.telling import note, require
from deploy.demo.world import World, rows_of, until

# The interpreter that the product's own was made from: it has none of the product's packages.
BARE_PYTHON = Path(sys.base_prefix) / "bin" / "python3"
VERIFY_LIMIT_S = 60.0


async def show_evidence(world: World, *, entries: int) -> dict[str, Any]:
    """`entries`: rows of the journal, all of which the kept checkpoint must cover."""
    world.move_to("2025-10-16T18:00")
    year = world.cast.appropriation["fiscal_year"]
    folder = world.stack.folder / "evidence"
    kept = folder / "kept.checkpoint"
    folder.mkdir()
    kept.write_text(await pull_checkpoint(world, entries=entries), encoding="utf-8")
    zh = f"外部单位自行留存签名检查点，覆盖全部{entries}条分录；公钥另行索取"
    world.step(zh=zh, en="a signed checkpoint is pulled and kept outside")
    pack = await take_pack(world, unpacked=folder / "pack")
    zh = f"审计取得{year}年度证据包：{pack['files']}个文件，SHA-256 {pack['sha256'][:16]}…，解压至空文件夹"
    world.step(zh=zh, en="the auditor takes the evidence pack")
    minutes = minutes_in(folder / "pack")
    require(set(minutes) == {world.cast.minutes_number}, zh=f"每项已确认资助应列明联审纪要：{minutes}", en="every confirmed award names its minutes")
    world.step(zh=f"包内逐项列明公示编号和联审纪要：{len(minutes)}项，{world.cast.minutes_number}", en="notice and minutes stand beside each award")
    told = await verify(world, folder=folder / "pack", kept=kept)
    world.step(zh="离线核验通过：不联网，不装任何软件，不用本系统", en="verified offline by Python alone")
    return {**pack, "checkpoint_seq": entries, "minutes": minutes, "verified": told}


def minutes_in(folder: Path) -> list[str]:
    """Of each award that was confirmed, as the pack has it."""
    with (folder / "awards.csv").open(encoding="utf-8-sig", newline="") as file:
        return [row["minutes_number"] for row in csv.DictReader(file) if row["notice_number"]]


async def pull_checkpoint(world: World, *, entries: int) -> str:
    """The worker signs once an hour in which something was booked; anybody may pull it."""
    anybody = await world.as_staff("auditor", service="budget")

    async def covering() -> str | None:
        notes = {row["seq"]: str(row["note"]) for row in await rows_of(anybody, "/v1/ledger/checkpoints")}
        return notes.get(entries)

    return await until("覆盖全部分录的检查点", what_en="a checkpoint of the whole journal", ask=covering)


async def take_pack(world: World, *, unpacked: Path) -> dict[str, Any]:
    auditor = await world.as_staff("auditor", service="budget")
    year = world.cast.appropriation["fiscal_year"]
    answer = await auditor.get(f"/v1/ledger/evidence/{year}.zip")
    sha256 = hashlib.sha256(answer.content).hexdigest()
    require(answer.headers["ETag"] == f'"{sha256}"', zh="证据包与其ETag不符", en="the pack is what its ETag says")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as pack:
        pack.extractall(unpacked)
        return {"sha256": sha256, "files": len(pack.namelist()), "folder": str(unpacked)}


async def verify(world: World, *, folder: Path, kept: Path) -> str:
    """What the verifier says; it runs in an empty environment and isolated (-I), so that nothing but the pack and Python is used."""
    (key,) = (await world.stack.probes.get(f"{world.stack.urls['budget']}/v1/ledger/checkpoint-keys")).json()["keys"]
    given = ["-I", "verify.py", "journal.ndjson", "--public-key", key["public_key"], "--checkpoint", f"../{kept.name}"]
    note(world.out, f"[dim]$ {escape(shlex.join(['python3', *given]))}[/]")
    ran = await asyncio.to_thread(
        subprocess.run, [BARE_PYTHON, *given], cwd=folder, env={}, capture_output=True, encoding="utf-8", check=False, timeout=VERIFY_LIMIT_S
    )
    require(ran.returncode == 0, zh=f"证据包核验未通过：{ran.stderr}", en="the pack verifies")
    for line in ran.stdout.splitlines():
        note(world.out, escape(line))
    return ran.stdout
