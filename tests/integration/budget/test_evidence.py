"""The evidence pack: it verifies with Python alone, its forms agree with each other, and who took it is kept."""

import asyncio
import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from services.budget.checkpoint.commands import make_checkpoint
from services.budget.signing import signer_of
from shared.live import Live
from tests.building import BUSINESS_NOW, fetch, move_business_clock
from tests.integration.budget.acting import (
    AUDITOR,
    FINANCE,
    Case,
    appropriate,
    approved_order,
    award,
    bank_says,
    cases_of,
    confirmation_of,
    enter_account,
    hear,
    paid_row,
    payable_case,
    proposed,
)
from tests.runtime import Database

OTHER_USCC = "91990000MA00000236"


@pytest.fixture
async def booked(client: httpx.AsyncClient, live: Live) -> Case:
    """A year with money, one paid award, one reserved, and a checkpoint of it all."""
    await appropriate(client, 100_000_000)
    case = await payable_case(client, live, amount_fen=1_000_001)
    await bank_says(client, paid_row(await approved_order(client, case)))
    await hear(live, proposed(award(5_000_000)))
    async with live.transaction() as tx:
        await make_checkpoint(tx, signer=signer_of(live), at=live.now().at)
    return case


async def pack(client: httpx.AsyncClient, *, folder: Path, fiscal_year: int = 2025) -> Path:
    answered = await client.get(f"/v1/ledger/evidence/{fiscal_year}.zip", auth=AUDITOR)
    assert answered.status_code == 200, answered.text
    assert answered.headers["ETag"] == f'"{hashlib.sha256(answered.content).hexdigest()}"'
    unpacked = folder / "pack"
    with zipfile.ZipFile(io.BytesIO(answered.content)) as packed:
        packed.extractall(unpacked)
    return unpacked


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("booked")
async def test_the_pack_verifies_with_nothing_but_python_and_the_key(client: httpx.AsyncClient, tmp_path: Path) -> None:
    (key,) = (await client.get("/v1/ledger/checkpoint-keys")).json()["keys"]
    folder = await pack(client, folder=tmp_path)
    witnessed = sorted(str(file) for file in (folder / "checkpoints").glob("*"))

    command = [sys.executable, "-I", "-S", "verify.py", "journal.ndjson", "--public-key", key["public_key"], "--checkpoint", *witnessed]
    verified = await asyncio.to_thread(subprocess.run, command, cwd=folder, capture_output=True, text=True, check=False)

    assert (verified.returncode, verified.stderr) == (0, "")
    assert "1 signed checkpoints agree" in verified.stdout


async def test_sheets_say_what_the_journal_says(client: httpx.AsyncClient, booked: Case, tmp_path: Path) -> None:
    folder = await pack(client, folder=tmp_path)

    header, *lines = (folder / "journal.ndjson").read_text(encoding="utf-8").splitlines()
    entries = [dict(zip(json.loads(header), json.loads(line), strict=True)) for line in lines]
    vouchers, balances = rows_of(folder, "vouchers.csv"), {row["科目"]: row for row in rows_of(folder, "balances.csv")}
    assert [(row["凭证号"], Decimal(row["金额（元）"])) for row in vouchers] == [
        (entry["voucher"], Decimal(entry["amount_fen"]) / 100) for entry in entries if entry["outcome"] == "posted"
    ]
    assert {row["金额（元）"] for row in vouchers if row["类别"] == "confirm"} == {"10000.01"}
    assert balances["2025/来源:年度批复"]["方向"] == "借"
    assert sum(Decimal(row["余额（元）"]) for row in balances.values() if row["方向"] == "贷") == Decimal("1000000.00")
    for account, row in balances.items():
        last = [each for each in rows_of(folder, "details.csv") if each["科目"] == account][-1]
        assert (last["方向"], last["余额（元）"]) == (row["方向"], row["余额（元）"])
    assert {row["case_number"] for row in rows_of(folder, "awards.csv")} >= {f"C-{booked.application_id.hex[:8]}"}


async def test_two_organisations_with_one_account_and_a_payment_before_the_notice_ended_are_suspicions(
    client: httpx.AsyncClient, live: Live, tmp_path: Path
) -> None:
    await appropriate(client, 100_000_000)
    await approved_order(client, await payable_case(client, live))
    proposal = proposed(award(1_000_000, uscc=OTHER_USCC))
    await hear(live, proposal)
    (case,) = cases_of(proposal)
    tomorrow = confirmation_of(case).model_copy(update={"confirmed_on": BUSINESS_NOW.date() + timedelta(days=1), "applicant_uscc": OTHER_USCC})
    await hear(live, tomorrow)
    await enter_account(client, case)
    await approved_order(client, case)

    folder = await pack(client, folder=tmp_path)

    found = {row["疑点"]: (row["对象"], row["情况"]) for row in rows_of(folder, "suspicions.csv")}
    assert found["公示结束前付款"][0] == f"C-{case.application_id.hex[:8]}"
    assert found["不同单位使用同一收款账号"][0] == "尾号0001"
    assert OTHER_USCC in found["不同单位使用同一收款账号"][1]
    assert found["结转资金超过规定年限"] == ("", "未发现")
    assert "6200000000000000001" not in "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.csv"))


@pytest.mark.usefixtures("booked")
async def test_who_took_which_pack_is_kept_and_stands_in_the_next(client: httpx.AsyncClient, database: Database, tmp_path: Path) -> None:
    refused = await client.get("/v1/ledger/evidence/2025.zip", auth=FINANCE)
    await pack(client, folder=tmp_path / "first")

    second = await pack(client, folder=tmp_path / "second")

    assert refused.status_code == 403
    kept = await fetch(database, "SELECT kind, sha256, taken_by FROM evidence_export ORDER BY id", service="budget")
    assert [each["kind"] for each in kept] == ["pack", "pack"]
    assert [row["sha256"] for row in rows_of(second, "access-log.csv")] == [kept[0]["sha256"]]


async def test_an_award_that_a_close_has_carried_stands_in_the_packs_of_both_years(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 1_000_000)
    (carried,) = cases_of(proposal := proposed(award(300_000)))
    await hear(live, proposal)
    move_business_clock(tmp_path, datetime.fromisoformat("2026-01-05T10:00:00+08:00"))
    closed = await client.post("/v1/year-closes", json={"fiscal_year": 2025, "document": "财结〔2026〕1号"}, auth=FINANCE)
    (later,) = cases_of(proposal := proposed(award(100_000), fiscal_year=2026))
    await hear(live, proposal)

    packs = {year: await pack(client, folder=tmp_path / str(year), fiscal_year=year) for year in (2025, 2026)}

    assert closed.status_code == 201, closed.text
    listed = {year: {row["application_id"] for row in rows_of(folder, "awards.csv")} for year, folder in packs.items()}
    assert listed == {2025: {str(carried.application_id)}, 2026: {str(carried.application_id), str(later.application_id)}}
