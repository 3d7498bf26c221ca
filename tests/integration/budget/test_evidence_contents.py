"""What lies in the evidence pack of a year with every kind of voucher: each part is there, and says what the books say."""

import asyncio
import csv
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from python_calamine import CalamineWorkbook

from services.budget.ledger.rules import Kind
from shared.live import Live
from tests.integration.budget.acting import ACCOUNT_NUMBER, AUDITOR, Case
from tests.integration.budget.test_evidence import pack, rows_of
from tests.integration.budget.whole_year import book_whole_year

BEAN_CHECK = Path(sys.executable).with_name("bean-check")
DR, CR, SIDE, BALANCE = "借方发生额（元）", "贷方发生额（元）", "方向", "余额（元）"
EVERY_FILE = {
    *("README.md", "access-log.csv", "attachments.csv", "awards.csv", "balances.csv", "books.beancount", "books.xlsx", "checkpoint-keys.csv"),
    *(
        "bookkeeping.py",
        "checkpoint_file.py",
        "checkpoints",
        "details.csv",
        "gbt42940.md",
        "journal.ndjson",
        "policy.json",
        "proofs.ndjson",
        "suspicions.csv",
    ),
    *("verify.py", "vouchers.csv"),
}


@pytest_asyncio.fixture
async def paid(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> Case:
    return await book_whole_year(client, live, folder=tmp_path)


@pytest_asyncio.fixture
async def folder(client: httpx.AsyncClient, paid: Case, tmp_path: Path) -> Path:
    """The pack of 2025, unpacked."""
    return await pack(client, folder=tmp_path)


def entries_of(folder: Path) -> list[dict[str, Any]]:
    header, *lines = (folder / "journal.ndjson").read_text(encoding="utf-8").splitlines()
    return [dict(zip(json.loads(header), json.loads(line), strict=True)) for line in lines]


async def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(subprocess.run, [str(each) for each in command], cwd=cwd, capture_output=True, text=True, check=False)


async def test_books_with_every_kind_of_voucher_verify_from_the_pack_alone(client: httpx.AsyncClient, folder: Path) -> None:
    (key,) = (await client.get("/v1/ledger/checkpoint-keys")).json()["keys"]
    witnessed = sorted((folder / "checkpoints").glob("*"))

    command = [sys.executable, "-I", "-S", "verify.py", "journal.ndjson", "--public-key", key["public_key"], "--checkpoint", *witnessed]
    verified = await run(*command, cwd=folder)

    entries = entries_of(folder)
    assert {entry["kind"] for entry in entries if entry["outcome"] == "posted"} == set(Kind)
    assert {entry["outcome"] for entry in entries} == {"posted", "refused", "waiting"}
    assert (verified.returncode, verified.stderr) == (0, "")
    assert f"{len(entries)} rows" in verified.stdout
    assert "2 signed checkpoints agree" in verified.stdout


async def test_bean_check_re_adds_the_books(folder: Path) -> None:
    checked = await run(BEAN_CHECK, "books.beancount", cwd=folder)

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    text = (folder / "books.beancount").read_text(encoding="utf-8")
    assert text.count(" * ") == sum(entry["outcome"] == "posted" for entry in entries_of(folder))
    # Every account that was ever opened is closed off by what it must hold.
    assert set(re.findall(r" open (\S+) ", text)) == set(re.findall(r" balance (\S+) ", text))


def one_fen_more(text: str) -> str:
    """In both postings of the first reservation, so that the transaction itself still balances."""
    place = text.index('"RS-2025-000001"')
    return text[:place] + re.sub(r"(\d+\.\d\d) CNY", lambda found: f"{Decimal(found[1]) + Decimal('0.01')} CNY", text[place:], count=2)


def one_leg_more(text: str) -> str:
    place = text.index('"RS-2025-000001"')
    return text[:place] + re.sub(r"(\d+\.\d\d) CNY", lambda found: f"{Decimal(found[1]) + Decimal('0.01')} CNY", text[place:], count=1)


def without_a_transaction(text: str) -> str:
    return re.sub(r'\S+ \* "RS-2025-000001".*?\n\n', "", text, count=1, flags=re.DOTALL)


def to_another_account(text: str) -> str:
    """Out of the allotted money of the line instead of the fund's: the two balances are wrong by as much."""
    place = text.index('"RS-2025-000001"')
    other = re.search(r"open (Assets:Available:\S+:L2023-15-2:\S+) ", text)
    assert other is not None
    return text[:place] + re.sub(r"Assets:Available:\S+", other[1], text[place:], count=1)


@pytest.mark.parametrize("tamper", [one_fen_more, one_leg_more, without_a_transaction, to_another_account])
async def test_bean_check_finds_a_beancount_file_that_was_tampered_with(folder: Path, tamper: Any) -> None:
    file = folder / "books.beancount"
    before = file.read_text(encoding="utf-8")
    file.write_text(tamper(before), encoding="utf-8")

    checked = await run(BEAN_CHECK, "books.beancount", cwd=folder)

    assert file.read_text(encoding="utf-8") != before
    assert checked.returncode == 1
    assert "Balance failed" in checked.stderr or "does not balance" in checked.stderr


def test_no_account_of_the_beancount_file_contains_another(folder: Path) -> None:
    opened = re.findall(r" open (\S+) ", (folder / "books.beancount").read_text(encoding="utf-8"))

    assert len(opened) > 10
    assert [(one, other) for one in opened for other in opened if other.startswith(f"{one}:")] == []


def sheet_rows(folder: Path, title: str) -> Iterator[dict[str, Any]]:
    heading, *rows = CalamineWorkbook.from_path(str(folder / "books.xlsx")).get_sheet_by_name(title).to_python()
    return (dict(zip(map(str, heading), row, strict=True)) for row in rows)


def fen(yuan: Any) -> int:
    return int((Decimal(str(yuan)) * 100).to_integral_exact())


async def test_the_workbook_has_chinese_headings_and_adds_up_to_the_trial_balance(client: httpx.AsyncClient, folder: Path) -> None:
    trial = (await client.get("/v1/ledger/trial-balance", params={"fiscal_year": 2025}, auth=AUDITOR)).json()

    vouchers, details, balances = (list(sheet_rows(folder, title)) for title in ("记账凭证", "明细账", "余额表"))

    assert list(vouchers[0])[:8] == ["凭证号", "分录", "记账日期", "业务日期", "类别", "借方科目", "贷方科目", "金额（元）"]
    assert list(details[0]) == ["科目", "序号", "凭证号", "记账日期", "业务日期", "文号", "借方（元）", "贷方（元）", SIDE, BALANCE]
    assert list(balances[0]) == ["科目", DR, CR, SIDE, BALANCE]
    of_trial = {row["account"]: row for row in trial["rows"] if row["origin_year"]}
    assert {row["科目"]: (fen(row[DR]), fen(row[CR])) for row in balances} == {
        account: (row["turnover"]["dr_fen"], row["turnover"]["cr_fen"]) for account, row in of_trial.items()
    }
    assert {row["科目"]: (row[SIDE], fen(row[BALANCE])) for row in balances if fen(row[BALANCE])} == {
        account: ("借" if row["closing"]["dr_fen"] else "贷", row["closing"]["dr_fen"] or row["closing"]["cr_fen"])
        for account, row in of_trial.items()
        if row["closing"]["dr_fen"] or row["closing"]["cr_fen"]
    }
    moved = Counter[str]()
    for row in details:
        moved[row["科目"]] += fen(row["贷方（元）"]) - fen(row["借方（元）"])
    assert moved == {row["科目"]: fen(row[CR]) - fen(row[DR]) for row in balances}
    assert sum(fen(row["金额（元）"]) for row in vouchers) == sum(
        entry["amount_fen"] for entry in entries_of(folder) if entry["outcome"] == "posted" and entry["fiscal_year"] == 2025
    )


@pytest.mark.parametrize(("title", "file"), [("记账凭证", "vouchers.csv"), ("明细账", "details.csv"), ("余额表", "balances.csv")])
def test_each_sheet_and_its_csv_file_say_the_same(folder: Path, title: str, file: str) -> None:
    def told(row: dict[str, Any]) -> dict[str, Any]:
        return {name: Decimal(str(value)) if name.endswith("（元）") or name in ("序号", "分录") else value for name, value in row.items()}

    sheet = [told(row) for row in sheet_rows(folder, title)]

    assert len(sheet) > 5
    assert sheet == [told(row) for row in rows_of(folder, file)]


def test_every_part_of_the_pack_is_there_and_the_readme_names_each(folder: Path) -> None:
    found = {file.name for file in folder.iterdir()}
    readme = (folder / "README.md").read_text(encoding="utf-8")

    assert found == EVERY_FILE
    assert [name for name in found - {"README.md"} if name not in readme] == []
    assert "{" not in readme
    assert "2025年度" in readme
    assert "GOOD 无误" in readme
    # What the books cannot tell is said, and not left out in silence.
    assert "联审会议纪要" in readme
    assert "申报时未填号码的，本包查不到" in readme


def test_the_mapping_to_the_standard_lists_its_gaps_and_that_nobody_confirmed_it(folder: Path) -> None:
    text = (folder / "gbt42940.md").read_text(encoding="utf-8")

    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")][2:]

    assert "未经核实" in text
    assert Counter(row[2] for row in rows) == {"有": 6, "**差距**": 4}


def test_awards_are_listed_with_their_notice_and_documents_with_the_rows_that_cite_them(folder: Path, paid: Case) -> None:
    awards = {row["application_id"]: row for row in rows_of(folder, "awards.csv")}
    documents = {row["document"]: row for row in rows_of(folder, "attachments.csv")}

    listed = awards[str(paid.application_id)]
    assert (listed["notice_number"], listed["confirmed_on"], listed["amount_fen"]) == ("公示〔2025〕1号", "2025-09-15", "1000001")
    cited = Counter(entry["document"] for entry in entries_of(folder) if entry["fiscal_year"] == 2025)
    assert {name: int(row["entries"]) for name, row in documents.items()} == cited
    assert (documents["财预指〔2025〕1号"]["first_seq"], documents["财预指〔2025〕1号"]["entries"]) == ("1", "2")


def test_every_award_is_proved_by_the_latest_checkpoint_of_the_pack(folder: Path) -> None:
    entries = entries_of(folder)
    proofs = {each["application_id"]: each for each in map(json.loads, (folder / "proofs.ndjson").read_text().splitlines())}

    of_awards = {entry["application_id"] for entry in entries if entry["application_id"] and entry["fiscal_year"] == 2025}
    assert proofs.keys() == of_awards
    for application_id, proof in proofs.items():
        assert proof["checkpoint_seq"] == len(entries)
        assert sorted(map(int, proof["paths"])) == [
            entry["seq"] for entry in entries if entry["application_id"] == application_id and entry["fiscal_year"] == 2025
        ]


def test_no_account_number_lies_in_any_file(folder: Path) -> None:
    texts = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]

    assert len(texts) > len(EVERY_FILE)
    assert not any(ACCOUNT_NUMBER.encode() in text for text in texts)


def test_every_csv_file_opens_in_a_spreadsheet_as_utf_8(folder: Path) -> None:
    for file in folder.glob("*.csv"):
        assert file.read_bytes().startswith(b"\xef\xbb\xbf"), file.name
        with file.open(encoding="utf-8-sig", newline="") as opened:
            heading, *rows = csv.reader(opened)
        assert {len(row) for row in rows} <= {len(heading)}, file.name
